// kernels/cpu/dot.inl - y = x W^T over panels of integer codes and activations in 8 bits. The order, the same
// however many tokens share a pass: over blocks of 32 columns, y += activation scale * t with one rounding,
// where t joins the block's integer sums (exact) with the weights' scales:
//   one group of 32    t = sum * scale (- min * the activations' sum)
//   two groups of 16   t = sum1 * scale1 + (sum0 * scale0)
//   two of NVFP4       t = (sum0 * significand0 + sum1 * significand1, as integers) * 2^exponent
// and at last y *= the matrix' scale. Integer sums are exact in any order and floats are added in this one,
// so all instruction sets and batches give the same bits.

static constexpr int kDotCols = kActivationCols;
// How far ahead packed codes are asked for: the processor's own prefetchers stop at the end of each page.
static constexpr int kPrefetchBytes = 4096;

template <class Panel>
struct DotBlocks {
    static constexpr int kGroups = kDotCols / Panel::kSub, kQuadsPerGroup = Panel::kSub / 4;
    // How many panels' sums fit the registers beside what joins two groups.
    static constexpr int kPanels = kGroups == 1 || Panel::kHasPairs || kDotPanels < 2 ? kDotPanels : 2;
    // A block of 32 columns unpacked: eight lines of codes, then scales and minima as float32.
    static constexpr int kUnpackedBytes = (8 + kGroups + (Panel::kHasMin ? 1 : 0)) * kLineBytes;
    // Minus the offset times the sum of the activations that group `group` meets: codes may count from 0.
    ROW_MEMBER Ints start(const ActivationBlock* x, int group) {
        constexpr int kOffset = Panel::kOffset;
        static_assert(kOffset == 0 ||
                      (kGroups == 2 ? kOffset == 16 || kOffset == 32 : kOffset == 16 || kOffset == 128));
        if (kOffset == 0 || (Panel::kWide && kWideIsSigned)) return ints_zero();
        if (kGroups == 2) return ints_left(ints_set1(x->minus_16[group]), kOffset == 32 ? 1 : 0);
        return ints_set1(kOffset == 16 ? x->minus_16_all : x->minus_128_all);
    }
    // One lane sums two groups: the second goes on 16 bits below the first.
    ROW_MEMBER Ints go_on(Ints sum, const ActivationBlock* x) {
        return ints_add(ints_left(sum, 16), ints_set1(x->second_of_pair));
    }
    ROW_MEMBER Ints dot(Ints sum, Quads w, const int8_t* x) {
        return Panel::kWide ? ints_dot_wide(sum, w, x) : ints_dot(sum, w, x);
    }
};

template <class Panel, int kPanels, int kTokens, class Source>
ROW_FN void dot_group(const Source* sources, const ActivationBlock* x, int64_t x_stride, int group,
                      Ints (*sum)[kTokens]) {
    typedef DotBlocks<Panel> Blocks;
#pragma GCC unroll 8
    for (int i = 0; i < Blocks::kQuadsPerGroup; ++i) {
        const int q = group * Blocks::kQuadsPerGroup + i;
        Quads w[kPanels];
#pragma GCC unroll 16
        for (int p = 0; p < kPanels; ++p) w[p] = sources[p].quads(q);
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 16
            for (int p = 0; p < kPanels; ++p)
                sum[p][t] = Blocks::dot(sum[p][t], w[p], x[t * x_stride].q + 4 * q);
    }
}

