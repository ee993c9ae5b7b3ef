// models/blocks.h - the pieces of a layer that families share, and how their configs spell them.
#pragma once

#include <string_view>

#include "models/config_keys.h"
#include "models/program.h"

namespace hearth::models {

// The heads and the window that the config gives this layer.
AttentionShape attention_shape(const ModelConfig& c, int layer);

// x += o(attention(...)) after a norm, as Llama has it; tensors self_attn.{q,k,v,o}_proj.
struct AttentionBlock {
    int rope = 0;
    AttentionShape shape = {};
    bool qk_norm = false;         // self_attn.{q,k}_norm over each head, before RoPE
    std::string_view sinks = {};  // a tensor of one score a head
};
void attention_block(ProgramBuilder& b, const ModelConfig& c, ValueId x, const AttentionBlock& block);

// A gated MLP over h: down(activation(gate h) * up h); tensors MODULE.{gate,up,down}_proj.
struct Mlp {
    std::string_view module = "mlp";
    std::int64_t d_ff = 0;  // 0: the config's
    Activation activation = Activation::silu;
    float limit = 0;
};
ValueId mlp(ProgramBuilder& b, const ModelConfig& c, ValueId h, const Mlp& spec);
// x += mlp(norm x), the norm named post_attention_layernorm.
void dense_block(ProgramBuilder& b, const ModelConfig& c, ValueId x, const Mlp& spec);

// Experts over h, chosen by the linear `router`.
struct RoutedExperts {
    std::string_view router = "mlp.gate", experts = "mlp.experts";
    std::string_view router_bias = {};  // full name; corrects the choice alone
    bool router_has_bias = false;       // of the linear
    bool expert_bias = false;
    Activation activation = Activation::silu;
    float limit = 0;
};
ValueId routed_experts(ProgramBuilder& b, const ModelConfig& c, ValueId h, const RoutedExperts& spec);

// Qwen2 and 3: use_sliding_window, from layer max_window_layers on.
Status read_qwen_window(const JsonCursor& config, ModelConfig& c);
// Qwen: every decoder_sparse_step-th layer has experts, but those of mlp_only_layers.
Status read_sparse_steps(const JsonCursor& config, ModelConfig& c);
// GGUF: layers that have a router.
void find_sparse_layers(const formats::Gguf& file, ModelConfig& c);

}  // namespace hearth::models
