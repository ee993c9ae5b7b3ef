// quant/formats/nvfp4.h - GGUF's NVFP4 block: four groups of 16 E2M1 codes, an E4M3 scale each, 4.5 bits a
// weight. The tensor's float32 scale lies beside the tensor, not in the block: see quant/nvfp4_tensor.h.
#pragma once

#include "quant/formats/e2m1.h"
#include "quant/formats/fp8_e4m3.h"

namespace hearth::quant {

// The scale as GGUF reads it: the sign bit means nothing, and 0x7F is zero, not NaN.
HEARTH_FN float ue4m3_to_f32(uint8_t code) {
    if (code == 0x7F) return 0.0f;
    if ((code & 0x7F) == 0x7F) return 480.0f;  // 0xFF: the sign is dropped after that test
    return e4m3_to_f32(code & 0x7F);
}

template <>
struct Format<40> {
    static constexpr int kElems = 64;
    static constexpr int kBytes =
        36;  // uint8 d[4]; uint8 q[4][8]: low nibble is element j, high nibble j + 8

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        for (int group = 0; group < 4; ++group) {
            const float half = ue4m3_to_f32(block[group]) * 0.5f;
            const uint8_t* codes = block + 4 + 8 * group;
            for (int j = 0; j < 8; ++j) {
                out[16 * group + j] = half * static_cast<float>(kE2m1Doubled[codes[j] & 15]);
                out[16 * group + j + 8] = half * static_cast<float>(kE2m1Doubled[codes[j] >> 4]);
            }
        }
    }
    // Scale: amax / 6, rounded; codes: against the rounded scale. Weights far below 1 want a tensor scale.
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        for (int group = 0; group < 4; ++group) {
            const float* x = in + 16 * group;
            float amax = 0;
            for (int j = 0; j < 16; ++j) amax = __builtin_fabsf(x[j]) > amax ? __builtin_fabsf(x[j]) : amax;
            block[group] = e4m3_from_f32(amax / 6.0f);
            const float scale = e4m3_to_f32(block[group]);
            for (int j = 0; j < 8; ++j) {
                const int low = scale > 0 ? e2m1_from_f32(x[j] / scale) : 0;
                const int high = scale > 0 ? e2m1_from_f32(x[j + 8] / scale) : 0;
                block[4 + 8 * group + j] = static_cast<uint8_t>(low | high << 4);
            }
        }
    }
};

}  // namespace hearth::quant
