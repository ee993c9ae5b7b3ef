// kernels/cpu/linear.inl - y = x W^T over panels. One order of summation, three ways to walk:
//   few tokens   each weight is decoded once and meets up to 4 tokens; memory is the limit
//   many tokens  some columns of two panels are decoded to scratch, then tiles of tokens run over them;
//   arithmetic is the limit
// The order, the same in all: four partial sums by column mod 4, joined as (s0 + s1) + (s2 + s3), times
// scale.

ROW_FN void store_sum(const LinearArgs* a, int64_t panel, int64_t token, const Row* partial) {
    const Row sum = row_add(row_add(partial[0], partial[1]), row_add(partial[2], partial[3]));
    row_store(a->y + token * a->y_stride + panel * 16, row_mul(sum, row_set1(a->scale)));
}

// Parts of block b that lie within the width: FP8 with scales may end within one, the others never do.
template <class Read>
ROW_FN int subs_of(const LinearArgs* a, int64_t b) {
    constexpr int kSubs = Read::kBlock / Read::kSub;
    const int64_t left = a->cols / Read::kSub - b * kSubs;
    return left < kSubs ? (int)left : kSubs;
}

// kPanels panels from `panel`, kTokens tokens from `token`, decoding in place.
template <class Read, int kPanels, int kTokens>
ROW_FN void linear_in_place(const LinearArgs* a, int64_t panel, int64_t token) {
    Row acc[kPanels][kTokens][4];
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) acc[p][t][j] = row_set1(0.0f);
    const uint8_t* base = a->panels + panel * a->panel_bytes;
    const float* x = a->x + token * a->x_stride;
    const int64_t n_blocks = (a->cols + Read::kBlock - 1) / Read::kBlock;
    for (int64_t b = 0; b < n_blocks; ++b) {
        const int n_subs = subs_of<Read>(a, b);
        for (int sub = 0; sub < n_subs; ++sub) {
            typename Read::Scales scales[kPanels];
#pragma GCC unroll 4
            for (int p = 0; p < kPanels; ++p)
                scales[p] = Read::open(base + p * a->panel_bytes + b * Read::kBytes, sub);
            const float* xs = x + b * Read::kBlock + sub * Read::kSub;
#pragma GCC unroll 4
            for (int k0 = 0; k0 < Read::kSub; k0 += 4)
#pragma GCC unroll 4
                for (int j = 0; j < 4; ++j)
#pragma GCC unroll 4
                    for (int p = 0; p < kPanels; ++p) {
                        const uint8_t* block = base + p * a->panel_bytes + b * Read::kBytes;
                        const Row w = Read::weight(block, &scales[p], sub * Read::kSub + k0 + j);
#pragma GCC unroll 4
                        for (int t = 0; t < kTokens; ++t)
                            acc[p][t][j] = row_fma(w, row_set1(xs[t * a->x_stride + k0 + j]), acc[p][t][j]);
                    }
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; ++t) store_sum(a, panel + p, token + t, acc[p][t]);
}

// Columns [begin, end) of one panel as float32: out[end - begin][16].
template <class Read>
ROW_FN void decode_columns(const LinearArgs* a, int64_t panel, int64_t begin, int64_t end, float* out) {
    static_assert(kTileCols % Read::kSub == 0);
    const uint8_t* blocks = a->panels + panel * a->panel_bytes;
    for (int64_t col = begin; col < end; col += Read::kSub) {
        const uint8_t* block = blocks + col / Read::kBlock * Read::kBytes;
        const int sub = (int)(col % Read::kBlock / Read::kSub);
        const typename Read::Scales scales = Read::open(block, sub);
        for (int k = 0; k < Read::kSub; ++k, out += 16)
            row_store(out, Read::weight(block, &scales, sub * Read::kSub + k));
    }
}

// Columns that are decoded together: of two panels 24 KiB, so that a first-level cache keeps them while the
// tokens pass. Their partial sums wait in scratch meanwhile.
struct TileColumns {
    int64_t begin, end;
    const float* weights;  // [panel][end - begin][16]
};