// One block of 32 columns of kPanels panels meets kTokens tokens. `sources` bring quads and scales, packed or
// unpacked.
template <class Panel, int kPanels, int kTokens, class Source>
ROW_FN void dot_block(const Source* sources, const ActivationBlock* x, int64_t x_stride,
                      Row (*acc)[kTokens]) {
    typedef DotBlocks<Panel> Blocks;
    Row joined[kPanels][kTokens];
    Ints sum[kPanels][kTokens];
#pragma GCC unroll 2
    for (int group = 0; group < Blocks::kGroups; ++group) {
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 16
            for (int p = 0; p < kPanels; ++p)
                sum[p][t] = Panel::kHasPairs && group == 1 ? Blocks::go_on(sum[p][t], x + t * x_stride)
                                                           : Blocks::start(x + t * x_stride, group);
        dot_group<Panel, kPanels, kTokens>(sources, x, x_stride, group, sum);
        if (Panel::kHasPairs) continue;
#pragma GCC unroll 16
        for (int p = 0; p < kPanels; ++p) {
            const Row scale = sources[p].scale(group);
#pragma GCC unroll 16
            for (int t = 0; t < kTokens; ++t) {
                const Row whole = row_from_ints(sum[p][t]);
                joined[p][t] = group == 0 ? row_mul(whole, scale) : row_fma(whole, scale, joined[p][t]);
            }
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) {
        if constexpr (Panel::kHasPairs) {
            const ScalePairs scales = sources[p].pairs();
#pragma GCC unroll 16
            for (int t = 0; t < kTokens; ++t)
                joined[p][t] = row_times_power(row_from_pairs(sum[p][t], scales.pairs), scales.power);
        }
        if constexpr (Panel::kHasMin) {
            const Row min = sources[p].min();
#pragma GCC unroll 16
            for (int t = 0; t < kTokens; ++t)
                joined[p][t] = row_fma(min, row_set1(x[t * x_stride].minus_sum), joined[p][t]);
        }
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
            acc[p][t] = row_fma(joined[p][t], row_set1(x[t * x_stride].scale), acc[p][t]);
    }
}

template <class Panel>
struct PackedSource {
    const uint8_t* block;
    int sub;  // which 32 columns of the panel's block
    inline __attribute__((always_inline)) Quads quads(int q) const {
        return Panel::quads(block, 8 * sub + q);
    }
    inline __attribute__((always_inline)) Row scale(int group) const {
        return Panel::open(block, sub * DotBlocks<Panel>::kGroups + group).scale;
    }
    inline __attribute__((always_inline)) Row min() const { return Panel::open(block, sub).min; }
    inline __attribute__((always_inline)) ScalePairs pairs() const { return Panel::pairs(block); }
};

template <class Panel>
struct UnpackedSource {
    const uint8_t* block;
    inline __attribute__((always_inline)) Quads quads(int q) const {
        return quads_load(block + q * kLineBytes);
    }
    inline __attribute__((always_inline)) Row scale(int group) const {
        return row_load((const float*)(block + (8 + group) * kLineBytes));
    }
    inline __attribute__((always_inline)) Row min() const {
        return row_load((const float*)(block + (8 + DotBlocks<Panel>::kGroups) * kLineBytes));
    }
    inline __attribute__((always_inline)) ScalePairs pairs() const {
        return {ints_load(block + 8 * kLineBytes), row_load((const float*)(block + 9 * kLineBytes))};
    }
};

// Few tokens: codes are unpacked in registers as they stream past.
template <class Panel, int kTokens>
ROW_FN void dot_packed(const DotArgs* a, int64_t panel, int64_t token) {
    Row acc[1][kTokens];
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) acc[0][t] = row_set1(0.0f);
    const uint8_t* block = a->panels + panel * a->panel_bytes;
    const ActivationBlock* x = (const ActivationBlock*)a->x + token * a->x_stride;
    for (int64_t col = 0; col < a->cols; col += Panel::kBlock, block += Panel::kBytes)
        for (int sub = 0; sub < Panel::kBlock / kDotCols; ++sub, ++x) {
            constexpr int kStep = Panel::kBytes / (Panel::kBlock / kDotCols);
            for (int i = 0; i < kStep; i += kLineBytes)
                __builtin_prefetch(block + sub * kStep + i + kPrefetchBytes);
            const PackedSource<Panel> source = {block, sub};
            dot_block<Panel, 1, kTokens>(&source, x, a->x_stride, acc);
        }
    const Row scale = row_set1(a->scale);
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t)
        row_store(a->y + (token + t) * a->y_stride + panel * 16, row_mul(acc[0][t], scale));
}

