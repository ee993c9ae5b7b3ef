// kernels/cpu/quads_avx2.h - lines of quads in two registers, with or without AVX-VNNI.
#pragma once

// Included inside a namespace, after row_avx2.h: the shell includes what this needs.

struct Quads {
    __m256i lo, hi;
};
typedef Quads Ints;
static constexpr int kDotTokens = 2, kDotPanels = 1, kDotTileTokens = 2, kDotChains = 4;

#define QUADS_HALVES(name, parameters, of_lo, of_hi) \
    ROW_FN Quads name parameters { return {of_lo, of_hi}; }

ROW_FN Quads quads_load(const uint8_t* p) {
    return {_mm256_loadu_si256((const __m256i*)p), _mm256_loadu_si256((const __m256i*)(p + 32))};
}
ROW_FN void quads_store(uint8_t* p, Quads q) {
    _mm256_storeu_si256((__m256i*)p, q.lo);
    _mm256_storeu_si256((__m256i*)(p + 32), q.hi);
}
ROW_FN __m256i half_low(__m256i q) { return _mm256_and_si256(q, _mm256_set1_epi8(15)); }
QUADS_HALVES(quads_low, (Quads q), half_low(q.lo), half_low(q.hi))
QUADS_HALVES(quads_high, (Quads q), half_low(_mm256_srli_epi16(q.lo, 4)),
             half_low(_mm256_srli_epi16(q.hi, 4)))
ROW_FN Quads quads_lookup(const CodeTable* table, Quads q) {
    const __m256i codes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table->code));
    return {_mm256_shuffle_epi8(codes, q.lo), _mm256_shuffle_epi8(codes, q.hi)};
}
QUADS_HALVES(quads_or, (Quads q, Quads other), _mm256_or_si256(q.lo, other.lo),
             _mm256_or_si256(q.hi, other.hi))
ROW_FN __m256i half_bits(__m256i q, int right, int mask, int left) {
    return _mm256_slli_epi16(_mm256_and_si256(_mm256_srli_epi16(q, right), _mm256_set1_epi8((char)mask)),
                             left);
}
QUADS_HALVES(quads_bits, (Quads q, int right, int mask, int left), half_bits(q.lo, right, mask, left),
             half_bits(q.hi, right, mask, left))
ROW_FN __m256i half_byte(__m256i q, int j) {
    return _mm256_and_si256(_mm256_srli_epi32(q, 8 * j), _mm256_set1_epi32(255));
}
QUADS_HALVES(ints_byte, (Quads q, int j), half_byte(q.lo, j), half_byte(q.hi, j))
ROW_FN Ints ints_from_u8(const uint8_t* p) {
    return {_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)),
            _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8)))};
}
ROW_FN Ints ints_from_i8(const uint8_t* p) {
    return {_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)),
            _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8)))};
}
ROW_FN Row row_from_ints(Ints a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
ROW_FN __m256 half_from_bf16(__m256i q, int odd) {
    return _mm256_castsi256_ps(odd ? _mm256_and_si256(q, _mm256_set1_epi32((int)0xffff0000u))
                                   : _mm256_slli_epi32(q, 16));
}
ROW_FN Row row_from_bf16_pairs(Quads q, int odd) {
    return {half_from_bf16(q.lo, odd), half_from_bf16(q.hi, odd)};
}
ROW_FN __m256 half_from_bf16_line(const uint8_t* p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
ROW_FN Row row_from_bf16(const uint8_t* p) { return {half_from_bf16_line(p), half_from_bf16_line(p + 16)}; }
ROW_FN __m256 half_from_e4m3(__m256i wide) {
    const __m256i magnitude = _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(0x7f)), 20);
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(0x80)), 24);
    const __m256 value = _mm256_mul_ps(_mm256_castsi256_ps(magnitude), _mm256_set1_ps(0x1p120f));
    return _mm256_or_ps(value, _mm256_castsi256_ps(sign));
}
ROW_FN Row row_from_e4m3(Ints a) { return {half_from_e4m3(a.lo), half_from_e4m3(a.hi)}; }
// E4M3's bits seven places up are a half-precision number, 2^8 too small, subnormals included.
ROW_FN __m256 half_from_e4m3_bytes(const uint8_t* p) {
    const __m128i wide = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i*)p)), 7);
    const __m128i half = _mm_and_si128(wide, _mm_set1_epi16((int16_t)0xbfff));  // the sign came twice
    return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256.0f));
}
ROW_FN Row row_from_e4m3_bytes(const uint8_t* p) {
    return {half_from_e4m3_bytes(p), half_from_e4m3_bytes(p + 8)};
}
ROW_FN __m256 half_from_e4m3_half(const uint8_t* p) {
    const __m128i wide = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i*)p));
    return _mm256_mul_ps(_mm256_cvtph_ps(_mm_slli_epi16(wide, 7)), _mm256_set1_ps(128.0f));
}
ROW_FN Row row_from_e4m3_half(const uint8_t* p) {
    return {half_from_e4m3_half(p), half_from_e4m3_half(p + 8)};
}
ROW_FN __m256 half_from_e8m0(__m256i e) {
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    const __m256i is_normal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
    return _mm256_castsi256_ps(_mm256_blendv_epi8(small, normal, is_normal));
}
ROW_FN Row row_from_e8m0_half(const uint8_t* p) {
    const Ints e = ints_from_u8(p);
    return {half_from_e8m0(e.lo), half_from_e8m0(e.hi)};
}

