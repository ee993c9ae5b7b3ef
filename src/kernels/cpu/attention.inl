// kernels/cpu/attention.inl - softmax(q k^T) v of the queries of one KV head, over blocks of 16 positions.
//
// The order, for each query by itself: scores sum over dimensions in four partial sums by dimension mod 4,
// joined as (s0 + s1) + (s2 + s3). Positions come in chunks of 256 counted from 0: a chunk's largest score
// and the largest before it give the reference; what was summed before is scaled by e^(old - new), and the
// chunk's weights and weighted values are added position by position. Positions that a query does not see
// weigh 0, which changes no bit, so queries that share loads, and those that do not, agree.

// e^x for x <= 0, to about 1 unit in the last place; 0 below -87. Cephes' expf polynomial (S. Moshier,
// netlib).
ROW_FN Row row_exp(Row x) {
    const Row magic = row_set1(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
    const Row clamped = row_max(x, row_set1(-87.0f));
    const Row n_magic = row_fma(clamped, row_set1(1.44269504088896341f), magic);
    const Row n = row_sub(n_magic, magic);
    Row r = row_fma(n, row_set1(-0.693359375f), clamped);
    r = row_fma(n, row_set1(2.12194440e-4f), r);
    Row p = row_set1(1.9875691500e-4f);
    p = row_fma(p, r, row_set1(1.3981999507e-3f));
    p = row_fma(p, r, row_set1(8.3334519073e-3f));
    p = row_fma(p, r, row_set1(4.1665795894e-2f));
    p = row_fma(p, r, row_set1(1.6666665459e-1f));
    p = row_fma(p, r, row_set1(5.0000001201e-1f));
    p = row_fma(p, row_mul(r, r), row_add(r, row_set1(1.0f)));
    return row_zero_below(row_scale_by_magic(p, n_magic), x, -87.0f);
}

// One type of keys and values each: a row of 16 positions of dimension d, a row of 16 dimensions of position
// s.
struct KvReadF32 {
    static constexpr int kRowBytes = 64;
    ROW_MEMBER Row key(const uint8_t* keys, int, int d) { return row_load((const float*)keys + 16 * d); }
    ROW_MEMBER Row value(const uint8_t* values, int head_dim, int s, int d) {
        return row_load((const float*)values + s * kv_head_dim_padded(head_dim) + d);
    }
};
struct KvReadBf16 {
    static constexpr int kRowBytes = 32;
    ROW_MEMBER Row key(const uint8_t* keys, int, int d) { return row_from_bf16(keys + 32 * d); }
    ROW_MEMBER Row value(const uint8_t* values, int head_dim, int s, int d) {
        return row_from_bf16(values + 2 * (s * kv_head_dim_padded(head_dim) + d));
    }
};
struct KvReadFp8 {
    static constexpr int kRowBytes = 16;
    ROW_MEMBER Row key(const uint8_t* keys, int, int d) { return row_from_e4m3_bytes(keys + 16 * d); }
    ROW_MEMBER Row value(const uint8_t* values, int head_dim, int s, int d) {
        return row_from_e4m3_bytes(values + s * kv_head_dim_padded(head_dim) + d);
    }
};
struct KvReadQ8 {
    static constexpr int kRowBytes = 16;
    ROW_MEMBER Row key(const uint8_t* keys, int head_dim, int d) {
        const float* scales = (const float*)(keys + kv_key_scales_at(head_dim)) + d / 32 * 16;
        return row_mul(row_from_ints(ints_from_i8(keys + 16 * d)), row_load(scales));
    }
    ROW_MEMBER Row value(const uint8_t* values, int head_dim, int s, int d) {
        const float* scales = (const float*)(values + kv_value_scales_at(head_dim)) + s * kv_groups(head_dim);
        return row_mul(row_from_ints(ints_from_i8(values + s * kv_head_dim_padded(head_dim) + d)),
                       row_set1(scales[d / 32]));
    }
};

// One query: a token and a head.
struct AttendRow {
    const float* q;
    float* out;
    int64_t begin, end;  // visible positions
    float top;           // the largest score so far
    float scale_down;    // of what was summed before this chunk
    float sink;
};

// Blocks lie apart from each other, where the processor's own prefetchers lose track: while one is read, as
// much of the one kBlocksAhead later is asked for, in the order of reading: a chunk's keys, its values, the
// next chunk's keys.
static constexpr int64_t kBlocksAhead = 4;
ROW_FN const uint8_t* block_ahead(const AttendArgs* a, int64_t begin, int64_t end, int64_t at,
                                  bool in_values) {
    const int64_t first = begin / 16, past = (end + 15) / 16;
    at += kBlocksAhead;
    if (!in_values && at < past) return a->key_blocks[at];
    if (!in_values) {
        at -= past - first;
        return a->value_blocks[at < past ? at : past - 1];
    }
    if (at < past) return a->value_blocks[at];
    return at * 16 < a->n_filled ? a->key_blocks[at] : a->value_blocks[past - 1];
}
ROW_FN void ask_ahead(const uint8_t* next, int64_t from, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += kLineBytes) __builtin_prefetch(next + from + i, 0, 2);
}

