// quant/formats/iq4_nl.h - 32 codes into a table of sixteen uneven levels, and a half-precision scale:
// y = d * level[q], 4.5 bits a weight. Source of the levels: ggml-common.h, kvalues_iq4nl.
#pragma once

#include "quant/formats/f16.h"

namespace hearth::quant {

// Denser around zero, as weights are. Not symmetric: the largest magnitude is on the negative side.
inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

HEARTH_FN int iq4_nearest(float x) {  // the level nearest to x; ties go down
    int code = 0;
    for (int i = 0; i < 15; ++i)
        code += x > 0.5f * static_cast<float>(kIq4Levels[i] + kIq4Levels[i + 1]) ? 1 : 0;
    return code;
}

// The scale that fits 32 weights best by squared error, among scales that put the extreme weight near either
// end of the table, each refitted by least squares. 0 for weights too small to divide by.
HEARTH_FN float iq4_fit(const float* x) {
    float extreme = 0;
    for (int j = 0; j < 32; ++j)
        if (__builtin_fabsf(x[j]) > __builtin_fabsf(extreme)) extreme = x[j];
    if (!(__builtin_fabsf(extreme) > 0x1p-120f)) return 0;
    float best_scale = 0, best = -1;
    for (int end = 0; end < 2; ++end)
        for (int trial = -7; trial <= 7; ++trial) {
            const float level = static_cast<float>(end == 0 ? kIq4Levels[0] : kIq4Levels[15]);
            const float scale = extreme / (level + (end == 0 ? 1.5f : -1.5f) * static_cast<float>(trial));
            float lx = 0, l2 = 0;
            for (int j = 0; j < 32; ++j) {
                const float q = static_cast<float>(kIq4Levels[iq4_nearest(x[j] / scale)]);
                lx += q * x[j];
                l2 += q * q;
            }
            // With the least-squares scale the error is |x|^2 - lx^2 / l2: the largest quotient wins. In
            // units of the extreme, whose square could overflow.
            const float gain = (lx / extreme) * (lx / extreme) / l2;
            if (gain > best) {
                best = gain;
                best_scale = lx / l2;
            }
        }
    return best_scale;
}

template <>
struct Format<20> {
    static constexpr int kElems = 32;
    static constexpr int kBytes = 18;  // f16 d; uint8 q[16]: low nibble is element j, high nibble j + 16

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block);
        for (int j = 0; j < 16; ++j) {
            out[j] = d * static_cast<float>(kIq4Levels[block[2 + j] & 15]);
            out[j + 16] = d * static_cast<float>(kIq4Levels[block[2 + j] >> 4]);
        }
    }
    HEARTH_FN void encode(const float* in, uint8_t* block) {
        store_f16(block, iq4_fit(in));
        const float d = load_f16(block);
        for (int j = 0; j < 16; ++j) {
            const int low = d != 0 ? iq4_nearest(in[j] / d) : 8,
                      high = d != 0 ? iq4_nearest(in[j + 16] / d) : 8;
            block[2 + j] = static_cast<uint8_t>(low | high << 4);
        }
    }
};

}  // namespace hearth::quant
