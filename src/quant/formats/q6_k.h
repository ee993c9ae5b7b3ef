// quant/formats/q6_k.h - 256 six-bit codes in sixteen groups of 16, each with a signed 8-bit scale:
// y = d * scale * (q - 32), 6.5625 bits a weight.
#pragma once

#include "quant/formats/f16.h"

namespace hearth::quant {

template <>
struct Format<14> {
    static constexpr int kElems = 256;
    static constexpr int kBytes = 210;  // uint8 low[128], high[64]; int8 scales[16]; f16 d

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block + 208);
        for (int i = 0; i < kElems; ++i) {
            const float step = d * static_cast<float>(static_cast<int8_t>(block[192 + i / 16]));
            out[i] = step * static_cast<float>(code(block, i) - 32);
        }
    }

    HEARTH_FN void encode(const float* in, uint8_t* block) {
        float steps[16], extreme = 0;
        for (int g = 0; g < 16; ++g) {
            steps[g] = fit(in + 16 * g);
            if (__builtin_fabsf(steps[g]) > __builtin_fabsf(extreme)) extreme = steps[g];
        }
        store_f16(block + 208, extreme / -128.0f);  // the extreme scale gets -128, the one end used whole
        const float d = load_f16(block + 208);
        for (int i = 0; i < 192; ++i) block[i] = 0;
        for (int g = 0; g < 16; ++g) {
            const int scale = d != 0 ? clamped(steps[g] / d, -128, 127) : 0;
            block[192 + g] = static_cast<uint8_t>(static_cast<int8_t>(scale));
            const float step = d * static_cast<float>(scale);
            for (int j = 0; j < 16; ++j) {
                const int q = step != 0 ? clamped(in[16 * g + j] / step, -32, 31) : 0;
                put(block, 16 * g + j, q + 32);
            }
        }
    }

  private:
    // Element i of 128: quarter q = i / 32 takes the low or high nibble of low[i % 64] and bits 2q of
    // high[i % 32].
    HEARTH_FN int code(const uint8_t* block, int i) {
        const int half = i / 128, r = i % 128, quarter = r / 32;
        const int low = (block[64 * half + r % 64] >> (quarter < 2 ? 0 : 4)) & 15;
        const int high = (block[128 + 32 * half + r % 32] >> 2 * quarter) & 3;
        return low | high << 4;
    }
    HEARTH_FN void put(uint8_t* block, int i, int value) {
        const int half = i / 128, r = i % 128, quarter = r / 32;
        uint8_t* low = block + 64 * half + r % 64;
        uint8_t* high = block + 128 + 32 * half + r % 32;
        *low = static_cast<uint8_t>(*low | (value & 15) << (quarter < 2 ? 0 : 4));
        *high = static_cast<uint8_t>(*high | (value >> 4) << 2 * quarter);
    }
    HEARTH_FN int clamped(float x, int min, int max) {
        return x <= static_cast<float>(min) ? min : x >= static_cast<float>(max) ? max : round_half_away(x);
    }
    // The step that fits 16 weights best by squared error, among grids near extreme / -32.
    HEARTH_FN float fit(const float* x) {
        float extreme = 0, best_step = 0, best = -1;
        for (int j = 0; j < 16; ++j)
            if (__builtin_fabsf(x[j]) > __builtin_fabsf(extreme)) extreme = x[j];
        if (!(__builtin_fabsf(extreme) > 0x1p-120f)) return 0;  // quotients of subnormals would overflow
        for (int trial = -5; trial <= 5; ++trial) {
            const float step = extreme / (-32.0f + 0.2f * static_cast<float>(trial));
            float qx = 0, q2 = 0;
            for (int j = 0; j < 16; ++j) {
                const float q = static_cast<float>(clamped(x[j] / step, -32, 31));
                qx += q * x[j];
                q2 += q * q;
            }
            // With the least-squares step the error is |x|^2 - qx^2 / q2: the largest quotient wins.
            if (q2 > 0 && qx * qx / q2 > best) {
                best = qx * qx / q2;
                best_step = qx / q2;
            }
        }
        return best_step;
    }
};

}  // namespace hearth::quant
