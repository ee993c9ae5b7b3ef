// kernels/cpu/latent.inl - attention over latents: one transposed row of numbers a position serves as key and
// as value. Scores as attention.inl; values are summed over positions in 16 lanes, blocks in order, joined by
// the fixed tree.

template <int kDims>
ROW_FN void gather_latents(const LatentArgs* a, const float* weights, int d, float* out) {
    Row acc[kDims];
#pragma GCC unroll 8
    for (int i = 0; i < kDims; ++i) acc[i] = row_set1(0.0f);
    for (int64_t b = 0; b * 16 < a->end; ++b) {
        const Row w = row_load(weights + b * 16);
        const float* block = a->blocks[b] + d * 16;
        const int64_t left = a->end - b * 16;
#pragma GCC unroll 8
        for (int i = 0; i < kDims; ++i) {
            Row x = row_load(block + i * 16);
            // What a block holds beyond the end is another sequence's: not even times zero.
            if (left < 16) x = row_keep_lanes(x, 0, (int)left, 0.0f);
            acc[i] = row_fma(x, w, acc[i]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kDims; ++i) out[i] = row_sum(acc[i]);
}

// scores[16] of one block of float32s [width][16]: sum over dimensions in four partial sums, as linear.inl.
ROW_FN Row score_floats(const float* q, const float* keys, int width) {
    Row acc[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[j] = row_set1(0.0f);
    int d = 0;
    for (; d + 4 <= width; d += 4)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j)
            acc[j] = row_fma(row_load(keys + (d + j) * 16), row_set1(q[d + j]), acc[j]);
    for (int j = 0; d + j < width; ++j)
        acc[j] = row_fma(row_load(keys + (d + j) * 16), row_set1(q[d + j]), acc[j]);
    return row_add(row_add(acc[0], acc[1]), row_add(acc[2], acc[3]));
}

static void attend_latent(const LatentArgs* a) {
    const int64_t n_blocks = (a->end + 15) / 16;
    float* weights = a->scratch;
    const Row scale = row_set1(a->softmax_scale);
    Row largest = row_set1(-INFINITY);
    for (int64_t b = 0; b < n_blocks; ++b) {
        const int64_t left = a->end - b * 16;
        Row s = row_mul(score_floats(a->q, a->blocks[b], a->width), scale);
        s = row_keep_lanes(s, 0, left < 16 ? (int)left : 16, -INFINITY);
        if (a->mask) s = row_add(s, row_load(a->mask + b * 16));
        largest = row_max(s, largest);
        row_store(weights + b * 16, s);
    }
    const Row top = row_set1(row_largest(largest));
    Row total = row_set1(0.0f);
    for (int64_t b = 0; b < n_blocks; ++b) {
        const Row e = row_exp(row_sub(row_load(weights + b * 16), top));
        total = row_add(total, e);
        row_store(weights + b * 16, e);
    }
    const float sum = row_sum(total);
    int d = 0;
    for (; d + 8 <= a->rank; d += 8) gather_latents<8>(a, weights, d, a->out + d);
    for (; d < a->rank; ++d) gather_latents<1>(a, weights, d, a->out + d);
    for (d = 0; d < a->rank; ++d) a->out[d] = a->out[d] / sum;
}

// scores[16 a block] = sum over heads, in order, of weight * max(0, q . key): which positions are worth a
// look.
static void index_scores(const IndexArgs* a) {
    const Row zero = row_set1(0.0f);
    for (int64_t b = 0; b * 16 < a->end; ++b) {
        Row sum = zero;
        for (int head = 0; head < a->n_heads; ++head) {
            const Row s = score_floats(a->q + head * a->head_dim, a->blocks[b], a->head_dim);
            sum = row_fma(row_max(s, zero), row_set1(a->weights[head]), sum);
        }
        row_store(a->scores + b * 16, sum);
    }
}
