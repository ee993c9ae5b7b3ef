// kernels/cpu/row_avx512.h - sixteen lanes in one register.
#pragma once

// Included inside a namespace: the shell includes what this needs.

#define ROW_FN static inline __attribute__((always_inline))

typedef __m512 Row;
// 2 panels x 3 tokens x 4 partial sums fill 24 of 32 registers.
static constexpr int kTilePanels = 2, kTileTokens = 3, kGemvPanels = 2;
// Queries that share loads of keys and values, and rows of 16 dimensions that they sum at once.
static constexpr int kAttendRows = 4, kAttendCols = 4, kAttendColsOfTwo = 8;
// Delta rules: tokens that share loads of the state and rows of 16 columns that they sum at once, such rows
// of one token alone, and rows of the state that share loads of a chunk's changes.
static constexpr int kDeltaTokens = 2, kDeltaCols = 4, kDeltaColsOfOne = 8, kDeltaJoinRows = 4;

// Keeps a value in its register: compilers would load it again for each use.
ROW_FN void row_hold(Row& a) { asm("" : "+v"(a)); }
ROW_FN Row row_load(const float* p) { return _mm512_loadu_ps(p); }
ROW_FN void row_store(float* p, Row a) { _mm512_storeu_ps(p, a); }
ROW_FN Row row_set1(float x) { return _mm512_set1_ps(x); }
ROW_FN Row row_add(Row a, Row b) { return _mm512_add_ps(a, b); }
ROW_FN Row row_sub(Row a, Row b) { return _mm512_sub_ps(a, b); }
ROW_FN Row row_mul(Row a, Row b) { return _mm512_mul_ps(a, b); }
ROW_FN Row row_div(Row a, Row b) { return _mm512_div_ps(a, b); }
ROW_FN Row row_max(Row a, Row b) { return _mm512_max_ps(a, b); }
ROW_FN Row row_fma(Row a, Row b, Row c) { return _mm512_fmadd_ps(a, b, c); }
ROW_FN Row row_zero_below(Row value, Row x, float limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_GE_OQ), value);
}
ROW_FN Row row_keep_lanes(Row x, int begin, int end, float fill) {
    const uint32_t below_end = end >= 16 ? 0xffffu : (1u << (end < 0 ? 0 : end)) - 1u;
    const uint32_t below_begin = begin <= 0 ? 0u : begin >= 16 ? 0xffffu : (1u << begin) - 1u;
    return _mm512_mask_mov_ps(_mm512_set1_ps(fill), (__mmask16)(below_end & ~below_begin), x);
}
ROW_FN Row row_scale_by_magic(Row x, Row n_magic) {
    const __m512i n = _mm512_add_epi32(_mm512_castps_si512(n_magic), _mm512_set1_epi32(127));
    return _mm512_mul_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(n, 23)));
}
ROW_FN float row_sum(Row a) {
    const __m256 lo = _mm512_castps512_ps256(a);
    const __m256 hi = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
    const __m256 eight = _mm256_add_ps(lo, hi);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
ROW_FN float row_largest(Row a) { return _mm512_reduce_max_ps(a); }
ROW_FN Row row_from_f16(const uint8_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
