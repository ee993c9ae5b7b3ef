// kernels/cpu/delta_rule.inl - one token of one head of a gated delta rule. Columns of the state are
// independent, and each sums over the rows in order: S *= decay; d = rate (v - S^T k); S += k d^T; out = S^T
// q.

template <int kRows>
ROW_FN void delta_columns(const DeltaArgs* a, int64_t at) {
    const Row decay = row_set1(a->decay), rate = row_set1(a->rate);
    Row known[kRows], out[kRows];
    for (int i = 0; i < kRows; ++i) known[i] = out[i] = row_set1(0.0f);
    for (int64_t k = 0; k < a->k_dim; ++k) {
        float* s = a->state + k * a->v_pad + at;
        const Row key = row_set1(a->k[k]);
        for (int i = 0; i < kRows; ++i) {
            const Row kept = row_mul(row_load(s + 16 * i), decay);
            row_store(s + 16 * i, kept);
            known[i] = row_fma(kept, key, known[i]);
        }
    }
    for (int i = 0; i < kRows; ++i) known[i] = row_mul(row_sub(row_load(a->v + at + 16 * i), known[i]), rate);
    for (int64_t k = 0; k < a->k_dim; ++k) {
        float* s = a->state + k * a->v_pad + at;
        const Row key = row_set1(a->k[k]), query = row_set1(a->q[k]);
        for (int i = 0; i < kRows; ++i) {
            const Row grown = row_fma(key, known[i], row_load(s + 16 * i));
            row_store(s + 16 * i, grown);
            out[i] = row_fma(query, grown, out[i]);
        }
    }
    for (int i = 0; i < kRows; ++i) row_store(a->out + at + 16 * i, out[i]);
}

static void delta_step(const DeltaArgs* a) {
    int64_t at = 0;
    for (; at + 64 <= a->v_pad; at += 64) delta_columns<4>(a, at);
    for (; at < a->v_pad; at += 16) delta_columns<1>(a, at);
}
