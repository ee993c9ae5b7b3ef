// quant/formats/q8_0.h - 32 signed bytes and a half-precision scale: y = d * q, 8.5 bits a weight.
#pragma once

#include "quant/formats/f16.h"

namespace hearth::quant {

template <>
struct Format<8> {
    static constexpr int kElems = 32;
    static constexpr int kBytes = 34;  // f16 d; int8 q[32]

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block);
        for (int j = 0; j < kElems; ++j) out[j] = d * static_cast<float>(static_cast<int8_t>(block[2 + j]));
    }
    // d = amax / 127; codes come from the unrounded scale, as in ggml, so that files agree bit for bit.
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float amax = 0;
        for (int j = 0; j < kElems; ++j) amax = __builtin_fabsf(in[j]) > amax ? __builtin_fabsf(in[j]) : amax;
        const float d = amax / 127.0f, inverse = d > 0x1p-120f ? 1.0f / d : 0.0f;
        store_f16(block, d);
        for (int j = 0; j < kElems; ++j)
            block[2 + j] = static_cast<uint8_t>(static_cast<int8_t>(round_half_away(in[j] * inverse)));
    }
};

}  // namespace hearth::quant
