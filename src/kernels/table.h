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

// Weights are kept in panels of 16 output rows, interleaved so that one load brings one input column of
// all 16. pack.h makes them from the formats of files; a panel's blocks are described there.
enum PanelKind : int {
    kPanelF32,
    kPanelBf16,
    kPanelF16,
    kPanelFp8,
    kPanelQ8_0,
    kPanelQ4_0,
    kPanelQ4_K,
    kPanelQ6_K,
    kPanelMxfp4,
    kPanelNvfp4,
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
    float* scratch;         // 2 panels as float32: 2 * 16 * cols
};

// Keys and values of one layer live in blocks of 16 positions.
//   keys   [n_kv_heads][head_dim][16]      transposed: one load brings one dimension of 16 positions
//   values [n_kv_heads][16][head_dim_pad]  head_dim_pad: head_dim rounded up to 16
inline constexpr int kKvBlockTokens = 16;

struct AttendArgs {
    const float* q;                  // [heads_per_kv, head_dim] of one token, after norm and RoPE
    float* out;                      // [heads_per_kv, head_dim]
    const float* const* key_blocks;  // block i holds positions 16 i ..; each points at this KV head's part
    const float* const* value_blocks;
    int64_t begin, end;  // visible positions [begin, end), begin < end
    int heads_per_kv, head_dim, head_dim_pad;
    float softmax_scale;
    const float* sinks;  // [heads_per_kv]: a score that joins each softmax's sum and brings no value; or null
    float* scratch;      // scores: end rounded up to 16, and head_dim_pad more
};

// Gated activations. kGluClamped is gpt-oss's (g min limit) sigmoid(1.702 g) (clamp(up) + 1); kGluSilu with a
// limit is Step's min(silu(g), limit) clamp(up), without one SwiGLU.
enum GluKind : int { kGluSilu, kGluGeluTanh, kGluGeluErf, kGluClamped, kGluSigmoid, kGluKinds };

struct CpuKernels {
    const char* isa;
    // Output panels [begin, end) of y = x W^T. Sum over columns: four partial sums by column mod 4, each in
    // order, joined as (s0 + s1) + (s2 + s3), times scale.
    void (*linear[kPanelKinds])(const LinearArgs* args, int64_t panel_begin, int64_t panel_end);
    void (*attend)(const AttendArgs* args);
    void (*rms_norm)(float* y, const float* x, const float* gain, int64_t n, float eps);
    // Rotates the first 2 * n_pairs dimensions: pairs (i, i + n_pairs), or (2i, 2i + 1) when interleaved.
    void (*rope)(float* x, const float* cos, const float* sin, int64_t n_pairs, int interleaved);
    // y = f(gate) * up; `up` null: 1.
    void (*glu[kGluKinds])(float* y, const float* gate, const float* up, int64_t n, float limit);
    void (*add)(float* y, const float* x, int64_t n);  // y += x
    // Reads n bytes (a multiple of 4096) as fast as one core can; the sum keeps the compiler honest.
    uint64_t (*read_bytes)(const uint8_t* data, int64_t n);
    // Runs n fused multiply-adds on 16 lanes in 12 independent chains; returns a value that depends on all.
    float (*fma_chains)(int64_t n);
};

// One per instruction set; null where this build or machine lacks it (see select.h).
extern "C" {
extern const CpuKernels hearth_kernels_baseline;
extern const CpuKernels hearth_kernels_avx2;
extern const CpuKernels hearth_kernels_avx512;
}

}  // namespace hearth::kernels
