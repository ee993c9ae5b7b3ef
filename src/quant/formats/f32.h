// quant/formats/f32.h - plain float32, so that generic code needs no special case.
#pragma once

#include "quant/format.h"

namespace hearth::quant {

template <>
struct Format<0> {
    static constexpr int kElems = 1;
    static constexpr int kBytes = 4;
    HEARTH_FN void decode(const uint8_t* block, float* out) { __builtin_memcpy(out, block, 4); }
    HEARTH_FN void encode(const float* in, uint8_t* block) { __builtin_memcpy(block, in, 4); }
};

}  // namespace hearth::quant
