// quant/formats/q5_k.h - 256 five-bit codes in eight groups of 32, each with a 6-bit scale and minimum:
// y = d * scale * q - dmin * minimum, 5.5 bits a weight.
#pragma once

#include "quant/formats/q4_k.h"

namespace hearth::quant {

template <>
struct Format<13> {
    static constexpr int kElems = 256;
    static constexpr int kBytes = 176;  // f16 d, dmin; uint8 scales[12], high[32], low[128]

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block), dmin = load_f16(block + 2);
        for (int g = 0; g < 8; ++g) {
            int scale, minimum;
            k_scale_min(block + 4, g, &scale, &minimum);
            const float step = d * static_cast<float>(scale), base = dmin * static_cast<float>(minimum);
            const uint8_t* low = block + 48 + 32 * (g / 2);  // two groups share 32 bytes of nibbles
            for (int j = 0; j < 32; ++j) {
                const int q = ((low[j] >> 4 * (g % 2)) & 15) | ((block[16 + j] >> g) & 1) << 4;
                out[32 * g + j] = step * static_cast<float>(q) - base;
            }
        }
    }

    HEARTH_FN void encode(const float* in, uint8_t* block) {
        int codes[kElems];
        k_encode<31>(in, block, codes);
        for (int i = 16; i < kBytes; ++i) block[i] = 0;
        for (int g = 0; g < 8; ++g)
            for (int j = 0; j < 32; ++j) {
                const int q = codes[32 * g + j];
                uint8_t* low = block + 48 + 32 * (g / 2) + j;
                *low = static_cast<uint8_t>(*low | (q & 15) << 4 * (g % 2));
                block[16 + j] = static_cast<uint8_t>(block[16 + j] | (q >> 4) << g);
            }
    }
};

}  // namespace hearth::quant
