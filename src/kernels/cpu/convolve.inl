// kernels/cpu/convolve.inl - each channel's sum over its last inputs, the oldest first, and SiLU of it.

static void convolve(const ConvolveArgs* a, int64_t begin, int64_t end) {
    constexpr int64_t kChannels = 256;  // whose taps wait in the first-level cache while tokens go by
    float taps[kTapsMax * kChannels];   // [taps][kChannels]
    for (; begin < end; begin += kChannels) {
        const int64_t n = end - begin < kChannels ? end - begin : kChannels;
        for (int64_t c = 0; c < n; ++c)
            for (int64_t j = 0; j < a->n_taps; ++j)
                taps[j * kChannels + c] = a->taps[(begin + c) * a->n_taps + j];
        for (int64_t t = 0; t < a->n_tokens; ++t) {
            const float* inputs[kTapsMax];
            for (int64_t j = 0; j < a->n_taps; ++j) {
                const int64_t at = t + j + 1 - a->n_taps;  // of the step; before it: kept
                inputs[j] =
                    at >= 0 ? a->in + at * a->in_stride : a->kept + (a->n_taps - 1 + at) * a->channels;
                inputs[j] += begin;
            }
            float* out = a->out + t * a->out_stride + begin;
            int64_t c = 0;
            for (; c + 16 <= n; c += 16) {
                Row sum = row_set1(0.0f);
                for (int64_t j = 0; j < a->n_taps; ++j)
                    sum = row_fma(row_load(taps + j * kChannels + c), row_load(inputs[j] + c), sum);
                row_store(out + c, row_silu(sum));
            }
            if (c == n) continue;
            Row sum = row_set1(0.0f);
            for (int64_t j = 0; j < a->n_taps; ++j)
                sum = row_fma(row_load_part(taps + j * kChannels + c, n - c),
                              row_load_part(inputs[j] + c, n - c), sum);
            row_store_part(out + c, row_silu(sum), n - c);
        }
    }
}
