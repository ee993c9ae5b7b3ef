// kernels/cpu/quads_baseline.h - lines of quads (panel_layout.h) in plain C: the reference that the others
// must equal bit for bit. Integer sums are exact, so no order of them matters.
#pragma once

// Included inside a namespace, after row_baseline.h: the shell includes what this needs.

// 64 bytes: four columns of each of 16 lanes. Ints: one 32-bit integer a lane.
struct Quads {
    uint8_t byte[64];
};
static constexpr int kDotTokens = 1, kDotPanels = 1, kDotTileTokens = 1, kDotChains = 1;
struct Ints {
    int32_t lane[16];
};

ROW_FN Quads quads_load(const uint8_t* p) {
    Quads q;
    memcpy(q.byte, p, 64);
    return q;
}
ROW_FN void quads_store(uint8_t* p, Quads q) { memcpy(p, q.byte, 64); }
#define QUADS_EACH(name, parameters, expression) \
    ROW_FN Quads name parameters {               \
        Quads r;                                 \
        for (int i = 0; i < 64; ++i) {           \
            const uint8_t x = q.byte[i];         \
            r.byte[i] = (uint8_t)(expression);   \
        }                                        \
        return r;                                \
    }
QUADS_EACH(quads_low, (Quads q), x & 15)
QUADS_EACH(quads_high, (Quads q), x >> 4)
QUADS_EACH(quads_lookup, (const CodeTable* table, Quads q), table->code[x])  // x below 16
QUADS_EACH(quads_or, (Quads q, Quads other), x | other.byte[i])
// (x >> right & mask) << left within each byte.
QUADS_EACH(quads_bits, (Quads q, int right, int mask, int left), (x >> right & mask) << left)
#undef QUADS_EACH

ROW_FN Ints ints_byte(Quads q, int j) {  // column j of every lane
    Ints r;
    for (int i = 0; i < 16; ++i) r.lane[i] = q.byte[4 * i + j];
    return r;
}
ROW_FN Ints ints_from_u8(const uint8_t* p) {
    Ints r;
    for (int i = 0; i < 16; ++i) r.lane[i] = p[i];
    return r;
}
ROW_FN Ints ints_from_i8(const uint8_t* p) {
    Ints r;
    for (int i = 0; i < 16; ++i) r.lane[i] = (int8_t)p[i];
    return r;
}
ROW_FN Row row_from_ints(Ints a) {
    Row r;
    for (int i = 0; i < 16; ++i) r.lane[i] = (float)a.lane[i];
    return r;
}
// One column of a line of BF16 pairs.
ROW_FN Row row_from_bf16_pairs(Quads q, int odd) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        uint32_t both;
        memcpy(&both, q.byte + 4 * i, 4);
        both = odd ? both & 0xffff0000u : both << 16;
        memcpy(&r.lane[i], &both, 4);
    }
    return r;
}
ROW_FN Row row_from_bf16(const uint8_t* p) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        uint16_t half;
        memcpy(&half, p + 2 * i, 2);
        const uint32_t bits = (uint32_t)half << 16;
        memcpy(&r.lane[i], &bits, 4);
    }
    return r;
}
// E4M3FN bytes; the sign is bit 7, NaN (0x7f, 0xff) reads as 480 and is refused when weights are packed.
ROW_FN Row row_from_e4m3(Ints a) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        uint32_t bits = (uint32_t)(a.lane[i] & 0x7f) << 20;
        float value;
        memcpy(&value, &bits, 4);
        value *= 0x1p120f;
        memcpy(&bits, &value, 4);
        bits |= (uint32_t)(a.lane[i] & 0x80) << 24;
        memcpy(&r.lane[i], &bits, 4);
    }
    return r;
}
ROW_FN Row row_from_e4m3_bytes(const uint8_t* p) { return row_from_e4m3(ints_from_u8(p)); }
// Half of an E4M3 byte without sign: NVFP4's tables hold doubled values.
ROW_FN Row row_from_e4m3_half(const uint8_t* p) {
    return row_mul(row_from_e4m3(ints_from_u8(p)), row_set1(0.5f));
}
// E8M0 bytes as 2^(e - 127 - 1), half of the scale. 0 gives a subnormal, exact.
ROW_FN Row row_from_e8m0_half(const uint8_t* p) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        const uint32_t e = p[i];
        const uint32_t bits = e >= 2 ? (e - 1) << 23 : e == 1 ? 0x00400000u : 0x00200000u;
        memcpy(&r.lane[i], &bits, 4);
    }
    return r;
}