// Many tokens: a chunk of columns of a few panels is unpacked so that it stays in the second-level cache,
// and tiles of tokens run over it. Sums wait in y between the chunks.
struct Chunk {
    int64_t panel;                  // the first of kPanels
    int64_t first_block, n_blocks;  // of 32 columns
    bool is_last;
};

template <class Panel>
ROW_FN void unpack_chunk(const DotArgs* a, int64_t panel, const Chunk& chunk, uint8_t* out) {
    constexpr int kSubs = Panel::kBlock / kDotCols;
    const uint8_t* blocks = a->panels + panel * a->panel_bytes;
    for (int64_t b = chunk.first_block; b < chunk.first_block + chunk.n_blocks; ++b) {
        const PackedSource<Panel> source = {blocks + b / kSubs * Panel::kBytes, (int)(b % kSubs)};
#pragma GCC unroll 8
        for (int q = 0; q < 8; ++q, out += kLineBytes) quads_store(out, source.quads(q));
        if constexpr (Panel::kHasPairs) {
            const ScalePairs scales = source.pairs();
            ints_store(out, scales.pairs);
            row_store((float*)(out + kLineBytes), scales.power);
            out += 2 * kLineBytes;
            continue;
        }
        for (int group = 0; group < DotBlocks<Panel>::kGroups; ++group, out += kLineBytes)
            row_store((float*)out, source.scale(group));
        if constexpr (Panel::kHasMin) {
            row_store((float*)out, source.min());
            out += kLineBytes;
        }
    }
}

template <class Panel, int kPanels, int kTokens>
ROW_FN void dot_chunk(const DotArgs* a, const Chunk& chunk, int64_t token) {
    constexpr int kBytes = DotBlocks<Panel>::kUnpackedBytes;
    float* y = a->y + token * a->y_stride + chunk.panel * 16;
    Row acc[kPanels][kTokens];
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
            acc[p][t] = chunk.first_block == 0 ? row_set1(0.0f) : row_load(y + t * a->y_stride + p * 16);
    const ActivationBlock* x = (const ActivationBlock*)a->x + token * a->x_stride + chunk.first_block;
    for (int64_t b = 0; b < chunk.n_blocks; ++b) {
        UnpackedSource<Panel> sources[kPanels];
#pragma GCC unroll 16
        for (int p = 0; p < kPanels; ++p) sources[p].block = a->scratch + (p * chunk.n_blocks + b) * kBytes;
        dot_block<Panel, kPanels, kTokens>(sources, x + b, a->x_stride, acc);
    }
    const Row scale = row_set1(a->scale);
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
            row_store(y + t * a->y_stride + p * 16, chunk.is_last ? row_mul(acc[p][t], scale) : acc[p][t]);
}

// Calls tile<kTokens>(token) over all tokens, as many at a time as the registers hold.
template <int kTokens, class Tile>
ROW_FN void each_tile(int64_t n_tokens, int64_t token, const Tile& tile) {
    for (; token + kTokens <= n_tokens; token += kTokens) tile.template operator()<kTokens>(token);
    if constexpr (kTokens > 1) each_tile<kTokens / 2>(n_tokens, token, tile);
}

// Packed blocks that are unpacked next: the same strip of columns of a few panels.
struct Strips {
    const uint8_t* at;  // of the first panel
    int64_t n_panels, n_lines;
};

// Memory answers while tiles multiply: between two tiles, a share of the lines to come is asked for.
ROW_FN void ask_for(const DotArgs* a, const Strips& next, int64_t token, int64_t n_tokens) {
    const int64_t begin = next.n_lines * token / a->n_tokens;
    const int64_t end = next.n_lines * (token + n_tokens) / a->n_tokens;
    for (int64_t p = 0; p < next.n_panels; ++p)
        for (int64_t i = begin; i < end; ++i)
            __builtin_prefetch(next.at + p * a->panel_bytes + i * kLineBytes, 0, 2);
}

