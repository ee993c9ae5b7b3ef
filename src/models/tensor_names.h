// models/tensor_names.h - one tensor, two names: Hugging Face's and GGUF's.
// Sources: the checkpoints' own names; GGUF's from the gguf package (constants.py, tensor_mapping.py).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hearth::models {

// "model.layers.3.self_attn.q_proj.weight" <-> "blk.3.attn_q.weight". What follows the module's name
// (".weight",
// ".bias", ".scale") is kept. Nothing when the name belongs to neither family.
// `modules`: pairs of one architecture that come before the shared ones; those of a layer without
// "layers.N.".
struct ModuleNames {
    std::string_view hf, gguf;
};
std::optional<std::string> gguf_tensor_name(std::string_view hf_name,
                                            std::span<const ModuleNames> modules = {});
std::optional<std::string> hf_tensor_name(std::string_view gguf_name,
                                          std::span<const ModuleNames> modules = {});

// GGUF's architecture for a Hugging Face model_type: "llama" (also for mistral), "qwen3"; nothing when
// unmapped.
std::optional<std::string_view> gguf_architecture(std::string_view hf_model_type);

// In GGUF files of this architecture the rows of attn_q and attn_k (weight and bias) are reordered within
// each head, so that RoPE turns neighbours (2i, 2i + 1) instead of halves (i, i + head_dim / 2).
bool gguf_permutes_qk(std::string_view architecture);
bool is_qk_projection(std::string_view hf_name);  // of q or k: weight or bias

// The Hugging Face row that a permuted GGUF holds at `gguf_row`, and the way back. Rows are those of q or k.
inline std::int64_t hf_row_of_permuted(std::int64_t gguf_row, std::int64_t head_dim) {
    const std::int64_t r = gguf_row % head_dim;
    return gguf_row - r + r % 2 * (head_dim / 2) + r / 2;
}
inline std::int64_t permuted_row_of_hf(std::int64_t hf_row, std::int64_t head_dim) {
    const std::int64_t r = hf_row % head_dim, half = head_dim / 2;
    return hf_row - r + r % half * 2 + r / half;
}

}  // namespace hearth::models