ROW_FN Ints ints_set1(int32_t x) {
    Ints r;
    for (int i = 0; i < 16; ++i) r.lane[i] = x;
    return r;
}
ROW_FN Ints ints_load(const uint8_t* p) {
    Ints r;
    memcpy(r.lane, p, 64);
    return r;
}
ROW_FN void ints_store(uint8_t* p, Ints a) { memcpy(p, a.lane, 64); }
#define INTS_EACH(name, parameters, expression)     \
    ROW_FN Ints name parameters {                   \
        Ints r;                                     \
        for (int i = 0; i < 16; ++i) {              \
            const uint32_t x = (uint32_t)a.lane[i]; \
            r.lane[i] = (int32_t)(expression);      \
        }                                           \
        return r;                                   \
    }
INTS_EACH(ints_add, (Ints a, Ints b), x + (uint32_t)b.lane[i])
INTS_EACH(ints_sub, (Ints a, Ints b), x - (uint32_t)b.lane[i])
INTS_EACH(ints_or, (Ints a, Ints b), x | (uint32_t)b.lane[i])
INTS_EACH(ints_and, (Ints a, int32_t mask), x&(uint32_t)mask)
INTS_EACH(ints_max, (Ints a, Ints b), a.lane[i] > b.lane[i] ? x : (uint32_t)b.lane[i])
INTS_EACH(ints_min, (Ints a, Ints b), a.lane[i] < b.lane[i] ? x : (uint32_t)b.lane[i])
INTS_EACH(ints_left, (Ints a, int by), x << by)
INTS_EACH(ints_right, (Ints a, Ints by), by.lane[i] > 31 ? 0 : x >> by.lane[i])  // of unsigned lanes
// Lanes of `a` hold two sums of 16 bits as first * 65536 + (second + 32768), which keeps the second from
// borrowing; lanes of `b` two numbers as b0 << 16 | b1. Gives first * b0 + second * b1, which fits 32 bits.
ROW_FN Row row_from_pairs(Ints a, Ints b) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        const uint32_t x = (uint32_t)a.lane[i] ^ 0x8000u, y = (uint32_t)b.lane[i];
        r.lane[i] = (float)((int16_t)(x >> 16) * (int16_t)(y >> 16) + (int16_t)x * (int16_t)y);
    }
    return r;
}
#undef INTS_EACH
// a * 2^exponent: the exponents in the form that row_times_power reads.
ROW_FN Row row_power(Ints exponent) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        const uint32_t bits = (uint32_t)(exponent.lane[i] + 127) << 23;
        memcpy(&r.lane[i], &bits, 4);
    }
    return r;
}
ROW_FN Row row_times_power(Row a, Row power) { return row_mul(a, power); }
ROW_FN Ints ints_zero(void) {
    Ints r;
    memset(&r, 0, sizeof r);
    return r;
}
// Adds the products of each quad with four activations.
ROW_FN Ints ints_dot(Ints sum, Quads w, const int8_t* x) {
    for (int i = 0; i < 16; ++i)
        for (int j = 0; j < 4; ++j) sum.lane[i] += w.byte[4 * i + j] * x[j];
    return sum;
}
// The same for codes that count from 128: where the plain form would overflow 16 bits inside, an instruction
// set without dot products takes the codes as signed (kWideIsSigned), and such sums start at zero.
static constexpr bool kWideIsSigned = false;
ROW_FN Ints ints_dot_wide(Ints sum, Quads w, const int8_t* x) { return ints_dot(sum, w, x); }

// 32 activations as one block: the largest magnitude becomes 127, halves go to even.
ROW_FN void quantize_block(const float* x, ActivationBlock* out) {
    float largest = 0;
    for (int i = 0; i < 32; ++i) {
        const float magnitude = fabsf(x[i]);
        largest = magnitude > largest ? magnitude : largest;
    }
    if (!(largest > kActivationLeast)) {
        memset(out, 0, sizeof *out);
        return;
    }
    const float per_unit = 127.0f / largest;
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < 32; ++i) {
        const float scaled = x[i] * per_unit;
        const int q = scaled == scaled ? (int)nearbyintf(scaled) : 0;
        out->q[i] = (int8_t)q;
        sums[i / 16] += q;
    }
    finish_block(largest, sums[0], sums[1], out);
}
