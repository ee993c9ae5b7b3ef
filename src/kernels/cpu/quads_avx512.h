// kernels/cpu/quads_avx512.h - lines of quads in one register, with or without VNNI.
#pragma once

// Included inside a namespace, after row_avx512.h: the shell includes what this needs.

typedef __m512i Quads;
typedef __m512i Ints;
static constexpr int kDotTokens = 8, kDotPanels = 3, kDotTileTokens = 4, kDotChains = 12;

ROW_FN Quads quads_load(const uint8_t* p) { return _mm512_loadu_si512(p); }
ROW_FN void quads_store(uint8_t* p, Quads q) { _mm512_storeu_si512(p, q); }
ROW_FN Quads quads_low(Quads q) { return _mm512_and_si512(q, _mm512_set1_epi8(15)); }
ROW_FN Quads quads_high(Quads q) { return _mm512_and_si512(_mm512_srli_epi16(q, 4), _mm512_set1_epi8(15)); }
ROW_FN Quads quads_lookup(const CodeTable* table, Quads q) {
    const __m512i codes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table->code));
    return _mm512_shuffle_epi8(codes, q);
}
ROW_FN Quads quads_or(Quads q, Quads other) { return _mm512_or_si512(q, other); }
ROW_FN Quads quads_bits(Quads q, int right, int mask, int left) {
    const __m512i kept =
        _mm512_and_si512(_mm512_srli_epi16(q, (unsigned)right), _mm512_set1_epi8((char)mask));
    return _mm512_slli_epi16(kept, (unsigned)left);
}
ROW_FN Ints ints_byte(Quads q, int j) {
    return _mm512_and_si512(_mm512_srli_epi32(q, (unsigned)(8 * j)), _mm512_set1_epi32(255));
}
ROW_FN Ints ints_from_u8(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p));
}
ROW_FN Ints ints_from_i8(const uint8_t* p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p));
}
ROW_FN Row row_from_ints(Ints a) { return _mm512_cvtepi32_ps(a); }
ROW_FN Row row_from_bf16_pairs(Quads q, int odd) {
    return _mm512_castsi512_ps(odd ? _mm512_and_si512(q, _mm512_set1_epi32((int)0xffff0000u))
                                   : _mm512_slli_epi32(q, 16));
}
ROW_FN Row row_from_bf16(const uint8_t* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
ROW_FN Row row_from_e4m3(Ints a) {
    const __m512i magnitude = _mm512_slli_epi32(_mm512_and_si512(a, _mm512_set1_epi32(0x7f)), 20);
    const __m512i sign = _mm512_slli_epi32(_mm512_and_si512(a, _mm512_set1_epi32(0x80)), 24);
    const __m512 value = _mm512_mul_ps(_mm512_castsi512_ps(magnitude), _mm512_set1_ps(0x1p120f));
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(value), sign));
}
// E4M3's bits seven places up are a half-precision number, 2^8 too small, subnormals included.
ROW_FN Row row_from_e4m3_bytes(const uint8_t* p) {
    const __m256i wide = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p)), 7);
    const __m256i half = _mm256_and_si256(wide, _mm256_set1_epi16((int16_t)0xbfff));  // the sign came twice
    return _mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(256.0f));
}
ROW_FN Row row_from_e4m3_half(const uint8_t* p) {
    const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p));
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_slli_epi16(wide, 7)), _mm512_set1_ps(128.0f));
}
ROW_FN Row row_from_e8m0_half(const uint8_t* p) {
    const __m512i e = ints_from_u8(p);
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i small = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    const __mmask16 is_normal = _mm512_cmpge_epi32_mask(e, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(_mm512_mask_mov_epi32(small, is_normal, normal));
}

ROW_FN __m512i four_activations(const int8_t* x) {
    int32_t word;
    memcpy(&word, x, 4);
    return _mm512_set1_epi32(word);
}
ROW_FN Ints ints_set1(int32_t x) { return _mm512_set1_epi32(x); }
ROW_FN Ints ints_load(const uint8_t* p) { return _mm512_loadu_si512(p); }
ROW_FN void ints_store(uint8_t* p, Ints a) { _mm512_storeu_si512(p, a); }
ROW_FN Ints ints_add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
ROW_FN Ints ints_sub(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
ROW_FN Ints ints_or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
ROW_FN Ints ints_and(Ints a, int32_t mask) { return _mm512_and_si512(a, _mm512_set1_epi32(mask)); }
ROW_FN Ints ints_max(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
ROW_FN Ints ints_min(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
ROW_FN Ints ints_left(Ints a, int by) { return _mm512_slli_epi32(a, (unsigned)by); }
ROW_FN Ints ints_right(Ints a, Ints by) { return _mm512_srlv_epi32(a, by); }  // of unsigned lanes
ROW_FN Row row_from_pairs(Ints a, Ints b) {
    const __m512i halves = _mm512_xor_si512(a, _mm512_set1_epi32(0x8000));
    return _mm512_cvtepi32_ps(_mm512_madd_epi16(halves, b));
}
ROW_FN Row row_power(Ints exponent) { return _mm512_cvtepi32_ps(exponent); }
ROW_FN Row row_times_power(Row a, Row power) { return _mm512_scalef_ps(a, power); }
ROW_FN Ints ints_zero(void) { return _mm512_setzero_si512(); }
#if defined(__AVX512VNNI__)
static constexpr bool kWideIsSigned = false;
ROW_FN Ints ints_dot(Ints sum, Quads w, const int8_t* x) {
    return _mm512_dpbusd_epi32(sum, w, four_activations(x));
}
ROW_FN Ints ints_dot_wide(Ints sum, Quads w, const int8_t* x) { return ints_dot(sum, w, x); }
#else
static constexpr bool kWideIsSigned = true;
// Products of codes below 64 with activations up to 127 fit 16 bits in pairs.
ROW_FN Ints ints_dot(Ints sum, Quads w, const int8_t* x) {
    const __m512i pairs = _mm512_maddubs_epi16(w, four_activations(x));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
ROW_FN Ints ints_dot_wide(Ints sum, Quads w, const int8_t* x) {
    const __m512i code = _mm512_xor_si512(w, _mm512_set1_epi8((char)0x80));  // signed now
    const __m512i four = four_activations(x);
    const __m512i with_sign =
        _mm512_mask_sub_epi8(four, _mm512_movepi8_mask(code), _mm512_setzero_si512(), four);
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(code), with_sign);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
#endif

ROW_FN void quantize_block(const float* x, ActivationBlock* out) {
    const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    if (!(largest > kActivationLeast)) {
        memset(out, 0, sizeof *out);
        return;
    }
    const __m512 per_unit = _mm512_set1_ps(127.0f / largest);
    const __m512i qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, per_unit));
    const __m512i qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, per_unit));
    _mm_storeu_si128((__m128i*)out->q, _mm512_cvtepi32_epi8(qa));
    _mm_storeu_si128((__m128i*)(out->q + 16), _mm512_cvtepi32_epi8(qb));
    const int32_t sum_a = _mm512_reduce_add_epi32(qa), sum_b = _mm512_reduce_add_epi32(qb);
    finish_block(largest, sum_a, sum_b, out);
}
