// kernels/cpu/delta_rule.inl - the gated delta rule in chunks of kDeltaChunk positions, counted from 0.
//
// Token by token the rule is S *= e^g; u = rate (v - S^T k); S += k u^T; o = S^T q. Within a chunk the same
// is written over the state S before it, with age(t, s) = the sum of g after s up to t:
//   u_t = rate_t (v_t - e^age(t, S) S^T k_t - sum over s < t of e^age(t, s) (k_s . k_t) u_s)
//   o_t = e^age(t, S) S^T q_t + sum over s <= t of e^age(t, s) (k_s . q_t) u_s
// and after the chunk's last token S becomes e^age(S) S + sum over s of e^age(s) k_s u_s^T. A row needs rows
// before it alone, so one token takes the same sums as many do, in the same order: over dimensions in order
// for S^T k and S^T q, in two partial sums by dimension mod 2 for products of keys, over s in order for the
// rest. Ages grow token by token and are sums of one sign: no digits cancel, however strong the decay.
// Source: Yang et al., Gated Delta Networks, arXiv:2412.06464, section 3.3.

static_assert(kDeltaChunk % 16 == 0);
static constexpr int kDeltaBlocks = kDeltaChunk / 16;

// x / sqrt(sum x^2 + 1e-6) * factor. transformers, l2norm of modeling_qwen3_next.py.
ROW_FN void unit_length(const float* x, int64_t n, float factor, float* out) {
    Row squares = row_set1(0.0f);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) squares = row_fma(row_load(x + i), row_load(x + i), squares);
    if (i < n) {
        const Row rest = row_load_part(x + i, n - i);
        squares = row_fma(rest, rest, squares);
    }
    const Row scale = row_set1(factor / __builtin_sqrtf(row_sum(squares) + 1e-6f));
    for (i = 0; i + 16 <= n; i += 16) row_store(out + i, row_mul(row_load(x + i), scale));
    if (i < n) row_store_part(out + i, row_mul(row_load_part(x + i, n - i), scale), n - i);
}

