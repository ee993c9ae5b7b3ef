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
    AttentionShape shape = {};
    bool qk_norm = false;             // self_attn.{q,k}_norm over each head, before RoPE
    std::string_view sinks = {};      // a tensor of one score a head
    std::string_view post_norm = {};  // over what the output matrix gives
};
// All of a model whose layers are that and a SwiGLU MLP: Llama and its kin.
Program llama_program(const ModelConfig& c);
void attention_block(ProgramBuilder& b, const ModelConfig& c, ValueId x, const AttentionBlock& block);

// A gated MLP over h: down(activation(gate h) * up h); tensors MODULE.{gate,up,down}_proj.
struct Mlp {
    std::string_view module = "mlp";
    std::int64_t d_ff = 0;  // 0: the config's
    Activation activation = Activation::silu;
    float limit = 0;
};
ValueId mlp(ProgramBuilder& b, const ModelConfig& c, ValueId h, const Mlp& spec);
// x += mlp(norm x), and a second norm over the MLP's output where it is named.
void dense_block(ProgramBuilder& b, const ModelConfig& c, ValueId x, const Mlp& spec,
                 std::string_view norm = "post_attention_layernorm.weight", std::string_view post_norm = {});
// The rope of this layer: decoder() has made them.
inline int rope_of(const ModelConfig& c, int layer) { return c.local_rope && c.window_of(layer) > 0 ? 1 : 0; }

// Experts over h, chosen by the linear `router`.
struct RoutedExperts {
    std::string_view router = "mlp.gate", experts = "mlp.experts";
    std::string_view router_bias = {};  // full name; corrects the choice alone
    bool router_has_bias = false;       // of the linear
    bool expert_bias = false;
    bool gated = true;
    Activation activation = Activation::silu;
    float limit = 0;  // clamps in the activation; 0: the config's for all layers
};
ValueId routed_experts(ProgramBuilder& b, const ModelConfig& c, ValueId h, const RoutedExperts& spec);

// Qwen2 and 3: use_sliding_window, from layer max_window_layers on.
Status read_qwen_window(const JsonCursor& config, ModelConfig& c);
// Qwen: every decoder_sparse_step-th layer has experts, but those of mlp_only_layers.
Status read_sparse_steps(const JsonCursor& config, ModelConfig& c);
// DeepSeek, GLM: a sigmoid router with groups, shared experts, dense layers first.
struct SigmoidRouterDefaults {
    int n_experts = 256;
    std::int64_t expert_d_ff = 2048;
    double scale = 2.5;
    int first_sparse = 3;
    int n_groups = 1, groups_kept = 1;
};
Status read_sigmoid_router(const JsonCursor& config, ModelConfig& c, const SigmoidRouterDefaults& defaults);
// DeepSeek and GLM-5: latent attention, with an indexer where the config has one; then the MLP or the experts
// with a shared one beside them.
Status read_hf_latent(const JsonCursor& config, ModelConfig& c, const ModelConfig::Latent& defaults);
Status read_gguf_latent(const GgufKeys& keys, ModelConfig& c);
void latent_block(ProgramBuilder& b, const ModelConfig& c, ValueId x);
void feed_forward_with_shared(ProgramBuilder& b, const ModelConfig& c, ValueId x);
// x += experts + sigmoid(gate h) * shared expert, over h = norm x (Qwen3-Next and 3.5).
void sparse_block_with_shared(ProgramBuilder& b, const ModelConfig& c, ValueId x);
// Qwen3-Next and 3.5: a gated delta rule in place of attention, and attention with a gate on its output.
void delta_or_attention_block(ProgramBuilder& b, const ModelConfig& c, ValueId x);
Status read_hf_shared_expert(const JsonCursor& config, ModelConfig& c, int n_experts, int top_k);
Status read_hf_linear(const JsonCursor& config, ModelConfig& c);
Status read_gguf_linear(const GgufKeys& keys, ModelConfig& c);
// BERT and nomic-embed: the table of token types; every position sees every other.
Status read_gguf_encoder(const GgufKeys& keys, ModelConfig& c);
// GGUF: the router's keys; layers that have a router are sparse.
Status read_gguf_router(const GgufKeys& keys, ModelConfig& c);
void find_sparse_layers(const formats::Gguf& file, ModelConfig& c);
// GGUF counts layers of multi-token prediction among the others; they come last, and apart here.
void drop_gguf_mtp(const GgufKeys& keys, ModelConfig& c);

}  // namespace hearth::models
