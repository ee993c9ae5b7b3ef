// models/tensor_names.cpp - the table of module names and the walk over their pieces.
#include "models/tensor_names.h"

#include <algorithm>

namespace hearth::models {
namespace {

constexpr ModuleNames kGlobal[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
};
constexpr std::string_view kHfLayers = "model.layers.", kGgufLayers = "blk.";
constexpr ModuleNames kLayer[] = {
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.gate", "ffn_gate_inp"},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
    {"mlp.experts.gate_proj", "ffn_gate_exps"},
    {"mlp.experts.up_proj", "ffn_up_exps"},
    {"mlp.experts.down_proj", "ffn_down_exps"},
    {"mlp.experts.gate_up_proj", "ffn_gate_up_exps"},
    {"eh_proj", "nextn.eh_proj"},
    {"enorm", "nextn.enorm"},
    {"hnorm", "nextn.hnorm"},
    {"shared_head.norm", "nextn.shared_head_norm"},
};

using Side = std::string_view ModuleNames::*;

// "MODULE.SUFFIX" with a known MODULE becomes "OTHER.SUFFIX"; an architecture's own rows come first, and may
// name whole tensors.
std::optional<std::string> mapped(std::string_view name, std::span<const ModuleNames> own,
                                  std::span<const ModuleNames> shared, Side from, Side to) {
    for (const ModuleNames& row : own)
        if (row.*from == name) return std::string(row.*to);
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot + 1 == name.size()) return std::nullopt;
    for (const auto& table : {own, shared})
        for (const ModuleNames& row : table)
            if (row.*from == name.substr(0, dot)) return std::string(row.*to).append(name.substr(dot));
    return std::nullopt;
}

std::optional<std::string> renamed(std::string_view name, std::string_view from_layers,
                                   std::string_view to_layers, std::span<const ModuleNames> own, Side from,
                                   Side to) {
    if (!name.starts_with(from_layers)) return mapped(name, own, kGlobal, from, to);
    const std::string_view rest = name.substr(from_layers.size());
    const std::size_t dot = rest.find('.');
    const std::string_view layer = rest.substr(0, dot);
    if (dot == std::string_view::npos || layer.empty() ||
        !std::all_of(layer.begin(), layer.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return std::nullopt;
    const auto tail = mapped(rest.substr(dot + 1), own, kLayer, from, to);
    if (!tail) return std::nullopt;
    return std::string(to_layers).append(layer).append(".").append(*tail);
}

}  // namespace

std::optional<std::string> gguf_tensor_name(std::string_view hf_name, std::span<const ModuleNames> modules) {
    return renamed(hf_name, kHfLayers, kGgufLayers, modules, &ModuleNames::hf, &ModuleNames::gguf);
}

std::optional<std::string> hf_tensor_name(std::string_view gguf_name, std::span<const ModuleNames> modules) {
    return renamed(gguf_name, kGgufLayers, kHfLayers, modules, &ModuleNames::gguf, &ModuleNames::hf);
}

std::optional<std::string_view> gguf_architecture(std::string_view hf_model_type) {
    if (hf_model_type == "llama" || hf_model_type == "mistral") return "llama";
    if (hf_model_type == "qwen3") return "qwen3";
    return std::nullopt;
}

bool gguf_permutes_qk(std::string_view architecture) {
    return architecture == "llama" || architecture == "ministral3";
}

bool is_qk_projection(std::string_view hf_name) {
    return hf_name.find(".self_attn.q_proj.") != std::string_view::npos ||
           hf_name.find(".self_attn.k_proj.") != std::string_view::npos;
}

}  // namespace hearth::models
