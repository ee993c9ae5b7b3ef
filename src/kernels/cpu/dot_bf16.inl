// kernels/cpu/dot_bf16.inl - y = x W^T with weights and activations in BF16, two columns a step (VDPBF16PS).
// The order, the same however many tokens share a pass: four partial sums by pair of columns mod 4, each in
// order, joined as (s0 + s1) + (s2 + s3), times scale.

static constexpr int kPairSums = 4, kBf16Panels = 2, kBf16Tokens = 3;
// Few tokens stream packed codes: they ask for what comes, since the prefetchers stop at the end of a page.
static constexpr int kFp8PrefetchBytes = 2048, kFp8ScaledPairs = kFp8ScaledCols / 2;

// The column pair `first + j` of 16 rows; `first` is even, and j known where this is compiled.
struct Bf16Lines {
    static constexpr int kUnpacks = 0;
    // Of 128 columns.
    static constexpr int kGroupBytes = kFp8ScaledPairs * kLineBytes, kGroupSkip = 0;
    ROW_MEMBER __m512i line(const uint8_t* lines, int64_t first, int j) {
        return quads_load(lines + (first + j) * kLineBytes);
    }
};

// FP8 codes become BF16 exactly, by way of half precision: a code's bits seven places up are a half 2^8 too
// small, subnormals included. That power is left to the scale, where it costs nothing.
static constexpr float kFp8Power = 256.0f;
struct Fp8Lines {
    static constexpr int kUnpacks = 1;
    // Of 128 columns where they begin with their scales.
    static constexpr int kGroupBytes = kFp8ScaledBytes, kGroupSkip = kFp8Scale;
    ROW_MEMBER __m512i line(const uint8_t* lines, int64_t first, int j) {
        const uint8_t* quad = lines + first * (kLineBytes / 2) + j / 2 * kLineBytes;
        if (j % 2 == 0) __builtin_prefetch(quad + kFp8PrefetchBytes);
        const __m512i four = quads_load(quad);  // columns 0 2 1 3
        const __m512i high = j % 2 == 0 ? _mm512_slli_epi16(four, 8) : four;
        // The sign came twice.
        const __m512i half = _mm512_and_si512(_mm512_srai_epi16(high, 1), _mm512_set1_epi16((int16_t)0xbf80));
        return (__m512i)_mm512_cvtne2ps_pbh(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1)),
                                            _mm512_cvtph_ps(_mm512_castsi512_si256(half)));
    }
};

ROW_FN Row pair_dot(Row sum, __m512i w, const uint16_t* x) {
    int32_t pair;
    memcpy(&pair, x, 4);
    return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)_mm512_set1_epi32(pair));
}

// kPanels panels, `panel_stride` bytes apart, meet kTokens tokens. `power`: what lines are too small by.
template <class Lines, int kPanels, int kTokens>
ROW_FN void bf16_tile(const DotArgs* a, const uint8_t* panels, int64_t panel_stride, float power,
                      int64_t panel, int64_t token) {
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
            for (int p = 0; p < kPanels; ++p) w[p] = Lines::line(panels + p * panel_stride, first, j);
#pragma GCC unroll 16
            for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 16
                for (int p = 0; p < kPanels; ++p)
                    acc[p][t][j] = pair_dot(acc[p][t][j], w[p], x + t * x_stride + 2 * (first + j));
        }
    const Row scale = row_set1(a->scale * power);
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
ROW_FN void bf16_tokens(const DotArgs* a, const uint8_t* panels, int64_t panel_stride, float power,
                        int64_t panel, int64_t token) {
    for (; token + kTokens <= a->n_tokens; token += kTokens)
        bf16_tile<Lines, kPanels, kTokens>(a, panels, panel_stride, power, panel, token);
    if constexpr (kTokens > 1)
        bf16_tokens<Lines, kPanels, kTokens - 1>(a, panels, panel_stride, power, panel, token);
}

template <class Lines, int kPanels>
ROW_FN void bf16_panels(const DotArgs* a, int64_t panel) {
    const uint8_t* panels = a->panels + panel * a->panel_bytes;
    constexpr float kPower = Lines::kUnpacks ? kFp8Power : 1.0f;
    if (!Lines::kUnpacks || a->n_tokens <= kBf16Tokens) {
        bf16_tokens<Lines, kPanels, kBf16Tokens>(a, panels, a->panel_bytes, kPower, panel, 0);
        return;
    }
    const int64_t n_pairs = a->cols / 2;
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
        for (int64_t pair = 0; pair < n_pairs; pair += 2)
#pragma GCC unroll 2
            for (int j = 0; j < 2; ++j)
                quads_store(a->scratch + (p * n_pairs + pair + j) * kLineBytes,
                            Lines::line(panels + p * a->panel_bytes, pair, j));
    bf16_tokens<Bf16Lines, kPanels, kBf16Tokens>(a, a->scratch, n_pairs * kLineBytes, kPower, panel, 0);
}

