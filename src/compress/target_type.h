// compress/target_type.h - the names that `quantize --type` takes, and the type that each tensor gets.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace hearth::compress {

struct TargetType {
    std::string_view name;
    DType dtype;       // of what is quantized, exceptions of the mix aside
    bool mix = false;  // llama.cpp's Q4_K_M: Q6_K where it matters most
};
std::span<const TargetType> target_types();
std::optional<TargetType> target_type_from_name(std::string_view name);
std::string target_type_names();  // "nvfp4, q8_0, ... or q4_k_m"

// general.file_type: the numbers of the gguf package's LlamaFileType; those of the plain mixes for types that
// have no number of their own.
std::uint32_t gguf_file_type(DType type, bool mix = false);

// What llama.cpp writes instead where rows are no multiple of the type's block of 256: a type of blocks of 32
// (src/llama-quant.cpp, tensor_type_fallback). The type itself when it needs none.
DType fallback_for_rows(DType type, std::int64_t n_cols);

// The mix Q4_K_M (src/llama-quant.cpp): Q6_K for the head, and for values and down projections of the first
// and last eighth of the layers and every third between them; Q4_K for the rest. `gguf_name`:
// "blk.3.attn_v.weight". `tied`: no output tensor of its own, so that the embedding is the head.
DType type_in_mix(std::string_view gguf_name, std::int64_t n_layers, bool tied);
// The layer of "blk.N.*"; nothing for other names.
std::optional<std::int64_t> layer_of(std::string_view gguf_name);

}  // namespace hearth::compress
