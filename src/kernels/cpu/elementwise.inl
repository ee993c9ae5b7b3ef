// kernels/cpu/elementwise.inl - norms, rotations, activations and adds. Lengths need be no multiple of 16: a
// last short row is copied, so that its lanes add in the same order.

ROW_FN Row row_load_part(const float* p, int64_t n) {
    float lanes[16] = {0};
    for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
    return row_load(lanes);
}
ROW_FN void row_store_part(float* p, Row a, int64_t n) {
    float lanes[16];
    row_store(lanes, a);
    for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

// y = gain * (x / sqrt(mean(x^2) + eps)): sixteen running sums, joined by the fixed tree.
static void rms_norm(float* y, const float* x, const float* gain, int64_t n, float eps) {
    Row squares = row_set1(0.0f);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) squares = row_fma(row_load(x + i), row_load(x + i), squares);
    if (i < n) {
        const Row rest = row_load_part(x + i, n - i);
        squares = row_fma(rest, rest, squares);
    }
    const Row scale = row_set1(1.0f / __builtin_sqrtf(row_sum(squares) / (float)n + eps));
    for (i = 0; i + 16 <= n; i += 16)
        row_store(y + i, row_mul(row_load(gain + i), row_mul(row_load(x + i), scale)));
    if (i < n)
        row_store_part(y + i,
                       row_mul(row_load_part(gain + i, n - i), row_mul(row_load_part(x + i, n - i), scale)),
                       n - i);
}

static void rope(float* x, const float* cos, const float* sin, int64_t n_pairs, int interleaved) {
    for (int64_t i = 0; i < n_pairs; ++i) {
        float* first = interleaved ? x + 2 * i : x + i;
        float* second = interleaved ? x + 2 * i + 1 : x + i + n_pairs;
        const float a = *first, b = *second;
        *first = a * cos[i] - b * sin[i];
        *second = b * cos[i] + a * sin[i];
    }
}

static void add(float* y, const float* x, int64_t n) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) row_store(y + i, row_add(row_load(y + i), row_load(x + i)));
    for (; i < n; ++i) y[i] = y[i] + x[i];
}

static uint64_t read_bytes(const uint8_t* data, int64_t n) {
    Row acc[8];
    for (int j = 0; j < 8; ++j) acc[j] = row_set1(0.0f);
    for (int64_t i = 0; i + 512 <= n; i += 512)
        for (int j = 0; j < 8; ++j) acc[j] = row_max(acc[j], row_load((const float*)(data + i + 64 * j)));
    for (int j = 1; j < 8; ++j) acc[0] = row_max(acc[0], acc[j]);
    return (uint64_t)(row_largest(acc[0]) != 0.0f);
}

static float fma_chains(int64_t n) {
    Row acc[12];
// Unrolled, or compilers keep the chains in memory and measure that.
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) acc[j] = row_set1((float)j);
    const Row a = row_set1(0.999f), b = row_set1(0.001f);
    for (int64_t i = 0; i < n; i += 12) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; ++j) acc[j] = row_fma(acc[j], a, b);
    }
#pragma GCC unroll 12
    for (int j = 1; j < 12; ++j) acc[0] = row_add(acc[0], acc[j]);
    return row_sum(acc[0]);
}