ROW_FN __m256i four_activations(const int8_t* x) {
    int32_t word;
    memcpy(&word, x, 4);
    return _mm256_set1_epi32(word);
}
ROW_FN Ints ints_set1(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
ROW_FN Ints ints_load(const uint8_t* p) { return quads_load(p); }
ROW_FN void ints_store(uint8_t* p, Ints a) { quads_store(p, a); }
QUADS_HALVES(ints_add, (Ints a, Ints b), _mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi))
QUADS_HALVES(ints_sub, (Ints a, Ints b), _mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi))
QUADS_HALVES(ints_or, (Ints a, Ints b), _mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi))
QUADS_HALVES(ints_and, (Ints a, int32_t mask), _mm256_and_si256(a.lo, _mm256_set1_epi32(mask)),
             _mm256_and_si256(a.hi, _mm256_set1_epi32(mask)))
QUADS_HALVES(ints_max, (Ints a, Ints b), _mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi))
QUADS_HALVES(ints_min, (Ints a, Ints b), _mm256_min_epi32(a.lo, b.lo), _mm256_min_epi32(a.hi, b.hi))
QUADS_HALVES(ints_left, (Ints a, int by), _mm256_slli_epi32(a.lo, by), _mm256_slli_epi32(a.hi, by))
QUADS_HALVES(ints_right, (Ints a, Ints by), _mm256_srlv_epi32(a.lo, by.lo), _mm256_srlv_epi32(a.hi, by.hi))
ROW_FN __m256 half_from_pairs(__m256i a, __m256i b) {
    const __m256i halves = _mm256_xor_si256(a, _mm256_set1_epi32(0x8000));
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(halves, b));
}
ROW_FN Row row_from_pairs(Ints a, Ints b) {
    return {half_from_pairs(a.lo, b.lo), half_from_pairs(a.hi, b.hi)};
}
ROW_FN Row row_power(Ints exponent) {
    const Ints bits = ints_left(ints_add(exponent, ints_set1(127)), 23);
    return {_mm256_castsi256_ps(bits.lo), _mm256_castsi256_ps(bits.hi)};
}
ROW_FN Row row_times_power(Row a, Row power) { return row_mul(a, power); }
ROW_FN Ints ints_zero(void) { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
#if defined(__AVXVNNI__)
static constexpr bool kWideIsSigned = false;
ROW_FN Ints ints_dot(Ints sum, Quads w, const int8_t* x) {
    const __m256i four = four_activations(x);
    return {_mm256_dpbusd_avx_epi32(sum.lo, w.lo, four), _mm256_dpbusd_avx_epi32(sum.hi, w.hi, four)};
}
ROW_FN Ints ints_dot_wide(Ints sum, Quads w, const int8_t* x) { return ints_dot(sum, w, x); }
#else
static constexpr bool kWideIsSigned = true;
// Products of codes below 64 with activations up to 127 fit 16 bits in pairs.
ROW_FN __m256i half_dot(__m256i sum, __m256i w, __m256i x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}
ROW_FN Ints ints_dot(Ints sum, Quads w, const int8_t* x) {
    const __m256i four = four_activations(x);
    return {half_dot(sum.lo, w.lo, four), half_dot(sum.hi, w.hi, four)};
}
ROW_FN __m256i half_dot_wide(__m256i sum, __m256i w, __m256i x) {
    const __m256i code = _mm256_xor_si256(w, _mm256_set1_epi8((char)0x80));  // signed now
    return half_dot(sum, _mm256_abs_epi8(code), _mm256_sign_epi8(x, code));
}
ROW_FN Ints ints_dot_wide(Ints sum, Quads w, const int8_t* x) {
    const __m256i four = four_activations(x);
    return {half_dot_wide(sum.lo, w.lo, four), half_dot_wide(sum.hi, w.hi, four)};
}
#endif

ROW_FN void quantize_block(const float* x, ActivationBlock* out) {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 part[4], most = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i) {
        part[i] = _mm256_loadu_ps(x + 8 * i);
        most = _mm256_max_ps(_mm256_and_ps(part[i], magnitude), most);
    }
    const float largest = row_largest({most, most});
    if (!(largest > kActivationLeast)) {
        memset(out, 0, sizeof *out);
        return;
    }
    const __m256 per_unit = _mm256_set1_ps(127.0f / largest);
    int32_t q[32], sums[2] = {0, 0};
    for (int i = 0; i < 4; ++i)
        _mm256_storeu_si256((__m256i*)(q + 8 * i), _mm256_cvtps_epi32(_mm256_mul_ps(part[i], per_unit)));
    for (int i = 0; i < 32; ++i) {
        out->q[i] = (int8_t)q[i];
        sums[i / 16] += q[i];
    }
    finish_block(largest, sums[0], sums[1], out);
}
#undef QUADS_HALVES