// scores[16] of one block for kRows queries, -infinity where one does not see.
template <class Kv, int kRows>
ROW_FN void score_block(const AttendArgs* a, const AttendRow* rows, int64_t block, const uint8_t* next,
                        Row* scores) {
    const uint8_t* keys = a->key_blocks[block];
    Row acc[kRows][4];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) acc[r][j] = row_set1(0.0f);
    int d = 0;
    for (; d + 4 <= a->head_dim; d += 4) {
        ask_ahead(next, d * Kv::kRowBytes, 4 * Kv::kRowBytes);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            const Row key = Kv::key(keys, a->head_dim, d + j);
#pragma GCC unroll 4
            for (int r = 0; r < kRows; ++r) acc[r][j] = row_fma(key, row_set1(rows[r].q[d + j]), acc[r][j]);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        if (d + j >= a->head_dim) break;
        const Row key = Kv::key(keys, a->head_dim, d + j);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) acc[r][j] = row_fma(key, row_set1(rows[r].q[d + j]), acc[r][j]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
        const Row sum = row_add(row_add(acc[r][0], acc[r][1]), row_add(acc[r][2], acc[r][3]));
        const int64_t from = rows[r].begin - block * 16, to = rows[r].end - block * 16;
        scores[r] = row_keep_lanes(row_mul(sum, row_set1(a->softmax_scale)),
                                   from > 0 ? (int)(from < 16 ? from : 16) : 0,
                                   to < 16 ? (int)(to > 0 ? to : 0) : 16, -INFINITY);
    }
}

