// kernels/cpu/row_baseline.h - sixteen lanes in plain C: the reference that the others must equal bit for
// bit.
#pragma once

// Included inside a namespace: the shell includes what this needs.

#define ROW_FN static inline __attribute__((always_inline))

struct Row {
    float lane[16];
};
static constexpr int kTilePanels = 1, kTileTokens = 1, kGemvPanels = 1;
// Queries that share loads of keys and values, and rows of 16 dimensions that they sum at once.
static constexpr int kAttendRows = 1, kAttendCols = 1, kAttendColsOfTwo = 1;
// Delta rules: tokens that share loads of the state and rows of 16 columns that they sum at once, such rows
// of one token alone, and rows of the state that share loads of a chunk's changes.
static constexpr int kDeltaTokens = 1, kDeltaCols = 1, kDeltaColsOfOne = 1, kDeltaJoinRows = 1;

ROW_FN void row_hold(Row&) {}
ROW_FN Row row_load(const float* p) {
    Row r;
    memcpy(r.lane, p, sizeof r.lane);
    return r;
}
ROW_FN void row_store(float* p, Row a) { memcpy(p, a.lane, sizeof a.lane); }
ROW_FN Row row_set1(float x) {
    Row r;
    for (int i = 0; i < 16; ++i) r.lane[i] = x;
    return r;
}
#define ROW_EACH(name, expression)     \
    ROW_FN Row name(Row a, Row b) {    \
        Row r;                         \
        for (int i = 0; i < 16; ++i) { \
            const float x = a.lane[i]; \
            const float y = b.lane[i]; \
            r.lane[i] = (expression);  \
        }                              \
        return r;                      \
    }
ROW_EACH(row_add, x + y)
ROW_EACH(row_sub, x - y)
ROW_EACH(row_mul, x* y)
ROW_EACH(row_div, x / y)
ROW_EACH(row_max, x > y ? x : y)
#undef ROW_EACH
ROW_FN Row row_fma(Row a, Row b, Row c) {  // a * b + c, rounded once
    Row r;
    for (int i = 0; i < 16; ++i) r.lane[i] = fmaf(a.lane[i], b.lane[i], c.lane[i]);
    return r;
}
// value where x >= limit, else 0.
ROW_FN Row row_zero_below(Row value, Row x, float limit) {
    Row r;
    for (int i = 0; i < 16; ++i) r.lane[i] = x.lane[i] >= limit ? value.lane[i] : 0.0f;
    return r;
}
// x where begin <= lane < end, else fill.
ROW_FN Row row_keep_lanes(Row x, int begin, int end, float fill) {
    Row r;
    for (int i = 0; i < 16; ++i) r.lane[i] = i >= begin && i < end ? x.lane[i] : fill;
    return r;
}
// x * 2^n, where `n` holds small whole numbers plus 1.5 * 2^23: their low bits are the integer.
ROW_FN Row row_scale_by_magic(Row x, Row n_magic) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        uint32_t n, bits;
        memcpy(&n, &n_magic.lane[i], 4);
        bits = (n + 127u) << 23;
        float factor;
        memcpy(&factor, &bits, 4);
        r.lane[i] = x.lane[i] * factor;
    }
    return r;
}
ROW_FN float row_sum(Row a) {  // a fixed tree: 8 apart, 4, 2, 1
    float t[16];
    memcpy(t, a.lane, sizeof t);
    for (int half = 8; half >= 1; half /= 2)
        for (int i = 0; i < half; ++i) t[i] = t[i] + t[i + half];
    return t[0];
}
ROW_FN float row_largest(Row a) {
    float m = a.lane[0];
    for (int i = 1; i < 16; ++i) m = a.lane[i] > m ? a.lane[i] : m;
    return m;
}
ROW_FN Row row_from_f16(const uint8_t* p) {
    Row r;
    for (int i = 0; i < 16; ++i) {
        uint16_t half;
        memcpy(&half, p + 2 * i, 2);
        const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = (uint32_t)(half & 0x7fffu) << 13;
        float value;
        if (magnitude >= 0x0f800000u) {  // infinity, NaN
            const uint32_t bits = magnitude | 0x7f800000u;
            memcpy(&value, &bits, 4);
        } else {  // the exponent's bias moves by a multiplication, which also makes subnormals right
            memcpy(&value, &magnitude, 4);
            value *= 0x1p112f;
        }
        uint32_t bits;
        memcpy(&bits, &value, 4);
        bits |= sign;
        memcpy(&r.lane[i], &bits, 4);
    }
    return r;
}
