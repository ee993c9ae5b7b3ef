// kernels/cpu/linear.inl - y = x W^T over panels. One order of summation, three ways to walk:
//   few tokens   each weight is decoded once and meets up to 4 tokens; memory is the limit
//   many tokens  two panels are decoded to scratch, then tiles of tokens run over them; arithmetic is the
//   limit
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
    for (int p = 0; p < kPanels; ++p)
        for (int t = 0; t < kTokens; ++t)
            for (int j = 0; j < 4; ++j) acc[p][t][j] = row_set1(0.0f);
    const uint8_t* base = a->panels + panel * a->panel_bytes;
    const float* x = a->x + token * a->x_stride;
    const int64_t n_blocks = (a->cols + Read::kBlock - 1) / Read::kBlock;
    for (int64_t b = 0; b < n_blocks; ++b) {
        const int n_subs = subs_of<Read>(a, b);
        for (int sub = 0; sub < n_subs; ++sub) {
            typename Read::Scales scales[kPanels];
            for (int p = 0; p < kPanels; ++p)
                scales[p] = Read::open(base + p * a->panel_bytes + b * Read::kBytes, sub);
            const float* xs = x + b * Read::kBlock + sub * Read::kSub;
#pragma GCC unroll 4
            for (int k0 = 0; k0 < Read::kSub; k0 += 4)
#pragma GCC unroll 4
                for (int j = 0; j < 4; ++j)
                    for (int p = 0; p < kPanels; ++p) {
                        const uint8_t* block = base + p * a->panel_bytes + b * Read::kBytes;
                        const Row w = Read::weight(block, &scales[p], sub * Read::kSub + k0 + j);
                        for (int t = 0; t < kTokens; ++t)
                            acc[p][t][j] = row_fma(w, row_set1(xs[t * a->x_stride + k0 + j]), acc[p][t][j]);
                    }
        }
    }
    for (int p = 0; p < kPanels; ++p)
        for (int t = 0; t < kTokens; ++t) store_sum(a, panel + p, token + t, acc[p][t]);
}

// One panel as float32 columns: scratch[cols][16].
template <class Read>
ROW_FN void decode_panel(const LinearArgs* a, int64_t panel, float* scratch) {
    const uint8_t* block = a->panels + panel * a->panel_bytes;
    const int64_t n_blocks = (a->cols + Read::kBlock - 1) / Read::kBlock;
    for (int64_t b = 0; b < n_blocks; ++b, block += Read::kBytes) {
        const int n_subs = subs_of<Read>(a, b);
        for (int sub = 0; sub < n_subs; ++sub) {
            const typename Read::Scales scales = Read::open(block, sub);
            for (int k = 0; k < Read::kSub; ++k, scratch += 16)
                row_store(scratch, Read::weight(block, &scales, sub * Read::kSub + k));
        }
    }
}

template <int kPanels, int kTokens>
ROW_FN void linear_tile(const LinearArgs* a, int64_t panel, int64_t token) {
    Row acc[kPanels][kTokens][4];
    for (int p = 0; p < kPanels; ++p)
        for (int t = 0; t < kTokens; ++t)
            for (int j = 0; j < 4; ++j) acc[p][t][j] = row_set1(0.0f);
    const float* x = a->x + token * a->x_stride;
    for (int64_t k = 0; k < a->cols; k += 4)
        for (int j = 0; j < 4; ++j) {
            Row w[kPanels];
            for (int p = 0; p < kPanels; ++p) w[p] = row_load(a->scratch + (p * a->cols + k + j) * 16);
            for (int t = 0; t < kTokens; ++t) {
                const Row xt = row_set1(x[t * a->x_stride + k + j]);
                for (int p = 0; p < kPanels; ++p) acc[p][t][j] = row_fma(w[p], xt, acc[p][t][j]);
            }
        }
    for (int p = 0; p < kPanels; ++p)
        for (int t = 0; t < kTokens; ++t) store_sum(a, panel + p, token + t, acc[p][t]);
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
    for (; panel < end;) {
        const int n = end - panel >= kTilePanels ? (int)kTilePanels : 1;
        for (int p = 0; p < n; ++p) decode_panel<Read>(a, panel + p, a->scratch + p * a->cols * 16);
        int64_t token = 0;
        if (n == kTilePanels) {
            for (; token + kTileTokens <= a->n_tokens; token += kTileTokens)
                linear_tile<kTilePanels, kTileTokens>(a, panel, token);
            for (; token < a->n_tokens; ++token) linear_tile<kTilePanels, 1>(a, panel, token);
        } else {
            for (; token < a->n_tokens; ++token) linear_tile<1, 1>(a, panel, token);
        }
        panel += n;
    }
}
