// kernels/cpu/kv_store.inl - one position's key and value into its block (kv_layout.h). Scalar: a position is
// stored once and read at every later one.

static void kv_store_f32(const KvStoreArgs* a) {
    float* keys = (float*)a->keys + a->slot;
    for (int d = 0; d < a->head_dim; ++d) keys[16 * d] = a->key[d];
    memcpy((float*)a->values + a->slot * kv_head_dim_padded(a->head_dim), a->value, (size_t)a->head_dim * 4);
}

static void kv_store_bf16(const KvStoreArgs* a) {
    uint16_t* keys = (uint16_t*)a->keys + a->slot;
    uint16_t* values = (uint16_t*)a->values + a->slot * kv_head_dim_padded(a->head_dim);
    for (int d = 0; d < a->head_dim; ++d) {
        keys[16 * d] = quant::bf16_from_f32(a->key[d]);
        values[d] = quant::bf16_from_f32(a->value[d]);
    }
}

static void kv_store_fp8(const KvStoreArgs* a) {
    uint8_t* keys = a->keys + a->slot;
    uint8_t* values = a->values + a->slot * kv_head_dim_padded(a->head_dim);
    for (int d = 0; d < a->head_dim; ++d) {
        keys[16 * d] = quant::e4m3_from_f32(a->key[d]);
        values[d] = quant::e4m3_from_f32(a->value[d]);
    }
}

// Up to 32 dimensions, `stride` bytes apart; the largest magnitude becomes 127. Gives the scale.
ROW_FN float store_q8(const float* x, int n, uint8_t* out, int stride) {
    float largest = 0;
    for (int i = 0; i < n; ++i) {
        const float magnitude = __builtin_fabsf(x[i]);
        largest = magnitude > largest ? magnitude : largest;
    }
    const bool counts = largest > kActivationLeast;
    const float per_unit = counts ? 127.0f / largest : 0.0f;
    for (int i = 0; i < n; ++i) {
        const float scaled = x[i] * per_unit;
        const float magic =
            scaled + 12582912.0f;  // 1.5 * 2^23: rounds to the nearest whole number, halves to even
        out[i * stride] = (uint8_t)(int8_t)(magic == magic ? (int)(magic - 12582912.0f) : 0);
    }
    return counts ? largest / 127.0f : 0.0f;
}

static void kv_store_q8(const KvStoreArgs* a) {
    const int64_t groups = kv_groups(a->head_dim);
    float* key_scales = (float*)(a->keys + kv_key_scales_at(a->head_dim));
    float* value_scales = (float*)(a->values + kv_value_scales_at(a->head_dim)) + a->slot * groups;
    uint8_t* values = a->values + a->slot * kv_head_dim_padded(a->head_dim);
    for (int g = 0; g < groups; ++g) {
        const int left = a->head_dim - 32 * g, n = left < 32 ? left : 32;
        key_scales[16 * g + a->slot] = store_q8(a->key + 32 * g, n, a->keys + 16 * 32 * g + a->slot, 16);
        value_scales[g] = store_q8(a->value + 32 * g, n, values + 32 * g, 1);
    }
}
