// kernels/cpu/dot_bf16.inl - y = x W^T with weights and activations in BF16, two columns a step (VDPBF16PS).
// The order, the same however many tokens share a pass: four partial sums by pair of columns mod 4, each in
// order, joined as (s0 + s1) + (s2 + s3), times scale.

static constexpr int kPairSums = 4, kBf16Panels = 2, kBf16Tokens = 3;

// Line p of a panel: the column pair p of 16 rows.
struct Bf16Lines {
    static constexpr int kBytesPerPair = kLineBytes, kUnpacks = 0;
    ROW_MEMBER __m512i line(const uint8_t* panel, int64_t pair) {
        return quads_load(panel + pair * kLineBytes);
    }
};

// FP8 codes become BF16 exactly, by way of half precision (see row_from_e4m3_half) times 2^8.
struct Fp8Lines {
    static constexpr int kBytesPerPair = kLineBytes / 2, kUnpacks = 1;
    ROW_MEMBER __m512i line(const uint8_t* panel, int64_t pair) {
        const __m512i four = quads_load(panel + pair / 2 * kLineBytes);  // columns 0 2 1 3
        const __m512i codes =
            _mm512_and_si512(pair % 2 == 0 ? four : _mm512_srli_epi16(four, 8), _mm512_set1_epi16(255));
        const __m512i magnitude = _mm512_slli_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(0x7f)), 7);
        const __m512i sign = _mm512_slli_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(0x80)), 8);
        const __m512i half = _mm512_or_si512(magnitude, sign);
        const __m512 up = _mm512_set1_ps(256.0f);
        const __m512 low = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(half)), up);
        const __m512 high = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1)), up);
        return (__m512i)_mm512_cvtne2ps_pbh(high, low);
    }
};

ROW_FN Row pair_dot(Row sum, __m512i w, const uint16_t* x) {
    int32_t pair;
    memcpy(&pair, x, 4);
    return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)_mm512_set1_epi32(pair));
}

// kPanels panels, `panel_stride` bytes apart, meet kTokens tokens.
template <class Lines, int kPanels, int kTokens>
ROW_FN void bf16_tile(const DotArgs* a, const uint8_t* panels, int64_t panel_stride, int64_t panel,
                      int64_t token) {
    Row acc[kPanels][kTokens][kPairSums];
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 16
            for (int j = 0; j < kPairSums; ++j) acc[p][t][j] = row_set1(0.0f);
    const uint16_t* x = ((const Bf16Block*)a->x + token * a->x_stride)->x;
    const int64_t x_stride = a->x_stride * kActivationCols, n_pairs = a->cols / 2;
    for (int64_t first = 0; first < n_pairs; first += kPairSums)
#pragma GCC unroll 4
        for (int j = 0; j < kPairSums; ++j) {
            // The width is a multiple of four columns: the last round may have two pairs alone.
            if (j == 2 && first + 2 >= n_pairs) break;
            __m512i w[kPanels];
#pragma GCC unroll 16
            for (int p = 0; p < kPanels; ++p) w[p] = Lines::line(panels + p * panel_stride, first + j);
#pragma GCC unroll 16
            for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 16
                for (int p = 0; p < kPanels; ++p)
                    acc[p][t][j] = pair_dot(acc[p][t][j], w[p], x + t * x_stride + 2 * (first + j));
        }
    const Row scale = row_set1(a->scale);
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t) {
            const Row* s = acc[p][t];
            const Row sum = row_add(row_add(s[0], s[1]), row_add(s[2], s[3]));
            row_store(a->y + (token + t) * a->y_stride + (panel + p) * 16, row_mul(sum, scale));
        }
}

template <class Lines, int kPanels, int kTokens>
ROW_FN void bf16_tokens(const DotArgs* a, const uint8_t* panels, int64_t panel_stride, int64_t panel,
                        int64_t token) {
    for (; token + kTokens <= a->n_tokens; token += kTokens)
        bf16_tile<Lines, kPanels, kTokens>(a, panels, panel_stride, panel, token);
    if constexpr (kTokens > 1)
        bf16_tokens<Lines, kPanels, kTokens - 1>(a, panels, panel_stride, panel, token);
}

template <class Lines, int kPanels>
ROW_FN void bf16_panels(const DotArgs* a, int64_t panel) {
    const uint8_t* panels = a->panels + panel * a->panel_bytes;
    if (!Lines::kUnpacks || a->n_tokens <= kBf16Tokens) {
        bf16_tokens<Lines, kPanels, kBf16Tokens>(a, panels, a->panel_bytes, panel, 0);
        return;
    }
    const int64_t n_pairs = a->cols / 2;
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
        for (int64_t pair = 0; pair < n_pairs; ++pair)
            quads_store(a->scratch + (p * n_pairs + pair) * kLineBytes,
                        Lines::line(panels + p * a->panel_bytes, pair));
    bf16_tokens<Bf16Lines, kPanels, kBf16Tokens>(a, a->scratch, n_pairs * kLineBytes, panel, 0);
}

template <class Lines>
static void dot_bf16(const DotArgs* a, int64_t begin, int64_t end) {
    int64_t panel = begin;
    for (; panel + kBf16Panels <= end; panel += kBf16Panels) bf16_panels<Lines, kBf16Panels>(a, panel);
    for (; panel < end; ++panel) bf16_panels<Lines, 1>(a, panel);
}

static void round_row(const float* x, int64_t n, void* out) {
    for (int64_t i = 0; i < n; i += 32)
        _mm512_storeu_si512((uint16_t*)out + i, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16),
                                                                             _mm512_loadu_ps(x + i)));
}

static float bf16_dot_chains(int64_t n) {
    Row acc[kDotChains];
    uint16_t x[2] = {0x3f80, (uint16_t)(0x3f00 + n % 2)};
    const __m512i w = _mm512_set1_epi32(0x3f003e00);
#pragma GCC unroll 16
    for (int j = 0; j < kDotChains; ++j) acc[j] = row_set1((float)j);
    for (int64_t i = 0; i < n; i += kDotChains)
#pragma GCC unroll 16
        for (int j = 0; j < kDotChains; ++j) acc[j] = pair_dot(acc[j], w, x);
    for (int j = 1; j < kDotChains; ++j) acc[0] = row_add(acc[0], acc[j]);
    return row_sum(acc[0]);
}
