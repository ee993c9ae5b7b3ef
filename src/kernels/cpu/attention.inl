// kernels/cpu/attention.inl - softmax(q k^T) v of one token and one KV head, over blocks of 16 positions in
// order. Scores first, then their maximum, then weights and values: per position in order, so chunks cannot
// matter.

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

// scores[16] of one block: sum over dimensions in four partial sums, as linear.inl.
ROW_FN Row score_block(const float* q, const float* keys, int head_dim) {
    Row acc[4];
    for (int j = 0; j < 4; ++j) acc[j] = row_set1(0.0f);
    int d = 0;
    for (; d + 4 <= head_dim; d += 4)
        for (int j = 0; j < 4; ++j)
            acc[j] = row_fma(row_load(keys + (d + j) * 16), row_set1(q[d + j]), acc[j]);
    for (int j = 0; d + j < head_dim; ++j)
        acc[j] = row_fma(row_load(keys + (d + j) * 16), row_set1(q[d + j]), acc[j]);
    return row_add(row_add(acc[0], acc[1]), row_add(acc[2], acc[3]));
}

template <int kRows>
ROW_FN void weigh_values(const AttendArgs* a, const float* weights, int d0, float* out) {
    Row acc[kRows];
    for (int i = 0; i < kRows; ++i) acc[i] = row_set1(0.0f);
    for (int64_t block = a->begin / 16; block * 16 < a->end; ++block) {
        const float* values = a->value_blocks[block] + d0;
        const int64_t left = a->end - block * 16;
        const int n = left < 16 ? (int)left : 16;
        for (int s = block * 16 < a->begin ? (int)(a->begin - block * 16) : 0; s < n; ++s) {
            const Row w = row_set1(weights[block * 16 + s]);
            for (int i = 0; i < kRows; ++i)
                acc[i] = row_fma(w, row_load(values + s * a->head_dim_pad + 16 * i), acc[i]);
        }
    }
    for (int i = 0; i < kRows; ++i) row_store(out + d0 + 16 * i, acc[i]);
}

static void attend(const AttendArgs* a) {
    const int64_t first = a->begin / 16, n_blocks = (a->end + 15) / 16;
    float* weights = a->scratch;
    float* sum_out = a->scratch + n_blocks * 16;
    for (int head = 0; head < a->heads_per_kv; ++head) {
        const float* q = a->q + head * a->head_dim;
        const Row scale = row_set1(a->softmax_scale);
        Row largest = row_set1(-INFINITY);
        for (int64_t b = first; b < n_blocks; ++b) {
            const int64_t from = a->begin - b * 16, to = a->end - b * 16;
            Row s = row_mul(score_block(q, a->key_blocks[b], a->head_dim), scale);
            s = row_keep_lanes(s, from > 0 ? (int)from : 0, to < 16 ? (int)to : 16, -INFINITY);
            largest = row_max(s, largest);
            row_store(weights + b * 16, s);
        }
        if (a->sinks) largest = row_max(largest, row_set1(a->sinks[head]));
        const Row top = row_set1(row_largest(largest));
        Row total = row_set1(0.0f);
        for (int64_t b = first; b < n_blocks; ++b) {
            const Row e = row_exp(row_sub(row_load(weights + b * 16), top));
            total = row_add(total, e);
            row_store(weights + b * 16, e);
        }
        int d = 0;
        for (; d + 64 <= a->head_dim_pad; d += 64) weigh_values<4>(a, weights, d, sum_out);
        for (; d < a->head_dim_pad; d += 16) weigh_values<1>(a, weights, d, sum_out);
        float sum = row_sum(total);
        if (a->sinks) {
            float sink[16];
            row_store(sink, row_exp(row_sub(row_set1(a->sinks[head]), top)));
            sum = sum + sink[0];
        }
        for (int i = 0; i < a->head_dim; ++i) a->out[head * a->head_dim + i] = sum_out[i] / sum;
    }
}
