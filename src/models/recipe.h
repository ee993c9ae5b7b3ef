// models/recipe.h - which tensors are quantized to NVFP4, which stay, and why: the quantizer's table and the
// planner's.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace hearth::models {

// A glob over the whole name: '*' is any run of characters, everything else, the dot too, is itself.
bool glob_matches(std::string_view pattern, std::string_view name);

// Why the tensor stays as it is: a sentence fragment for people; empty when it is to be quantized. `name` is
// spelled as transformers does, with its suffix. `group`: weights that share a scale; rows must be multiples.
std::string kept_because(std::string_view name, DType dtype, const Shape& shape, std::int64_t group,
                         std::span<const std::string> keep_globs);

}  // namespace hearth::models