// Products of 16 keys of the chunk with the queries and keys of kTokens tokens. Lanes of keys that come
// later hold anything.
template <int kTokens>
[[gnu::noinline]] static void delta_score(const DeltaKeysArgs* a, int64_t t, int64_t block) {
    const float* keys = a->keys + block * 16 * a->k_dim;
    const float *q = a->q + t * a->k_dim, *k = a->k + t * a->k_dim;
    Row of_q[kTokens][2], of_k[kTokens][2];
#pragma GCC unroll 4
    for (int i = 0; i < kTokens; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) of_q[i][j] = of_k[i][j] = row_set1(0.0f);
    int64_t d = 0;
    for (; d + 2 <= a->k_dim; d += 2) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            const Row key = row_load(keys + 16 * (d + j));
#pragma GCC unroll 4
            for (int i = 0; i < kTokens; ++i) {
                of_q[i][j] = row_fma(key, row_set1(q[i * a->k_dim + d + j]), of_q[i][j]);
                of_k[i][j] = row_fma(key, row_set1(k[i * a->k_dim + d + j]), of_k[i][j]);
            }
        }
    }
    if (d < a->k_dim) {
        const Row key = row_load(keys + 16 * d);
#pragma GCC unroll 4
        for (int i = 0; i < kTokens; ++i) {
            of_q[i][0] = row_fma(key, row_set1(q[i * a->k_dim + d]), of_q[i][0]);
            of_k[i][0] = row_fma(key, row_set1(k[i * a->k_dim + d]), of_k[i][0]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kTokens; ++i) {
        row_store(a->query_scores + (t + i) * kDeltaChunk + 16 * block, row_add(of_q[i][0], of_q[i][1]));
        row_store(a->key_scores + (t + i) * kDeltaChunk + 16 * block, row_add(of_k[i][0], of_k[i][1]));
    }
}

static void delta_keys(const DeltaKeysArgs* a) {
    const float query_factor = 1.0f / __builtin_sqrtf((float)a->k_dim);
    for (int64_t t = 0; t < a->n_tokens; ++t) {
        float* k = a->k + t * a->k_dim;
        unit_length(a->queries_in + t * a->in_stride, a->k_dim, query_factor, a->q + t * a->k_dim);
        unit_length(a->keys_in + t * a->in_stride, a->k_dim, 1.0f, k);
        const int64_t slot = a->first + t;
        float* kept = a->keys + slot / 16 * 16 * a->k_dim + slot % 16;
        for (int64_t d = 0; d < a->k_dim; ++d) kept[16 * d] = k[d];
    }
    int64_t t = 0;
    for (; t + kDeltaTokens <= a->n_tokens; t += kDeltaTokens)
        for (int64_t block = 0; 16 * block < a->first + t + kDeltaTokens; ++block)
            delta_score<kDeltaTokens>(a, t, block);
    for (; t < a->n_tokens; ++t)
        for (int64_t block = 0; 16 * block <= a->first + t; ++block) delta_score<1>(a, t, block);
}

// What each token of the step weighs: by [token of the step][slot of the chunk], minus e^age k_s . k_t and
// e^age k_s . q_t.
struct DeltaWeights {
    float minus_key[kDeltaChunk][kDeltaChunk], query[kDeltaChunk][kDeltaChunk];
    float state[kDeltaChunk][16];  // e^age of the state, in all lanes
    float left[kDeltaChunk];       // e^age of each row after the chunk's last token
};

ROW_FN void delta_weigh(const DeltaArgs* a, DeltaWeights* w) {
    for (int64_t t = 0; t < a->n_tokens; ++t) {
        const int64_t slot = a->first + t;
        const Row g = row_set1(a->log_decays[t]);
        for (int64_t at = 0; at <= slot; at += 16) {
            // Rows before this one are older now; this one is new.
            const int before = (int)(slot - at < 16 ? slot - at : 16);
            const Row age = row_keep_lanes(row_add(row_load(a->ages + at), g), 0, before, 0.0f);
            row_store(a->ages + at, age);
            const Row weight = row_exp(age);
            const int64_t score = t * kDeltaChunk + at;
            row_store(w->minus_key[t] + at,
                      row_sub(row_set1(0.0f), row_mul(weight, row_load(a->key_scores + score))));
            row_store(w->query[t] + at, row_mul(weight, row_load(a->query_scores + score)));
            if (slot + 1 == kDeltaChunk) row_store(w->left + at, weight);
        }
        float* state_age = a->ages + kDeltaChunk;
        const Row age = slot == 0 ? g : row_add(row_load(state_age), g);
        row_store(state_age, age);
        row_store(w->state[t], row_exp(age));
    }
}

// S^T k to the rows of changes, S^T q to the output: kTokens tokens, 16 kCols columns.
template <int kTokens, int kCols>
[[gnu::noinline]] static void delta_read(const DeltaArgs* a, int64_t t, int64_t at) {
    const float *q = a->q + t * a->k_dim, *k = a->k + t * a->k_dim;
    Row of_k[kTokens][kCols], of_q[kTokens][kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kTokens; ++j)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) of_k[j][c] = of_q[j][c] = row_set1(0.0f);
    for (int64_t d = 0; d < a->k_dim; ++d) {
        Row s[kCols];
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) s[c] = row_load(a->state + d * a->v_pad + at + 16 * c);
#pragma GCC unroll 4
        for (int j = 0; j < kTokens; ++j) {
            const Row key = row_set1(k[j * a->k_dim + d]), query = row_set1(q[j * a->k_dim + d]);
#pragma GCC unroll 8
            for (int c = 0; c < kCols; ++c) of_k[j][c] = row_fma(s[c], key, of_k[j][c]);
#pragma GCC unroll 8
            for (int c = 0; c < kCols; ++c) of_q[j][c] = row_fma(s[c], query, of_q[j][c]);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < kTokens; ++j)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) {
            row_store(a->changes + (a->first + t + j) * a->v_pad + at + 16 * c, of_k[j][c]);
            row_store(a->out + (t + j) * a->v_pad + at + 16 * c, of_q[j][c]);
        }
}

