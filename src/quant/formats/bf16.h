// quant/formats/bf16.h - bfloat16: the upper half of a float32.
#pragma once

#include "quant/formats/float_bits.h"

namespace hearth::quant {

HEARTH_FN float bf16_to_f32(uint16_t code) { return float_of(static_cast<uint32_t>(code) << 16); }

// Round to nearest, ties to even; NaN keeps its upper payload and turns quiet, so that cutting the lower half
// cannot make it an infinity.
HEARTH_FN uint16_t bf16_from_f32(float x) {
    const uint32_t bits = bits_of(x);
    const uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
    const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    return static_cast<uint16_t>((nan ? (bits | 0x00400000u) : rounded) >> 16);
}

template <>
struct Format<30> {
    static constexpr int kElems = 1;
    static constexpr int kBytes = 2;
    HEARTH_FN void decode(const uint8_t* block, float* out) {
        uint16_t code;
        __builtin_memcpy(&code, block, 2);
        *out = bf16_to_f32(code);
    }
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        const uint16_t code = bf16_from_f32(*in);
        __builtin_memcpy(block, &code, 2);
    }
};

}  // namespace hearth::quant