template <class Lines>
static void dot_bf16(const DotArgs* a, int64_t begin, int64_t end) {
    int64_t panel = begin;
    for (; panel + kBf16Panels <= end; panel += kBf16Panels) bf16_panels<Lines, kBf16Panels>(a, panel);
    for (; panel < end; ++panel) bf16_panels<Lines, 1>(a, panel);
}

// FP8 with a scale a row and 128 columns. The order: in each block of 128 columns two partial sums by pair of
// columns mod 2, each in order, joined as s0 + s1; over the blocks y += sum * scale with one rounding; at
// last times the matrix' scale.
static constexpr int kScaledSums = 2, kScaledTokens = 4;

// `lines`: of kPanels panels, `stride` bytes apart, packed or unpacked; scales are always the panels'.
template <class Lines, int kPanels, int kTokens>
ROW_FN void scaled_tile(const DotArgs* a, const uint8_t* lines, int64_t stride, int64_t panel,
                        int64_t token) {
    Row acc[kPanels][kTokens];
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t) acc[p][t] = row_set1(0.0f);
    const uint8_t* scales = a->panels + panel * a->panel_bytes;
    const uint16_t* x = ((const Bf16Block*)a->x + token * a->x_stride)->x;
    const int64_t x_stride = a->x_stride * kActivationCols, n_pairs = a->cols / 2;
    for (int64_t first = 0; first < n_pairs; first += kFp8ScaledPairs, scales += kFp8ScaledBytes) {
        const int64_t n = n_pairs - first < kFp8ScaledPairs ? n_pairs - first : kFp8ScaledPairs;
        Row sum[kPanels][kTokens][kScaledSums];
#pragma GCC unroll 16
        for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 16
            for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 16
                for (int j = 0; j < kScaledSums; ++j) sum[p][t][j] = row_set1(0.0f);
        for (int64_t pair = 0; pair < n; pair += kScaledSums)
#pragma GCC unroll 4
            for (int j = 0; j < kScaledSums; ++j) {
                __m512i w[kPanels];
#pragma GCC unroll 16
                for (int p = 0; p < kPanels; ++p)
                    w[p] = Lines::line(lines + p * stride + Lines::kGroupSkip, pair, j);
#pragma GCC unroll 16
                for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 16
                    for (int p = 0; p < kPanels; ++p)
                        sum[p][t][j] = pair_dot(sum[p][t][j], w[p], x + t * x_stride + 2 * (pair + j));
            }
        lines += Lines::kGroupBytes;
        x += 2 * kFp8ScaledPairs;
#pragma GCC unroll 16
        for (int p = 0; p < kPanels; ++p) {
            const Row scale = row_load((const float*)(scales + p * a->panel_bytes));
#pragma GCC unroll 16
            for (int t = 0; t < kTokens; ++t)
                acc[p][t] = row_fma(row_add(sum[p][t][0], sum[p][t][1]), scale, acc[p][t]);
        }
    }
    const Row scale = row_set1(a->scale * kFp8Power);
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
            row_store(a->y + (token + t) * a->y_stride + (panel + p) * 16, row_mul(acc[p][t], scale));
}

template <class Lines, int kPanels, int kTokens>
ROW_FN void scaled_tokens(const DotArgs* a, const uint8_t* lines, int64_t stride, int64_t panel,
                          int64_t token) {
    for (; token + kTokens <= a->n_tokens; token += kTokens)
        scaled_tile<Lines, kPanels, kTokens>(a, lines, stride, panel, token);
    if constexpr (kTokens > 1) scaled_tokens<Lines, kPanels, kTokens - 1>(a, lines, stride, panel, token);
}

template <int kPanels>
ROW_FN void scaled_panels(const DotArgs* a, int64_t panel) {
    const uint8_t* panels = a->panels + panel * a->panel_bytes;
    if (a->n_tokens <= kScaledTokens) {
        scaled_tokens<Fp8Lines, kPanels, kScaledTokens>(a, panels, a->panel_bytes, panel, 0);
        return;
    }
    const int64_t n_pairs = a->cols / 2;
    for (int p = 0; p < kPanels; ++p)
        for (int64_t first = 0; first < n_pairs; first += kFp8ScaledPairs) {
            const int64_t n = n_pairs - first < kFp8ScaledPairs ? n_pairs - first : kFp8ScaledPairs;
            const uint8_t* lines =
                panels + p * a->panel_bytes + first / kFp8ScaledPairs * kFp8ScaledBytes + kFp8Scale;
            for (int64_t pair = 0; pair < n; pair += 2)
#pragma GCC unroll 2
                for (int j = 0; j < 2; ++j)
                    quads_store(a->scratch + (p * n_pairs + first + pair + j) * kLineBytes,
                                Fp8Lines::line(lines, pair, j));
        }
    scaled_tokens<Bf16Lines, kPanels, kScaledTokens>(a, a->scratch, n_pairs * kLineBytes, panel, 0);
}

static void dot_fp8_scaled(const DotArgs* a, int64_t begin, int64_t end) {
    int64_t panel = begin;
    for (; panel + kBf16Panels <= end; panel += kBf16Panels) scaled_panels<kBf16Panels>(a, panel);
    for (; panel < end; ++panel) scaled_panels<1>(a, panel);
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
