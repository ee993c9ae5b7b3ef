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
    // OCP MX 1.0, section 6.3, takes the exponent of the largest magnitude, less 2 (the largest code is 6):
    // that one, or the next up or down when its squared error is smaller. What lies between 6 and 8 in units
    // of the scale would be cut to 6 by the first.
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float amax = 0;
        for (int j = 0; j < kElems; ++j) amax = __builtin_fabsf(in[j]) > amax ? __builtin_fabsf(in[j]) : amax;
        const int exponent = static_cast<int>(bits_of(amax) >> 23) - 2;  // biased; 0 for subnormals too
        int chosen = exponent > 0 ? exponent : 0;
        if (exponent > 0) {
            float best = squared_error(in, exponent, exponent);
            for (int other = exponent + 1; other >= exponent - 1; other -= 2) {
                if (other > kExponentMax) continue;
                const float error = squared_error(in, other, exponent);
                if (!(error < best)) continue;
                best = error;
                chosen = other;
            }
        }
        block[0] = static_cast<uint8_t>(chosen);
        // Exact: a power of two. 2^-127 has no float reciprocal above the largest, so scale by half first.
        const float half = e8m0_half(block[0]);
        for (int j = 0; j < 16; ++j) {
            const int low = nearest(in[j], half), high = nearest(in[j + 16], half);
            block[1 + j] = static_cast<uint8_t>(low | high << 4);
        }
    }

  private:
    static constexpr int kExponentMax = 252;  // 6 * 2^125: one more, and the largest code would be infinite
    // In units of 2^(unit - 127), so that no square overflows or vanishes; in eight lanes, folded at the end.
    HEARTH_FN float squared_error(const float* in, int exponent, int unit) {
        const float inverse = 0.5f / e8m0_half(static_cast<uint8_t>(unit));
        const float ratio = exponent > unit ? 0.5f : exponent < unit ? 2.0f : 1.0f;
        float sum[8] = {};
        for (int j = 0; j < kElems; j += 8)
            for (int l = 0; l < 8; ++l) {
                const float a = __builtin_fabsf(in[j + l]) * inverse * ratio;
                const float e = (a - e2m1_nearest(a)) / ratio;
                sum[l] += e * e;
            }
        float total = 0;
        for (int l = 0; l < 8; ++l) total += sum[l];
        return total;
    }
    HEARTH_FN int nearest(float x, float half) { return e2m1_from_f32(x / half * 0.5f); }
};

}  // namespace hearth::quant
