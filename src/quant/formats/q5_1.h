// quant/formats/q5_1.h - 32 five-bit codes, a half-precision scale and minimum: y = d * q + m, 6 bits a
// weight.
#pragma once

#include "quant/formats/q5_0.h"

namespace hearth::quant {

template <>
struct Format<7> {
    static constexpr int kElems = 32;
    static constexpr int kBytes = 24;  // f16 d, m; uint8 high[4], q[16]

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block), m = load_f16(block + 2);
        for (int j = 0; j < kElems; ++j)
            out[j] = d * static_cast<float>(q5_code(block + 4, block + 8, j)) + m;
    }
    // The range of the block in 31 steps, as in ggml, so that files agree bit for bit.
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float low = in[0], high = in[0];
        for (int j = 1; j < kElems; ++j) {
            low = in[j] < low ? in[j] : low;
            high = in[j] > high ? in[j] : high;
        }
        const float d = (high - low) / 31.0f;
        const bool divides = d > 0x1p-120f && d < 0x1p120f;  // a range may overflow, though no weight does
        const float inverse = divides ? 1.0f / d : 0.0f;
        store_f16(block, d);
        store_f16(block + 2, low);
        int codes[kElems];
        for (int j = 0; j < kElems; ++j) {
            const int q = divides ? static_cast<int>((in[j] - low) * inverse + 0.5f) : 0;
            codes[j] = q > 31 ? 31 : q;
        }
        q5_pack(codes, block + 4, block + 8);
    }
};

}  // namespace hearth::quant
