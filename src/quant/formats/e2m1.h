// quant/formats/e2m1.h - the four-bit float of MXFP4 and NVFP4: bit 3 is the sign, codes 0..7 are
// 0, .5, 1, 1.5, 2, 3, 4, 6. Source: OCP Microscaling Formats (MX) specification 1.0, section 5.3.3.
#pragma once

#include "quant/formats/float_bits.h"

namespace hearth::quant {

// Twice the value, so that integer kernels can use the codes: 0, 1, 2, 3, 4, 6, 8, 12 and their negatives.
inline constexpr int8_t kE2m1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// Code 8 gives -0.
HEARTH_FN float e2m1_to_f32(uint8_t code) {
    const uint32_t sign = static_cast<uint32_t>(code & 8u) << 28;
    const uint32_t a = code & 7u;
    // 1 is the one subnormal, .5; from 2 on the bits are exponent and fraction with bias 1.
    const uint32_t magnitude = a == 0 ? 0u : a == 1 ? 0x3F000000u : (a << 22) + (126u << 23);
    return float_of(sign | magnitude);
}

// The nearest value's magnitude for a >= 0, ties to the even code, everything above 6 becomes 6. The spacing
// is half of the power of two below a (at least half of 1): adding 1.5 * 2^23 spacings and taking them away
// rounds. Bounds are taken on the bits, which order as magnitudes do: compilers make vectors of that, of
// branches on floats they do not.
HEARTH_FN float e2m1_nearest(float a) {
    const int32_t bits = static_cast<int32_t>(bits_of(a)), six = 0x40C00000, one = 0x3F800000;
    const int32_t clipped_bits = bits < six ? bits : six, power_bits = clipped_bits & 0x7F800000;
    const float clipped = float_of(static_cast<uint32_t>(clipped_bits));
    const float power = float_of(static_cast<uint32_t>(power_bits > one ? power_bits : one));
    const float magic = power * 0x1.8p22f;
    return (clipped + magic) - magic;
}

// Ties to the even code; NaN becomes 0. A negative number that rounds to zero keeps its sign (code 8), as
// ModelOpt and compressed-tensors write it; -0 itself becomes 0.
HEARTH_FN uint8_t e2m1_from_f32(float x) {
    const float a = __builtin_fabsf(x);
    const int code =
        (a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) + (a >= 3.5f) + (a > 5.0f);
    return static_cast<uint8_t>(code + (x < 0 ? 8 : 0));
}

}  // namespace hearth::quant
