// quant/formats/fp8_e4m3.h - FP8 E4M3 in its finite form: bias 7, no infinity, largest 448, 0x7F and 0xFF
// NaN. Source: OCP 8-bit Floating Point Specification (OFP8), revision 1.0.
#pragma once

#include "quant/formats/float_bits.h"

namespace hearth::quant {

inline constexpr float kE4m3Max = 448.0f;   // code 0x7E
inline constexpr float kE4m3Min = 0x1p-9f;  // code 0x01, the smallest subnormal
inline constexpr uint8_t kE4m3MaxCode = 0x7E;

HEARTH_FN float e4m3_to_f32(uint8_t code) {
    const uint32_t sign = static_cast<uint32_t>(code & 0x80u) << 24;
    const uint32_t a = code & 0x7Fu;
    const uint32_t subnormal = bits_of(static_cast<float>(a) * 0x1p-9f);
    const uint32_t magnitude = a < 8u ? subnormal : a == 0x7Fu ? 0x7FC00000u : (a << 20) + (120u << 23);
    return float_of(sign | magnitude);
}

// Round to nearest, ties to even; everything above 448, infinity too, becomes 448; NaN stays NaN.
HEARTH_FN uint8_t e4m3_from_f32(float x) {
    const uint32_t bits = bits_of(x), a = bits & 0x7FFFFFFFu;
    const uint32_t sign = (bits >> 24) & 0x80u;
    uint32_t code;
    if (a > 0x7F800000u) {
        code = 0x7Fu;
    } else if (a >= 0x43E00000u) {  // 448
        code = kE4m3MaxCode;
    } else if (a < 0x3C800000u) {  // below 2^-6: adding 2^14, whose last bit is 2^-9, rounds for us
        code = bits_of(float_of(a) + 0x1p14f) - bits_of(0x1p14f);
    } else {
        code = ((a + 0x7FFFFu + ((a >> 20) & 1u)) >> 20) - (120u << 3);
    }
    return static_cast<uint8_t>(sign | code);
}

template <>
struct Format<kFp8E4M3> {
    static constexpr int kElems = 1;
    static constexpr int kBytes = 1;
    HEARTH_FN void decode(const uint8_t* block, float* out) { *out = e4m3_to_f32(*block); }
    HEARTH_FN void encode(const float* in, uint8_t* block) { *block = e4m3_from_f32(*in); }
};

}  // namespace hearth::quant
