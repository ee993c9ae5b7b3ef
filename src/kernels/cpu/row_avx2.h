// kernels/cpu/row_avx2.h - sixteen lanes in two registers.
#pragma once

// Included inside a namespace: the shell includes what this needs.

#define ROW_FN static inline __attribute__((always_inline))

struct Row {
    __m256 lo, hi;
};
// 1 panel x 1 token x 4 partial sums of two registers each: 8 of 16 registers, and 8 chains hide the latency.
static constexpr int kTilePanels = 1, kTileTokens = 1, kGemvPanels = 1;
// Queries that share loads of keys and values, and rows of 16 dimensions that they sum at once.
static constexpr int kAttendRows = 1, kAttendCols = 4, kAttendColsOfTwo = 4;
// Delta rules: tokens that share loads of the state and rows of 16 columns that they sum at once, such rows
// of one token alone, and rows of the state that share loads of a chunk's changes.
static constexpr int kDeltaTokens = 1, kDeltaCols = 2, kDeltaColsOfOne = 2, kDeltaJoinRows = 2;

// Keeps a value in its register: compilers would load it again for each use.
ROW_FN void row_hold(Row& a) { asm("" : "+x"(a.lo), "+x"(a.hi)); }
ROW_FN Row row_load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
ROW_FN void row_store(float* p, Row a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
ROW_FN Row row_set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
ROW_FN Row row_add(Row a, Row b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
ROW_FN Row row_sub(Row a, Row b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
ROW_FN Row row_mul(Row a, Row b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
ROW_FN Row row_div(Row a, Row b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
ROW_FN Row row_max(Row a, Row b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
ROW_FN Row row_fma(Row a, Row b, Row c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
ROW_FN Row row_zero_below(Row value, Row x, float limit) {
    const __m256 least = _mm256_set1_ps(limit);
    return {_mm256_and_ps(value.lo, _mm256_cmp_ps(x.lo, least, _CMP_GE_OQ)),
            _mm256_and_ps(value.hi, _mm256_cmp_ps(x.hi, least, _CMP_GE_OQ))};
}
ROW_FN Row row_keep_lanes(Row x, int begin, int end, float fill) {
    const __m256i lane_lo = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i lane_hi = _mm256_add_epi32(lane_lo, _mm256_set1_epi32(8));
    const __m256i first = _mm256_set1_epi32(begin - 1), last = _mm256_set1_epi32(end);
    const __m256i keep_lo =
        _mm256_and_si256(_mm256_cmpgt_epi32(lane_lo, first), _mm256_cmpgt_epi32(last, lane_lo));
    const __m256i keep_hi =
        _mm256_and_si256(_mm256_cmpgt_epi32(lane_hi, first), _mm256_cmpgt_epi32(last, lane_hi));
    const __m256 other = _mm256_set1_ps(fill);
    return {_mm256_blendv_ps(other, x.lo, _mm256_castsi256_ps(keep_lo)),
            _mm256_blendv_ps(other, x.hi, _mm256_castsi256_ps(keep_hi))};
}
ROW_FN __m256 half_scale_by_magic(__m256 x, __m256 n_magic) {
    const __m256i n = _mm256_add_epi32(_mm256_castps_si256(n_magic), _mm256_set1_epi32(127));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(n, 23)));
}
ROW_FN Row row_scale_by_magic(Row x, Row n) {
    return {half_scale_by_magic(x.lo, n.lo), half_scale_by_magic(x.hi, n.hi)};
}
ROW_FN float row_sum(Row a) {
    const __m256 eight = _mm256_add_ps(a.lo, a.hi);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
ROW_FN float row_largest(Row a) {
    const __m256 eight = _mm256_max_ps(a.lo, a.hi);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
ROW_FN Row row_from_f16(const uint8_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)),
            _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(p + 16)))};
}
