// quant/formats/q4_k.h - 256 nibbles in eight groups of 32, each with a 6-bit scale and minimum:
// y = d * scale * q - dmin * minimum, 4.5 bits a weight.
#pragma once

#include "quant/formats/f16.h"

namespace hearth::quant {

// The twelve bytes that hold eight 6-bit scales and eight 6-bit minima (shared by Q4_K and Q5_K): groups 0..3
// lie in the low six bits of bytes 0..3 and 4..7; groups 4..7 have their low nibbles in bytes 8..11 and their
// two high bits on top of bytes 0..7.
HEARTH_FN void k_scale_min(const uint8_t* packed, int group, int* scale, int* minimum) {
    if (group < 4) {
        *scale = packed[group] & 63;
        *minimum = packed[group + 4] & 63;
    } else {
        *scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4;
        *minimum = (packed[group + 4] >> 4) | (packed[group] >> 6) << 4;
    }
}
HEARTH_FN void k_pack_scale_min(uint8_t* packed, const int* scales, const int* minima) {
    for (int g = 0; g < 4; ++g) {
        packed[g] = static_cast<uint8_t>(scales[g] | (scales[g + 4] >> 4) << 6);
        packed[g + 4] = static_cast<uint8_t>(minima[g] | (minima[g + 4] >> 4) << 6);
        packed[g + 8] = static_cast<uint8_t>((scales[g + 4] & 15) | (minima[g + 4] & 15) << 4);
    }
}

HEARTH_FN int k_clamped(float x, int max) {
    return !(x > 0) ? 0 : x >= static_cast<float>(max) ? max : round_half_away(x);
}
// The nearest code as a float, without branches, so that compilers make vectors of it; ties to even.
template <int kMax>
HEARTH_FN float k_nearest(float x) {
    const float clipped = x > 0 ? (x < static_cast<float>(kMax) ? x : static_cast<float>(kMax)) : 0.0f;
    return (clipped + 0x1p23f) - 0x1p23f;
}

// Sums over a group of 32 run in eight lanes, folded at the end: one long sum would wait for each addition.
inline constexpr int kKLanes = 8;
HEARTH_FN float k_folded(const float* lanes) {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <int kMax>
HEARTH_FN float k_squared_error(const float* x, float step, float base) {
    const float inverse = 1.0f / step;
    float sum[kKLanes] = {};
    for (int j = 0; j < 32; j += kKLanes)
        for (int l = 0; l < kKLanes; ++l) {
            const float e = x[j + l] + base - step * k_nearest<kMax>((x[j + l] + base) * inverse);
            sum[l] += e * e;
        }
    return k_folded(sum);
}

// x ~= step * code - base, code in 0..kMax, base >= 0, for a group of 32: the best of several grids by
// squared error, each refitted by least squares.
template <int kMax>
HEARTH_FN void k_fit(const float* x, float* step, float* base) {
    float low = 0, high = 0;  // the grid always holds 0: base cannot be negative
    float sums[kKLanes] = {};
    for (int j = 0; j < 32; ++j) {
        low = x[j] < low ? x[j] : low;
        high = x[j] > high ? x[j] : high;
        sums[j % kKLanes] += x[j];
    }
    *step = (high - low) / static_cast<float>(kMax);
    *base = -low;
    if (!(high - low > 0x1p-120f)) return;  // nothing to fit, and quotients would overflow
    const float n = 32, x1 = k_folded(sums);
    float best = k_squared_error<kMax>(x, *step, *base);
    for (int shrink = 0; shrink < 16; ++shrink) {  // from a grid of 1.5 steps less to one of 1.5 more
        const float inverse =
            (static_cast<float>(kMax) - 1.5f + 0.2f * static_cast<float>(shrink)) / (high - low);
        float lanes[3][kKLanes] = {};
        for (int j = 0; j < 32; j += kKLanes)
            for (int l = 0; l < kKLanes; ++l) {
                const float q = k_nearest<kMax>((x[j + l] - low) * inverse);
                lanes[0][l] += q;
                lanes[1][l] += q * q;
                lanes[2][l] += q * x[j + l];
            }
        const float q1 = k_folded(lanes[0]), q2 = k_folded(lanes[1]), qx = k_folded(lanes[2]);
        const float determinant = n * q2 - q1 * q1;
        if (!(determinant > 0)) continue;
        float new_step = (n * qx - q1 * x1) / determinant, new_base = (q1 * qx - q2 * x1) / determinant;
        if (new_base < 0) {
            new_base = 0;
            new_step = q2 > 0 ? qx / q2 : 0;
        }
        if (!(new_step > 0x1p-126f)) continue;
        const float error = k_squared_error<kMax>(x, new_step, new_base);
        if (error < best) {
            best = error;
            *step = new_step;
            *base = new_base;
        }
    }
}

// The 6-bit scale and minimum of a group under the block's d and dmin: the rounded ones, or neighbours with a
// smaller squared error, as the rounding of one can make up for that of the other.
template <int kMax>
HEARTH_FN void k_choose(const float* x, float d, float dmin, int* scale, int* minimum) {
    const int s0 = *scale, m0 = *minimum;
    if (!(d > 0) || !(d < 65536.0f) || !(dmin < 65536.0f)) return;
    float best = -1;
    for (int s = s0 > 1 ? s0 - 1 : 1; s <= s0 + 1 && s <= 63; ++s)
        for (int m = m0 > 0 ? m0 - 1 : 0; m <= m0 + 1 && m <= 63; ++m) {
            const float error =
                k_squared_error<kMax>(x, d * static_cast<float>(s), dmin * static_cast<float>(m));
            if (best >= 0 && !(error < best)) continue;
            best = error;
            *scale = s;
            *minimum = m;
        }
}

// Writes d, dmin and the packed scales of 256 weights (the first 16 bytes), and their codes: the eight scales
// and minima are rounded to 6 bits and the codes chosen again against what a reader will see.
template <int kMax>
HEARTH_FN void k_encode(const float* in, uint8_t* block, int* codes) {
    float steps[8], bases[8], step_max = 0, base_max = 0;
    for (int g = 0; g < 8; ++g) {
        k_fit<kMax>(in + 32 * g, &steps[g], &bases[g]);
        step_max = steps[g] > step_max ? steps[g] : step_max;
        base_max = bases[g] > base_max ? bases[g] : base_max;
    }
    store_f16(block, step_max / 63.0f);
    store_f16(block + 2, base_max / 63.0f);
    const float d = load_f16(block), dmin = load_f16(block + 2);
    int scales[8], minima[8];
    for (int g = 0; g < 8; ++g) {
        scales[g] = d > 0 ? k_clamped(steps[g] / d, 63) : 0;
        minima[g] = dmin > 0 ? k_clamped(bases[g] / dmin, 63) : 0;
        k_choose<kMax>(in + 32 * g, d, dmin, &scales[g], &minima[g]);
    }
    k_pack_scale_min(block + 4, scales, minima);
    for (int g = 0; g < 8; ++g) {
        const float step = d * static_cast<float>(scales[g]), base = dmin * static_cast<float>(minima[g]);
        for (int j = 0; j < 32; ++j)
            codes[32 * g + j] = step > 0 ? k_clamped((in[32 * g + j] + base) / step, kMax) : 0;
    }
}

template <>
struct Format<12> {
    static constexpr int kElems = 256;
    static constexpr int kBytes = 144;  // f16 d, dmin; uint8 scales[12]; uint8 q[128]

    HEARTH_FN void decode(const uint8_t* block, float* out) {
        const float d = load_f16(block), dmin = load_f16(block + 2);
        for (int pair = 0; pair < 4; ++pair) {  // 64 elements: low nibbles are the first 32, high the second
            const uint8_t* q = block + 16 + 32 * pair;
            for (int half = 0; half < 2; ++half) {
                int scale, minimum;
                k_scale_min(block + 4, 2 * pair + half, &scale, &minimum);
                const float step = d * static_cast<float>(scale), base = dmin * static_cast<float>(minimum);
                for (int j = 0; j < 32; ++j)
                    out[64 * pair + 32 * half + j] =
                        step * static_cast<float>((q[j] >> 4 * half) & 15) - base;
            }
        }
    }

    HEARTH_FN void encode(const float* in, uint8_t* block) {
        int codes[kElems];
        k_encode<15>(in, block, codes);
        for (int pair = 0; pair < 4; ++pair)
            for (int j = 0; j < 32; ++j)
                block[16 + 32 * pair + j] =
                    static_cast<uint8_t>(codes[64 * pair + j] | codes[64 * pair + 32 + j] << 4);
    }
};

}  // namespace hearth::quant