template <class Panel, int kPanels>
ROW_FN void dot_many(const DotArgs* a, int64_t panel, int64_t end) {
    typedef DotBlocks<Panel> Blocks;
    constexpr int64_t kChunkBlocks = kDotScratchBytes / (Blocks::kPanels * Blocks::kUnpackedBytes);
    constexpr int64_t kSubs = Panel::kBlock / kDotCols;
    const int64_t n_blocks = a->cols / kDotCols;
    const auto packed_bytes = [](int64_t blocks) { return blocks * Panel::kBytes / kSubs; };
    for (int64_t first = 0; first < n_blocks; first += kChunkBlocks) {
        const int64_t n = n_blocks - first < kChunkBlocks ? n_blocks - first : kChunkBlocks;
        const Chunk chunk = {panel, first, n, first + n == n_blocks};
        for (int p = 0; p < kPanels; ++p)
            unpack_chunk<Panel>(a, panel + p, chunk, a->scratch + p * n * Blocks::kUnpackedBytes);
        const int64_t after = chunk.is_last ? panel + kPanels : panel;  // whose blocks come next
        const int64_t from = chunk.is_last ? 0 : first + n;
        const int64_t left = n_blocks - from < kChunkBlocks ? n_blocks - from : kChunkBlocks;
        const Strips next = {a->panels + after * a->panel_bytes + packed_bytes(from),
                             end - after < kPanels ? end - after : kPanels,
                             (packed_bytes(left) + kLineBytes - 1) / kLineBytes};
        each_tile<kDotTileTokens>(a->n_tokens, 0, [=]<int kTokens>(int64_t token) {
            ask_for(a, next, token, kTokens);
            dot_chunk<Panel, kPanels, kTokens>(a, chunk, token);
        });
    }
}

template <class Panel, int kPanels>
ROW_FN void each_panels(const DotArgs* a, int64_t panel, int64_t end) {
    for (; panel + kPanels <= end; panel += kPanels) dot_many<Panel, kPanels>(a, panel, end);
    if constexpr (kPanels > 1) each_panels<Panel, kPanels - 1>(a, panel, end);
}

template <class Panel>
static void dot(const DotArgs* a, int64_t begin, int64_t end) {
    int64_t panel = begin;
    if (a->n_tokens <= kDotFewTokens) {
        for (; panel < end; ++panel)
            each_tile<kDotTokens>(a->n_tokens, 0, [=]<int kTokens>(int64_t token) {
                dot_packed<Panel, kTokens>(a, panel, token);
            });
        return;
    }
    each_panels<Panel, DotBlocks<Panel>::kPanels>(a, panel, end);
}

static void quantize_row(const float* x, int64_t n, void* out) {
    for (int64_t i = 0; i < n / kActivationCols; ++i)
        quantize_block(x + i * kActivationCols, (ActivationBlock*)out + i);
}

// The ceiling: eight independent chains of dot products in registers.
static float int8_dot_chains(int64_t n) {
    uint8_t bytes[64];
    int8_t x[4];
    for (int i = 0; i < 64; ++i) bytes[i] = (uint8_t)(n + i);
    for (int i = 0; i < 4; ++i) x[i] = (int8_t)(n + i);
    const Quads w = quads_load(bytes);
    Ints sum[kDotChains];
#pragma GCC unroll 16
    for (int j = 0; j < kDotChains; ++j) sum[j] = ints_set1(j);
    for (int64_t i = 0; i < n; i += kDotChains)
#pragma GCC unroll 16
        for (int j = 0; j < kDotChains; ++j) sum[j] = ints_dot(sum[j], w, x);
    Row total = row_set1(0.0f);
#pragma GCC unroll 16
    for (int j = 0; j < kDotChains; ++j) total = row_add(total, row_from_ints(sum[j]));
    return row_sum(total);
}
