// kernels/cpu/activations.inl - gated activations: y = f(gate) * up, each from one exponential that cannot
// overflow.

// 1 / (1 + e^-x), through e^-|x|: for x >= 0 it is 1 / (1 + e), below e / (1 + e), both from the same e.
ROW_FN Row row_sigmoid(Row x) {
    const Row zero = row_set1(0.0f), one = row_set1(1.0f);
    const Row e = row_exp(row_sub(zero, row_max(x, row_sub(zero, x))));
    const Row numerator = row_max(row_zero_below(one, x, 0.0f), e);
    return row_div(numerator, row_add(one, e));
}
ROW_FN Row row_silu(Row x) { return row_mul(x, row_sigmoid(x)); }

// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) is x sigmoid of twice that argument.
ROW_FN Row row_gelu_tanh(Row x) {
    const Row cubic = row_fma(row_mul(row_mul(x, x), row_set1(0.044715f)), x, x);
    return row_mul(x, row_sigmoid(row_mul(cubic, row_set1(1.5957691216057308f))));
}

// x / 2 (1 + erf(x / sqrt(2))), by the rational approximation 7.1.26 of Abramowitz and Stegun (error 1.5e-7):
// half of the complement for |x|, and from it either side.
ROW_FN Row row_gelu_erf(Row x) {
    const Row zero = row_set1(0.0f), one = row_set1(1.0f);
    const Row magnitude = row_max(x, row_sub(zero, x));
    const Row t = row_div(one, row_fma(magnitude, row_set1(0.3275911f * 0.70710678f), one));
    Row p = row_set1(1.061405429f);
    p = row_fma(p, t, row_set1(-1.453152027f));
    p = row_fma(p, t, row_set1(1.421413741f));
    p = row_fma(p, t, row_set1(-0.284496736f));
    p = row_fma(p, t, row_set1(0.254829592f));
    const Row e = row_exp(row_mul(row_mul(x, x), row_set1(-0.5f)));
    const Row half = row_mul(row_mul(row_mul(p, t), e), row_set1(0.5f));
    const Row positive = row_zero_below(one, x, 0.0f);
    const Row factor = row_fma(positive, row_sub(one, row_add(half, half)), half);
    return row_mul(x, factor);
}

ROW_FN Row row_at_most(Row x, float limit) {
    const Row zero = row_set1(0.0f);
    return row_sub(zero, row_max(row_sub(zero, x), row_set1(-limit)));
}
ROW_FN Row row_clamp(Row x, float limit) { return row_max(row_at_most(x, limit), row_set1(-limit)); }

template <int kKind>
ROW_FN Row row_glu(Row gate, Row up, float limit) {
    if (kKind == kGluSilu && limit > 0)  // clamped after the activation
        return row_mul(row_at_most(row_silu(gate), limit), row_clamp(up, limit));
    if (kKind == kGluSilu) return row_mul(row_silu(gate), up);
    if (kKind == kGluGeluTanh) return row_mul(row_gelu_tanh(gate), up);
    if (kKind == kGluGeluErf) return row_mul(row_gelu_erf(gate), up);
    if (kKind == kGluSigmoid) return row_mul(row_sigmoid(gate), up);
    const Row g = row_at_most(gate, limit);  // kGluClamped: before it
    return row_mul(row_add(row_clamp(up, limit), row_set1(1.0f)),
                   row_mul(g, row_sigmoid(row_mul(g, row_set1(1.702f)))));
}

template <int kKind>
static void glu(float* y, const float* gate, const float* up, int64_t n, float limit) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const Row u = up ? row_load(up + i) : row_set1(1.0f);
        row_store(y + i, row_glu<kKind>(row_load(gate + i), u, limit));
    }
    if (i < n) {
        const Row u = up ? row_load_part(up + i, n - i) : row_set1(1.0f);
        row_store_part(y + i, row_glu<kKind>(row_load_part(gate + i, n - i), u, limit), n - i);
    }
}
