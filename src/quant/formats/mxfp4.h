// quant/formats/mxfp4.h - 32 E2M1 codes and a power-of-two scale (E8M0): 4.25 bits a weight.
#pragma once

#include "quant/formats/e2m1.h"

namespace hearth::quant {

// Half of 2^(code - 127), the factor for doubled E2M1 codes; so that code 0 stays exact and 255 finite.
HEARTH_FN float e8m0_half(uint8_t code) {
    return float_of(code < 2 ? 0x00200000u << code : static_cast<uint32_t>(code - 1) << 23);
}

template <>
struct Format<39> {
    static constexpr int kElems = 32;
    static constexpr int kBytes = 17;  // uint8 e; uint8 q[16]: low nibble is element j, high nibble j + 16

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float half = e8m0_half(block[0]);
        for (int j = 0; j < 16; ++j) {
            out[j] = half * static_cast<float>(kE2m1Doubled[block[1 + j] & 15]);
            out[j + 16] = half * static_cast<float>(kE2m1Doubled[block[1 + j] >> 4]);
        }
    }
    // The exponent of OCP MX 1.0, section 6.3: that of the largest magnitude, less 2 (the largest code is 6).
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float amax = 0;
        for (int j = 0; j < kElems; ++j) amax = __builtin_fabsf(in[j]) > amax ? __builtin_fabsf(in[j]) : amax;
        const int exponent = static_cast<int>(bits_of(amax) >> 23) - 2;  // biased; 0 for subnormals too
        block[0] = static_cast<uint8_t>(exponent > 0 ? exponent : 0);
        // Exact: a power of two. 2^-127 has no float reciprocal above the largest, so scale by half first.
        const float half = e8m0_half(block[0]);
        for (int j = 0; j < 16; ++j) {
            const int low = nearest(in[j], half), high = nearest(in[j + 16], half);
            block[1 + j] = static_cast<uint8_t>(low | high << 4);
        }
    }

  private:
    HEARTH_FN int nearest(float x, float half) { return e2m1_from_f32(x / half * 0.5f); }
};

}  // namespace hearth::quant