template <int kPanels, int kTokens>
ROW_FN void linear_tile(const LinearArgs* a, const TileColumns& columns, int64_t panel, int64_t token,
                        float* partial) {
    Row acc[kPanels][kTokens][4];
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j)
                acc[p][t][j] = columns.begin == 0 ? row_set1(0.0f)
                                                  : row_load(partial + ((t * kPanels + p) * 4 + j) * 16);
    const float* x = a->x + token * a->x_stride + columns.begin;
    const int64_t n = columns.end - columns.begin;
    for (int64_t k = 0; k < n; k += 4)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            Row w[kPanels];
#pragma GCC unroll 4
            for (int p = 0; p < kPanels; ++p) {
                w[p] = row_load(columns.weights + (p * n + k + j) * 16);
                row_hold(w[p]);
            }
#pragma GCC unroll 4
            for (int t = 0; t < kTokens; ++t) {
                Row xt = row_set1(x[t * a->x_stride + k + j]);
                row_hold(xt);
#pragma GCC unroll 4
                for (int p = 0; p < kPanels; ++p) acc[p][t][j] = row_fma(w[p], xt, acc[p][t][j]);
            }
        }
    const bool is_last = columns.end == a->cols;
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; ++t) {
            if (is_last) {
                store_sum(a, panel + p, token + t, acc[p][t]);
                continue;
            }
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) row_store(partial + ((t * kPanels + p) * 4 + j) * 16, acc[p][t][j]);
        }
}

// kPanels panels and all tokens, so many at a time as have room for their partial sums.
template <class Read, int kPanels, int kTokens>
ROW_FN void linear_many(const LinearArgs* a, int64_t panel) {
    constexpr int64_t kPartial = kPanels * 4 * 16;  // floats of one token
    float* partial = a->scratch + kTilePanelsMax * kTileCols * 16;
    for (int64_t first = 0; first < a->n_tokens; first += kTileTokensHeld) {
        const int64_t end = a->n_tokens - first < kTileTokensHeld ? a->n_tokens : first + kTileTokensHeld;
        for (int64_t col = 0; col < a->cols; col += kTileCols) {
            const int64_t col_end = a->cols - col < kTileCols ? a->cols : col + kTileCols;
            for (int p = 0; p < kPanels; ++p)
                decode_columns<Read>(a, panel + p, col, col_end, a->scratch + p * (col_end - col) * 16);
            const TileColumns columns = {col, col_end, a->scratch};
            int64_t token = first;
            for (; token + kTokens <= end; token += kTokens)
                linear_tile<kPanels, kTokens>(a, columns, panel, token, partial + (token - first) * kPartial);
            for (; token < end; ++token)
                linear_tile<kPanels, 1>(a, columns, panel, token, partial + (token - first) * kPartial);
        }
    }
}

template <class Read, int kPanels>
ROW_FN void linear_few(const LinearArgs* a, int64_t panel) {
    switch (a->n_tokens) {
        case 1:
            linear_in_place<Read, kPanels, 1>(a, panel, 0);
            break;
        case 2:
            linear_in_place<Read, kPanels, 2>(a, panel, 0);
            break;
        default:
            linear_in_place<Read, kPanels, 3>(a, panel, 0);
            break;
    }
}

template <class Read>
static void linear(const LinearArgs* a, int64_t begin, int64_t end) {
    int64_t panel = begin;
    if (a->n_tokens <= 3) {
        for (; panel + kGemvPanels <= end; panel += kGemvPanels) linear_few<Read, kGemvPanels>(a, panel);
        for (; panel < end; ++panel) linear_few<Read, 1>(a, panel);
        return;
    }
    for (; panel + kTilePanels <= end; panel += kTilePanels)
        linear_many<Read, kTilePanels, kTileTokens>(a, panel);
    for (; panel < end; ++panel) linear_many<Read, 1, kTileTokens>(a, panel);
}