// Adds the chunk's values, times their weights, to kRows sums of 16 kCols dimensions from d. Not inlined: in
// one function with all the rest, compilers run out of registers and keep the sums in memory.
template <class Kv, int kRows, int kCols>
[[gnu::noinline]] static void weigh_values(const AttendArgs* a, const AttendRow* rows, const float* weights,
                                           int64_t begin, int64_t end, int d, float* sums,
                                           int64_t sums_stride) {
    const int64_t head_dim_pad = kv_head_dim_padded(a->head_dim);
    Row acc[kRows][kCols];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int i = 0; i < kCols; ++i)
            acc[r][i] = row_mul(row_load(sums + r * sums_stride + d + 16 * i), row_set1(rows[r].scale_down));
    for (int64_t block = begin / 16; block * 16 < end; ++block) {
        const uint8_t* values = a->value_blocks[block];
        const uint8_t* next = block_ahead(a, begin, end, block, true);
        const int n = end - block * 16 < 16 ? (int)(end - block * 16) : 16;
        for (int s = block * 16 < begin ? (int)(begin - block * 16) : 0; s < n; ++s) {
            ask_ahead(next, (s * head_dim_pad / 16 + d / 16) * Kv::kRowBytes, kCols * Kv::kRowBytes);
            Row v[kCols];
#pragma GCC unroll 8
            for (int i = 0; i < kCols; ++i) v[i] = Kv::value(values, a->head_dim, s, d + 16 * i);
#pragma GCC unroll 8
            for (int r = 0; r < kRows; ++r) {
                const Row w = row_set1(weights[r * kAttendChunk + block * 16 % kAttendChunk + s]);
#pragma GCC unroll 8
                for (int i = 0; i < kCols; ++i) acc[r][i] = row_fma(w, v[i], acc[r][i]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int i = 0; i < kCols; ++i) row_store(sums + r * sums_stride + d + 16 * i, acc[r][i]);
}

ROW_FN float first_lane(Row a) {
    float lanes[16];
    row_store(lanes, a);
    return lanes[0];
}
ROW_FN float exp_of(float x) { return first_lane(row_exp(row_set1(x))); }

// Positions [begin, end) of one chunk, for kRows queries.
template <class Kv, int kRows>
ROW_FN void attend_chunk(const AttendArgs* a, AttendRow* rows, Row* totals, float* sums, int64_t begin,
                         int64_t end) {
    float* weights = a->scratch;
    const int64_t head_dim_pad = kv_head_dim_padded(a->head_dim);
    Row largest[kRows];
    for (int r = 0; r < kRows; ++r) largest[r] = row_set1(-INFINITY);
    for (int64_t block = begin / 16; block * 16 < end; ++block) {
        Row scores[kRows];
        const uint8_t* next = block_ahead(a, begin, end, block, false);
        score_block<Kv, kRows>(a, rows, block, next, scores);
        for (int r = 0; r < kRows; ++r) {
            largest[r] = row_max(scores[r], largest[r]);
            row_store(weights + r * kAttendChunk + block * 16 % kAttendChunk, scores[r]);
        }
    }
    for (int r = 0; r < kRows; ++r) {
        const float here = row_largest(largest[r]);
        const float top = here > rows[r].top ? here : rows[r].top;
        const float reference = top == -INFINITY ? 0.0f : top;  // nothing seen yet
        rows[r].scale_down = exp_of(rows[r].top - reference);
        rows[r].top = top;
        totals[r] = row_mul(totals[r], row_set1(rows[r].scale_down));
        for (int64_t block = begin / 16; block * 16 < end; ++block) {
            float* w = weights + r * kAttendChunk + block * 16 % kAttendChunk;
            const Row e = row_exp(row_sub(row_load(w), row_set1(reference)));
            totals[r] = row_add(totals[r], e);
            row_store(w, e);
        }
    }
    int d = 0;
    if constexpr (kRows <= 2 && kAttendColsOfTwo > kAttendCols)  // registers are left for wider stretches
        for (; d + 16 * kAttendColsOfTwo <= head_dim_pad; d += 16 * kAttendColsOfTwo)
            weigh_values<Kv, kRows, kAttendColsOfTwo>(a, rows, weights, begin, end, d, sums, head_dim_pad);
    for (; d + 16 * kAttendCols <= head_dim_pad; d += 16 * kAttendCols)
        weigh_values<Kv, kRows, kAttendCols>(a, rows, weights, begin, end, d, sums, head_dim_pad);
    for (; d < head_dim_pad; d += 16)
        weigh_values<Kv, kRows, 1>(a, rows, weights, begin, end, d, sums, head_dim_pad);
}

// Queries whose sums are held while one chunk after the other is read, and what they see together.
struct AttendHeld {
    AttendRow rows[kAttendRowsHeld];
    Row totals[kAttendRowsHeld];
    float* sums;  // [n, head_dim padded]
    int64_t begin = INT64_MAX, end = 0;
};

ROW_FN void hold(const AttendArgs* a, int64_t first, int64_t n, AttendHeld* held) {
    const int64_t head_dim_pad = kv_head_dim_padded(a->head_dim);
    held->sums = a->scratch + kAttendRowsMax * kAttendChunk;
    for (int64_t d = 0; d < n * head_dim_pad; d += 16) row_store(held->sums + d, row_set1(0.0f));
    for (int64_t r = 0; r < n; ++r) {
        const int64_t token = (first + r) / a->heads_per_kv, head = (first + r) % a->heads_per_kv;
        const int64_t last = a->position + token;
        AttendRow* row = held->rows + r;
        row->q = a->q + token * a->q_stride + head * a->head_dim;
        row->out = a->out + token * a->out_stride + head * a->head_dim;
        row->begin = last + 1 > a->behind ? last + 1 - a->behind : 0;
        row->end = last + 1 + a->ahead < a->n_filled ? last + 1 + a->ahead : a->n_filled;
        row->sink = a->sinks ? a->sinks[head] : 0.0f;
        row->top = a->sinks ? row->sink : -INFINITY;
        held->begin = row->begin < held->begin ? row->begin : held->begin;
        held->end = row->end > held->end ? row->end : held->end;
        held->totals[r] = row_set1(0.0f);
    }
}

// What kRows of the held queries see of the chunk [begin, end).
template <class Kv, int kRows>
ROW_FN void attend_rows(const AttendArgs* a, AttendHeld* held, int64_t r, int64_t begin, int64_t end) {
    int64_t first = INT64_MAX, last = 0;
    for (int64_t i = r; i < r + kRows; ++i) {
        first = held->rows[i].begin < first ? held->rows[i].begin : first;
        last = held->rows[i].end > last ? held->rows[i].end : last;
    }
    if (first < begin) first = begin;
    if (last > end) last = end;
    if (first >= last) return;
    float* sums = held->sums + r * kv_head_dim_padded(a->head_dim);
    attend_chunk<Kv, kRows>(a, held->rows + r, held->totals + r, sums, first, last);
}

// A chunk comes from memory for the first of the queries, and out of the second-level cache for the others.
template <class Kv>
ROW_FN void attend_held(const AttendArgs* a, int64_t n, AttendHeld* held) {
    for (int64_t at = held->begin; at < held->end;) {
        const int64_t chunk_end = (at / kAttendChunk + 1) * kAttendChunk;
        int64_t r = 0;
        for (; r + kAttendRows <= n; r += kAttendRows)
            attend_rows<Kv, kAttendRows>(a, held, r, at, chunk_end);
        if constexpr (kAttendRows > 2)
            for (; r + 2 <= n; r += 2) attend_rows<Kv, 2>(a, held, r, at, chunk_end);
        for (; r < n; ++r) attend_rows<Kv, 1>(a, held, r, at, chunk_end);
        at = chunk_end;
    }
    const int64_t head_dim_pad = kv_head_dim_padded(a->head_dim);
    for (int64_t r = 0; r < n; ++r) {
        const AttendRow* row = held->rows + r;
        float sum = row_sum(held->totals[r]);
        if (a->sinks) sum = sum + exp_of(row->sink - row->top);
        for (int d = 0; d < a->head_dim; ++d) row->out[d] = held->sums[r * head_dim_pad + d] / sum;
    }
}

template <class Kv>
static void attend(const AttendArgs* a) {
    const int64_t n = a->n_tokens * a->heads_per_kv;
    for (int64_t first = 0; first < n; first += kAttendRowsHeld) {
        const int64_t n_held = n - first < kAttendRowsHeld ? n - first : kAttendRowsHeld;
        AttendHeld held;
        hold(a, first, n_held, &held);
        attend_held<Kv>(a, n_held, &held);
    }
}
