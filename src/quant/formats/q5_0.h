// quant/formats/q5_0.h - 32 five-bit codes and a half-precision scale: y = d * (q - 16), 5.5 bits a weight.
#pragma once

#include "quant/formats/f16.h"

namespace hearth::quant {

// Where Q5_0 and Q5_1 keep 32 codes: fifth bits in `high`, bit j for element j; low nibbles are elements
// 0..15, high ones 16..31.
HEARTH_FN int q5_code(const uint8_t* high, const uint8_t* q, int j) {
    return ((q[j % 16] >> (j < 16 ? 0 : 4)) & 15) | ((high[j / 8] >> j % 8) & 1) << 4;
}
HEARTH_FN void q5_pack(const int* codes, uint8_t* high, uint8_t* q) {
    for (int i = 0; i < 4; ++i) high[i] = 0;
    for (int j = 0; j < 32; ++j) high[j / 8] = static_cast<uint8_t>(high[j / 8] | (codes[j] >> 4) << j % 8);
    for (int j = 0; j < 16; ++j) q[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

template <>
struct Format<6> {
    static constexpr int kElems = 32;
    static constexpr int kBytes = 22;  // f16 d; uint8 high[4], q[16]

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block);
        for (int j = 0; j < kElems; ++j)
            out[j] = d * static_cast<float>(q5_code(block + 2, block + 6, j) - 16);
    }
    // The element of largest magnitude gets code 0, that is -16, as in ggml, so that files agree bit for bit.
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float extreme = in[0];
        for (int j = 1; j < kElems; ++j)
            extreme = __builtin_fabsf(in[j]) > __builtin_fabsf(extreme) ? in[j] : extreme;
        const float d = extreme / -16.0f;
        const float inverse = __builtin_fabsf(d) > 0x1p-120f ? 1.0f / d : 0.0f;
        store_f16(block, d);
        int codes[kElems];
        for (int j = 0; j < kElems; ++j) {
            const int q = static_cast<int>(in[j] * inverse + 16.5f);
            codes[j] = q > 31 ? 31 : q;
        }
        q5_pack(codes, block + 2, block + 6);
    }
};

}  // namespace hearth::quant
