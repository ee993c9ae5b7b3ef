// quant/nvfp4_tensor.h - a whole weight in NVFP4: E2M1 codes, an E4M3 scale a group of 16, one float32 scale.
// Encoding, decoding, and the way between the Hugging Face layout and GGUF's blocks, exact both ways.
// Sources: ModelOpt's checkpoints and nvfp4_tensor.py; ggml-common.h's block_nvfp4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace hearth::quant {

inline constexpr std::int64_t kNvfp4Group = 16;      // weights that share a scale; rows are multiples of it
inline constexpr std::int64_t kNvfp4GgufBlock = 64;  // weights of a GGUF block; rows are multiples of it

// The Hugging Face layout: w[o][k] = e2m1(code) * e4m3(scales[o][k / 16]) * tensor_scale.
struct Nvfp4Tensor {
    std::int64_t n_rows = 0, n_cols = 0;
    std::span<const std::uint8_t> codes;   // [n_rows, n_cols / 2]: the low nibble is the even element
    std::span<const std::uint8_t> scales;  // [n_rows, n_cols / 16], E4M3
    float tensor_scale = 1;                // ModelOpt's weight_scale_2; 1 / weight_global_scale
};

// The largest magnitude; infinity or NaN when the weights hold one.
float largest_magnitude(std::span<const float> weights);

// amax / (6 * 448): the largest weight gets the largest code under the largest scale. `amax` is that of the
// whole fused group (q, k and v; gate and up), since runtimes that fuse keep one scale. For 0: that of
// amax 1.
float nvfp4_tensor_scale(float amax);

enum class ScaleChoice {
    nearest,        // amax / 6 of the group, rounded: what ModelOpt's "max" calibration writes
    squared_error,  // the best of the E4M3 codes from 4 below that one to 5 above
};

// Encodes rows; the weights are finite. Codes are chosen against the rounded scale. A group of zeros gets the
// scale 1, as ModelOpt writes it. Returns the sum of squared errors. Rows are independent: callers may split
// them among threads, and the result is the same.
double nvfp4_encode_rows(const float* weights, std::int64_t n_rows, std::int64_t n_cols, float tensor_scale,
                         ScaleChoice choice, std::uint8_t* codes, std::uint8_t* scales);

// One row as float32, in the order of operations that compressed-tensors and vLLM use: code * (scale *
// tensor).
void nvfp4_decode_row(const Nvfp4Tensor& tensor, std::int64_t row, float* out);

// Hugging Face layout to GGUF blocks; `blocks` has n_rows * n_cols / 64 * 36 bytes. The tensor scale goes
// beside them, into `<name>.scale`. Errors: unsupported (n_cols no multiple of 64), corrupt (sizes that do
// not fit; a block scale that is negative or NaN, which GGUF would read as another number).
Status nvfp4_to_gguf(const Nvfp4Tensor& tensor, std::span<std::byte> blocks);

// The way back. Errors: corrupt (sizes).
Status nvfp4_from_gguf(std::span<const std::byte> blocks, std::int64_t n_rows, std::int64_t n_cols,
                       std::span<std::uint8_t> codes, std::span<std::uint8_t> scales);

}  // namespace hearth::quant
