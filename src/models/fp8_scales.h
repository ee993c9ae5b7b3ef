// models/fp8_scales.h - the numbers beside FP8 codes that multiply them: one, one a row or one a block.
// Files call them weight_scale or, though they multiply, weight_scale_inv.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tensor/view.h"

namespace hearth::models {

struct ScaleBlock {
    std::int64_t rows = 128, cols = 128;
    bool operator==(const ScaleBlock& other) const = default;
};

// What config.json's quantization_config says of blocks: weight_block_size (DeepSeek's, transformers') or
// the block_structure of compressed-tensors' groups; 128 x 128 where it says nothing. Errors: out_of_range (a
// size of 0), corrupt, unsupported (groups with blocks of different sizes).
Result<ScaleBlock> read_scale_block(const JsonCursor& quantization);

// How the scales of a weight [rows, cols], or of a stack of such, are shared: a whole matrix for one number,
// 1 x cols for one a row, else `configured`, whose last blocks may be cut. Errors: corrupt (a type that is no
// float's, a shape that fits none of these).
Result<ScaleBlock> scale_block_of(std::string_view name, const TensorView& scales, const Shape& weight,
                                  ScaleBlock configured);

struct Fp8Scales {
    std::vector<float> values;  // one, or [matrices, blocks of rows, blocks of columns]; empty: none
    ScaleBlock block;
};
// Numbers of scales that scale_block_of has taken.
Fp8Scales scale_numbers(const TensorView& scales, ScaleBlock block);
// Both, and a check of each number. Errors: corrupt (also a number that is negative, infinite or NaN).
Result<Fp8Scales> read_fp8_scales(std::string_view name, const TensorView& scales, const Shape& weight,
                                  ScaleBlock configured);

// Codes of a row of `weight` become its values: each is rounded once, to float32.
void multiply_row(const Fp8Scales& scales, const Shape& weight, std::int64_t row, std::span<float> codes);

}  // namespace hearth::models
