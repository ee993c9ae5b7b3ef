// quant/formats/f16.h - IEEE 754 binary16: one sign, five exponent and ten fraction bits.
#pragma once

#include "quant/formats/float_bits.h"

namespace hearth::quant {

HEARTH_FN float f16_to_f32(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t exponent = half & 0x7C00u, rest = static_cast<uint32_t>(half & 0x7FFFu) << 13;
    // Subnormals are fraction * 2^-24, exact in float32.
    const uint32_t subnormal = bits_of(static_cast<float>(half & 0x3FFu) * 0x1p-24f);
    const uint32_t magnitude = exponent == 0         ? subnormal
                               : exponent == 0x7C00u ? (rest | 0x7F800000u)
                                                     : rest + (112u << 23);  // bias 15 to bias 127
    return float_of(sign | magnitude);
}

// Round to nearest, ties to even; 65520 and above become infinity; NaN stays NaN and turns quiet.
HEARTH_FN uint16_t f16_from_f32(float x) {
    const uint32_t bits = bits_of(x), a = bits & 0x7FFFFFFFu;
    const uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t code;
    if (a > 0x7F800000u) {
        code = 0x7E00u | ((a >> 13) & 0x3FFu);
    } else if (a >= 0x477FF000u) {  // 65520: halfway between the largest half and the next power of two
        code = 0x7C00u;
    } else if (a < 0x38800000u) {  // below 2^-14: adding 0.5, whose last bit is 2^-24, rounds for us
        code = bits_of(float_of(a) + 0.5f) - bits_of(0.5f);
    } else {
        code = ((a + 0xFFFu + ((a >> 13) & 1u)) >> 13) - (112u << 10);
    }
    return static_cast<uint16_t>(sign | code);
}

HEARTH_FN float load_f16(const uint8_t* bytes) {
    uint16_t half;
    __builtin_memcpy(&half, bytes, 2);
    return f16_to_f32(half);
}
HEARTH_FN void store_f16(uint8_t* bytes, float x) {
    const uint16_t half = f16_from_f32(x);
    __builtin_memcpy(bytes, &half, 2);
}

template <>
struct Format<1> {
    static constexpr int kElems = 1;
    static constexpr int kBytes = 2;
    HEARTH_FN void decode(const uint8_t* block, float* out) { *out = load_f16(block); }
    HEARTH_FN void encode(const float* in, uint8_t* block) { store_f16(block, *in); }
};

}  // namespace hearth::quant
