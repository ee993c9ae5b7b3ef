// quant/formats/q4_0.h - 32 nibbles and a half-precision scale: y = d * (q - 8), 4.5 bits a weight.
#pragma once

#include "quant/formats/f16.h"

namespace hearth::quant {

template <>
struct Format<2> {
    static constexpr int kElems = 32;
    static constexpr int kBytes = 18;  // f16 d; uint8 q[16]: low nibble is element j, high nibble j + 16

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block);
        for (int j = 0; j < 16; ++j) {
            out[j] = d * static_cast<float>((block[2 + j] & 15) - 8);
            out[j + 16] = d * static_cast<float>((block[2 + j] >> 4) - 8);
        }
    }
    // The element of largest magnitude gets code 0, that is -8: the one end of the range that is used whole.
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float extreme = in[0];
        for (int j = 1; j < kElems; ++j)
            extreme = __builtin_fabsf(in[j]) > __builtin_fabsf(extreme) ? in[j] : extreme;
        const float d = extreme / -8.0f;
        const float inverse =
            __builtin_fabsf(d) > 0x1p-120f ? 1.0f / d : 0.0f;  // no infinity from a subnormal
        store_f16(block, d);
        for (int j = 0; j < 16; ++j) {
            const int low = code(in[j] * inverse), high = code(in[j + 16] * inverse);
            block[2 + j] = static_cast<uint8_t>(low | high << 4);
        }
    }

  private:
    HEARTH_FN int code(float scaled) {
        const int q = static_cast<int>(scaled + 8.5f);
        return q > 15 ? 15 : q;
    }
};

}  // namespace hearth::quant