// One token's change u and output o from what delta_read left in their places and the rows before it.
template <int kCols>
[[gnu::noinline]] static void delta_settle(const DeltaArgs* a, const DeltaWeights* w, int64_t t, int64_t at) {
    const int64_t slot = a->first + t;
    float *own = a->changes + slot * a->v_pad + at, *out = a->out + t * a->v_pad + at;
    const Row kept = row_load(w->state[t]), minus_kept = row_sub(row_set1(0.0f), kept);
    Row change[kCols], given[kCols];
#pragma GCC unroll 8
    for (int c = 0; c < kCols; ++c) {
        change[c] = row_fma(minus_kept, row_load(own + 16 * c), row_load(a->v + t * a->v_pad + at + 16 * c));
        given[c] = row_mul(kept, row_load(out + 16 * c));
    }
    for (int64_t s = 0; s < slot; ++s) {
        const float* before = a->changes + s * a->v_pad + at;
        const Row key = row_set1(w->minus_key[t][s]), query = row_set1(w->query[t][s]);
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) {
            const Row u = row_load(before + 16 * c);
            change[c] = row_fma(key, u, change[c]);
            given[c] = row_fma(query, u, given[c]);
        }
    }
    const Row rate = row_set1(a->rates[t]), query = row_set1(w->query[t][slot]);
#pragma GCC unroll 8
    for (int c = 0; c < kCols; ++c) {
        change[c] = row_mul(change[c], rate);
        row_store(own + 16 * c, change[c]);
        row_store(out + 16 * c, row_fma(query, change[c], given[c]));
    }
}

// The chunk joins kRows rows of the state; its changes are weighed already.
template <int kRows, int kCols>
[[gnu::noinline]] static void delta_join(const DeltaArgs* a, const float* kept, int64_t d, int64_t at) {
    float* state = a->state + d * a->v_pad + at;
    Row sum[kRows][kCols];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c)
            sum[r][c] = row_mul(row_load(kept), row_load(state + r * a->v_pad + 16 * c));
    for (int64_t s = 0; s < kDeltaChunk; ++s) {
        const float* keys = a->keys + (s / 16 * a->k_dim + d) * 16 + s % 16;
        Row u[kCols];
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) u[c] = row_load(a->changes + s * a->v_pad + at + 16 * c);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
            const Row key = row_set1(keys[16 * r]);
#pragma GCC unroll 8
            for (int c = 0; c < kCols; ++c) sum[r][c] = row_fma(key, u[c], sum[r][c]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) row_store(state + r * a->v_pad + 16 * c, sum[r][c]);
}

// All of it for 16 kCols columns, whose part of the state stays in the first-level cache meanwhile.
template <int kTokens, int kCols>
ROW_FN void delta_columns(const DeltaArgs* a, const DeltaWeights* w, int64_t at) {
    int64_t t = 0;
    for (; t + kTokens <= a->n_tokens; t += kTokens) delta_read<kTokens, kCols>(a, t, at);
    for (; t < a->n_tokens; ++t) delta_read<1, kCols>(a, t, at);
    for (t = 0; t < a->n_tokens; ++t) delta_settle<kCols>(a, w, t, at);
    if (a->first + a->n_tokens < kDeltaChunk) return;
    for (int64_t s = 0; s < kDeltaChunk; ++s)
        for (int c = 0; c < kCols; ++c) {
            float* u = a->changes + s * a->v_pad + at + 16 * c;
            row_store(u, row_mul(row_set1(w->left[s]), row_load(u)));
        }
    constexpr int kRows = kDeltaJoinRows, kJoinCols = kCols < kDeltaCols ? kCols : kDeltaCols;
    for (int c = 0; c < kCols; c += kJoinCols) {
        int64_t d = 0;
        for (; d + kRows <= a->k_dim; d += kRows)
            delta_join<kRows, kJoinCols>(a, w->state[a->n_tokens - 1], d, at + 16 * c);
        for (; d < a->k_dim; ++d) delta_join<1, kJoinCols>(a, w->state[a->n_tokens - 1], d, at + 16 * c);
    }
}

static void delta_rule(const DeltaArgs* a) {
    DeltaWeights weights;
    delta_weigh(a, &weights);
    int64_t at = 0;
    if (a->n_tokens == 1)  // whole rows of the state, as memory likes to be read
        for (; at + 16 * kDeltaColsOfOne <= a->v_pad; at += 16 * kDeltaColsOfOne)
            delta_columns<1, kDeltaColsOfOne>(a, &weights, at);
    for (; at + 16 * kDeltaCols <= a->v_pad; at += 16 * kDeltaCols)
        delta_columns<kDeltaTokens, kDeltaCols>(a, &weights, at);
    for (; at < a->v_pad; at += 16) delta_columns<kDeltaTokens, 1>(a, &weights, at);
}
