// compress/recipe.h - which tensors are quantized, which stay and why, and which must share a tensor scale.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace hearth::compress {

// A glob over the whole name: '*' is any run of characters, everything else, the dot too, is itself.
bool glob_matches(std::string_view pattern, std::string_view name);

// Why the tensor stays as it is: a sentence fragment for people; empty when it is to be quantized. `name` is
// spelled as transformers does, with its suffix. `group`: weights that share a scale; rows must be multiples.
std::string kept_because(std::string_view name, DType dtype, const Shape& shape, std::int64_t group,
                         std::span<const std::string> keep_globs);

// Linears that serving engines fuse share one tensor scale: they have the same key, "<prefix>.qkv" for q, k
// and v, "<prefix>.gate_up" for gate and up (w1 and w3), "<prefix>.qkv_a" for q_a and kv_a. Others: their own
// name.
std::string fused_group(std::string_view name);

}  // namespace hearth::compress
