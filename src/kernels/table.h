// kernels/table.h - the function table that each instruction set fills. Plain data and C headers alone:
// objects compiled for one instruction set include this, and nothing inline from it may leak into the rest of
// the program.
#pragma once

#include <stdint.h>

namespace hearth::kernels {

// Every kernel works on rows of 16 lanes, whatever the register width, and adds in one stated order with
// fused multiply-adds. So all instruction sets give the same bits, and so does any batch, chunk or number of
// threads.
inline constexpr int kLanes = 16;

// Weights are kept in panels of 16 output rows, interleaved so that one load brings the same columns of
// all 16. pack.h makes them from the formats of files; panel_layout.h describes a panel's blocks.
enum PanelKind : int {
    kPanelF32,
    kPanelBf16,
    kPanelF16,
    kPanelFp8,
    kPanelQ8_0,
    kPanelQ4_0,
    kPanelIq4Nl,
    kPanelMxfp4,
    kPanelNvfp4,
    kPanelQ4_K,
    kPanelQ5_K,
    kPanelQ6_K,
    kPanelIq4Xs,
    kPanelFp8Scaled,
    kPanelKinds
};

struct LinearArgs {
    float* y;  // [n_tokens, y_stride], rows padded to whole panels
    int64_t y_stride;
    const float* x;  // [n_tokens, x_stride], zero beyond the width up to `cols`
    int64_t x_stride;
    int64_t n_tokens;
    const uint8_t* panels;  // the matrix
    int64_t panel_bytes;    // one panel: cols / block_cols blocks
    int64_t cols;           // input width, padded to whole blocks
    float scale;            // applied to each finished sum (NVFP4's tensor scale, FP8's)
    float* scratch;         // kLinearScratchFloats
};
// Of many tokens: columns of up to two panels that are decoded at once, tokens whose partial sums (four a
// row) are held meanwhile.
inline constexpr int64_t kTileCols = 192, kTilePanelsMax = 2, kTileTokensHeld = 240;
inline constexpr int64_t kLinearScratchFloats = kTilePanelsMax * 16 * (kTileCols + 4 * kTileTokensHeld);

// Activations for dot products: blocks of 32 columns, quantized once per row and read by every panel.
inline constexpr int kActivationCols = 32;
inline constexpr float kActivationLeast = 1e-30f;  // a block with no larger magnitude counts as zeros
struct ActivationBlock {                           // one cache line
    int8_t q[32];                                  // x = q * scale
    float scale;                                   // the largest magnitude / 127
    float minus_sum;                               // of q
    // What sums of products start at, so that codes may count from 0: minus an offset times the sum of the
    // activations that they meet, 16 or all 32.
    int32_t minus_16[2];
    int32_t second_of_pair;  // minus_16[1] + 32768: see row_from_pairs
    int32_t minus_16_all, minus_128_all;
    int32_t unused;
};
struct Bf16Block {
    uint16_t x[32];  // rounded to nearest even
};

// What a panel kind's dot products read: float32 rows, ActivationBlocks or Bf16Blocks.
enum ActivationKind : int { kActivationF32, kActivationInt8, kActivationBf16, kActivationKinds };

inline constexpr int64_t kDotFewTokens =
    8;  // up to here codes are unpacked in registers, for every token anew
inline constexpr int64_t kDotScratchBytes = 64 << 10;  // a small part of a second-level cache
struct DotArgs {
    float* y;  // as LinearArgs
    int64_t y_stride;
    const void* x;     // blocks of the kind's activations: [n_tokens, x_stride]
    int64_t x_stride;  // in blocks
    int64_t n_tokens;
    const uint8_t* panels;
    int64_t panel_bytes;
    int64_t cols;  // input width, padded to whole blocks of the panel
    float scale;
    uint8_t* scratch;  // kDotScratchBytes, and not less than 64 * cols (FP8 as BF16, two panels)
};

// Keys and values of one layer live in blocks of 16 positions; kv_layout.h has the layouts.
inline constexpr int kKvBlockTokens = 16;
enum KvType : int { kKvF32, kKvBf16, kKvFp8, kKvQ8, kKvTypes };

struct KvStoreArgs {
    const float *key, *value;  // [head_dim] of one position, after norm and RoPE
    uint8_t *keys, *values;    // this KV head's part of the block
    int slot;                  // of the 16 positions
    int head_dim;
};

// Queries of one KV head and neighbouring tokens of one sequence.
struct AttendArgs {
    const float* q;  // [n_tokens][heads_per_kv][head_dim], tokens q_stride apart, after norm and RoPE
    float* out;      // the same shape
    int64_t q_stride, out_stride;
    const uint8_t* const* key_blocks;  // block i holds positions 16 i ..; each points at this KV head's part
    const uint8_t* const* value_blocks;
    int64_t position;  // of the first token: one at p sees [p + 1 - behind, p + ahead] as far as they exist
    int64_t n_tokens;
    int64_t n_filled;  // positions [0, n_filled) exist
    int64_t behind, ahead;
    int heads_per_kv, head_dim;
    float softmax_scale;
    const float* sinks;  // [heads_per_kv]: a score that joins each softmax's sum and brings no value; or null
    float* scratch;      // kAttendScratchFloats(head_dim)
};
// Positions whose scores wait for their maximum together, rows (token and head) that share loads, and rows
// whose sums are held while the chunks are read.
inline constexpr int kAttendChunk = 256, kAttendRowsMax = 4, kAttendRowsHeld = 32;
#define kAttendScratchFloats(head_dim)                                     \
    (::hearth::kernels::kAttendRowsMax * ::hearth::kernels::kAttendChunk + \
     ::hearth::kernels::kAttendRowsHeld * (((head_dim) + 15) / 16 * 16))

// Gated activations. kGluClamped is gpt-oss's (g min limit) sigmoid(1.702 g) (clamp(up) + 1); kGluSilu with a
// limit is Step's min(silu(g), limit) clamp(up), without one SwiGLU.
enum GluKind : int { kGluSilu, kGluGeluTanh, kGluGeluErf, kGluClamped, kGluSigmoid, kGluKinds };

// Neighbouring tokens of one sequence: a channel's output is SiLU of a sum over its last n_taps inputs.
inline constexpr int kTapsMax = 64;
struct ConvolveArgs {
    const float* in;  // [n_tokens], in_stride apart
    int64_t in_stride;
    const float* kept;  // [n_taps - 1, channels]: the inputs before
    const float* taps;  // [channels, n_taps], the last for the token itself
    float* out;
    int64_t out_stride;
    int64_t n_tokens, channels, n_taps;
};

// Gated delta rules run in chunks of positions counted from 0 (cpu/delta_rule.inl). Until its chunk is full,
// a sequence keeps the chunk's keys and changes beside the state before it. docs/numbers.md says why 16.
inline constexpr int kDeltaChunk = 16;

// Neighbouring tokens of one chunk and one key head: their queries and keys at unit length, the keys among
// those that are kept, and their products with all keys of the chunk so far.
struct DeltaKeysArgs {
    const float *queries_in, *keys_in;  // rows of k_dim, in_stride apart
    int64_t in_stride;
    int64_t first, n_tokens;  // slots [first, first + n_tokens) of the chunk
    int64_t k_dim;
    float* keys;                       // kept: [kDeltaChunk / 16][k_dim][16 slots]
    float *q, *k;                      // [n_tokens, k_dim]
    float *query_scores, *key_scores;  // [n_tokens, kDeltaChunk]
};

// The same tokens and one value head; rows of v_pad are padded to whole 16s.
struct DeltaArgs {
    float* state;       // kept: [k_dim, v_pad], before the chunk
    float* changes;     // kept: [kDeltaChunk, v_pad]
    float* ages;        // kept: [kDeltaChunk] of the changes, then of the state 16 times
    const float* keys;  // from here on what DeltaKeysArgs left
    const float *q, *k, *query_scores, *key_scores;
    const float* v;                   // [n_tokens, v_pad]
    float* out;                       // [n_tokens, v_pad]
    const float *log_decays, *rates;  // [n_tokens]
    int64_t first, n_tokens;
    int64_t k_dim, v_pad;
};

// Latent attention of one token and one head: blocks hold [width][16], the first `rank` of width are values
// too.
struct LatentArgs {
    const float* q;  // [width]
    float* out;      // [rank]
    const float* const* blocks;
    int64_t end;        // visible positions [0, end)
    const float* mask;  // [end padded to 16], added to the scores: 0, or minus infinity; or null
    int width, rank;
    float softmax_scale;
    float* scratch;  // end padded to 16
};

// An indexer's scores of one query for every position; lanes beyond the end hold anything.
struct IndexArgs {
    const float* q;        // [n_heads, head_dim]
    const float* weights;  // [n_heads]
    const float* const* blocks;
    int64_t end;
    int n_heads, head_dim;
    float* scores;  // end padded to 16
};

struct CpuKernels {
    const char* isa;
    // Output panels [begin, end) of y = x W^T. Sum over columns: four partial sums by column mod 4, each in
    // order, joined as (s0 + s1) + (s2 + s3), times scale.
    void (*linear[kPanelKinds])(const LinearArgs* args, int64_t panel_begin, int64_t panel_end);
    // The fast forms, from the DotKernels that select.cpp joins to this table.
    const struct DotKernels* dots;
    void (*kv_store[kKvTypes])(const KvStoreArgs* args);
    void (*attend[kKvTypes])(const AttendArgs* args);
    void (*rms_norm)(float* y, const float* x, const float* gain, int64_t n, float eps);
    // Rotates the first 2 * n_pairs dimensions: pairs (i, i + n_pairs), or (2i, 2i + 1) when interleaved.
    void (*rope)(float* x, const float* cos, const float* sin, int64_t n_pairs, int interleaved);
    // y = f(gate) * up; `up` null: 1.
    void (*glu[kGluKinds])(float* y, const float* gate, const float* up, int64_t n, float limit);
    void (*attend_latent)(const LatentArgs* args);
    void (*index_scores)(const IndexArgs* args);
    void (*convolve)(const ConvolveArgs* args, int64_t channel_begin, int64_t channel_end);
    void (*delta_keys)(const DeltaKeysArgs* args);
    void (*delta_rule)(const DeltaArgs* args);
    void (*add)(float* y, const float* x, int64_t n);  // y += x
    // Reads n bytes (a multiple of 4096) as fast as one core can; the sum keeps the compiler honest.
    uint64_t (*read_bytes)(const uint8_t* data, int64_t n);
    // Runs n fused multiply-adds on 16 lanes in 12 independent chains; returns a value that depends on all.
    float (*fma_chains)(int64_t n);
};

// Products of weights with quantized activations: dot.inl and dot_bf16.inl state the orders of summation.
// Integer kinds give the same bits on every instruction set; BF16's are those of its own.
struct DotKernels {
    const char* isa;
    // Null where this instruction set has no dot products for a kind: `linear` serves it then.
    void (*dot[kPanelKinds])(const DotArgs* args, int64_t panel_begin, int64_t panel_end);
    // One row of n columns (a multiple of 32) to blocks; null where no kernel here reads the kind.
    void (*quantize[kActivationKinds])(const float* x, int64_t n, void* blocks);
    // Ceilings: n dot products of 64 bytes (64 x int8, 32 x BF16) on 16 lanes in independent chains; a value
    // that depends on all. Null where the instruction set has none.
    float (*int8_dot_chains)(int64_t n);
    float (*bf16_dot_chains)(int64_t n);
};

// One per instruction set; absent where this build lacks it (see select.h).
extern "C" {
extern const CpuKernels hearth_kernels_baseline;
extern const CpuKernels hearth_kernels_avx2;
extern const CpuKernels hearth_kernels_avx512;
extern const DotKernels hearth_dots_baseline;
extern const DotKernels hearth_dots_avx2;
extern const DotKernels hearth_dots_avxvnni;
extern const DotKernels hearth_dots_avx512;
extern const DotKernels hearth_dots_avx512vnni;
extern const DotKernels hearth_dots_avx512bf16;
}

}  // namespace hearth::kernels
