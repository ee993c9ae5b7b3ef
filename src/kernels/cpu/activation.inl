// kernels/cpu/activation.inl - the scale and the sums of a block of quantized activations.

// `sum0` and `sum1`: of q[0..15] and q[16..31].
static inline __attribute__((always_inline)) void finish_block(float largest, int32_t sum0, int32_t sum1,
                                                               ActivationBlock* out) {
    out->scale = largest / 127.0f;
    out->minus_sum = (float)-(sum0 + sum1);
    out->minus_16[0] = -16 * sum0;
    out->minus_16[1] = -16 * sum1;
    out->second_of_pair = out->minus_16[1] + 0x8000;
    out->minus_16_all = -16 * (sum0 + sum1);
    out->minus_128_all = -128 * (sum0 + sum1);
    out->unused = 0;
}
