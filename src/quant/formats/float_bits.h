// quant/formats/float_bits.h - a float's bits and back, without the C++ library.
#pragma once

#include "quant/format.h"

namespace hearth::quant {

HEARTH_FN uint32_t bits_of(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}
HEARTH_FN float float_of(uint32_t bits) {
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}
// Half away from zero, as C's roundf; |x| < 2^31. Adding 0.5 first would round 0.49999997 up.
HEARTH_FN int round_half_away(float x) {
    const float a = __builtin_fabsf(x);
    const int whole = static_cast<int>(a);
    const int n = whole + (a - static_cast<float>(whole) >= 0.5f ? 1 : 0);
    return x < 0 ? -n : n;
}

}  // namespace hearth::quant
