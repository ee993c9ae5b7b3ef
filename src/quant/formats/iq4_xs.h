// quant/formats/iq4_xs.h - IQ4_NL's table with 256 codes in eight groups of 32, each with a 6-bit scale under
// one half-precision factor: y = d * (scale - 32) * level[q], 4.25 bits a weight.
#pragma once

#include "quant/formats/iq4_nl.h"

namespace hearth::quant {

template <>
struct Format<23> {
    static constexpr int kElems = 256;
    static constexpr int kBytes = 136;  // f16 d; uint16 scales_high; uint8 scales_low[4], q[128]

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block);
        const int high = block[2] | block[3] << 8;
        for (int g = 0; g < 8; ++g) {
            const int low = (block[4 + g / 2] >> 4 * (g % 2)) & 15;
            const float step = d * static_cast<float>((low | ((high >> 2 * g) & 3) << 4) - 32);
            const uint8_t* q = block + 8 + 16 * g;
            for (int j = 0; j < 16; ++j) {
                out[32 * g + j] = step * static_cast<float>(kIq4Levels[q[j] & 15]);
                out[32 * g + j + 16] = step * static_cast<float>(kIq4Levels[q[j] >> 4]);
            }
        }
    }

    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float steps[8], extreme = 0;
        for (int g = 0; g < 8; ++g) {
            steps[g] = iq4_fit(in + 32 * g);
            if (__builtin_fabsf(steps[g]) > __builtin_fabsf(extreme)) extreme = steps[g];
        }
        store_f16(block, extreme / -32.0f);  // the extreme scale gets -32, the one end used whole
        const float d = load_f16(block);
        for (int i = 2; i < 8; ++i) block[i] = 0;
        for (int g = 0; g < 8; ++g) {
            const int scale = d != 0 ? chosen(in + 32 * g, d, clamped(steps[g] / d)) : 0;
            block[2 + g / 4] = static_cast<uint8_t>(block[2 + g / 4] | ((scale + 32) >> 4) << 2 * (g % 4));
            block[4 + g / 2] = static_cast<uint8_t>(block[4 + g / 2] | ((scale + 32) & 15) << 4 * (g % 2));
            const float step = d * static_cast<float>(scale);
            for (int j = 0; j < 16; ++j) {
                const float* x = in + 32 * g + j;
                const int low = step != 0 ? iq4_nearest(x[0] / step) : 8;
                const int high = step != 0 ? iq4_nearest(x[16] / step) : 8;
                block[8 + 16 * g + j] = static_cast<uint8_t>(low | high << 4);
            }
        }
    }

  private:
    // The rounded scale, or a neighbour with a smaller squared error.
    HEARTH_FN int chosen(const float* x, float d, int rounded) {
        if (!(__builtin_fabsf(d) < 65536.0f)) return rounded;  // infinite: nothing to compare
        int best_scale = rounded;
        float best = -1;
        for (int scale = rounded > -32 ? rounded - 1 : -32; scale <= rounded + 1 && scale <= 31; ++scale) {
            const float step = d * static_cast<float>(scale);
            if (step == 0) continue;
            float error = 0;
            for (int j = 0; j < 32; ++j) {
                const float e = x[j] - step * static_cast<float>(kIq4Levels[iq4_nearest(x[j] / step)]);
                error += e * e;
            }
            if (best >= 0 && !(error < best)) continue;
            best = error;
            best_scale = scale;
        }
        return best_scale;
    }
    HEARTH_FN int clamped(float x) { return x <= -32.0f ? -32 : x >= 31.0f ? 31 : round_half_away(x); }
};

}  // namespace hearth::quant
