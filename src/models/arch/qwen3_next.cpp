// models/arch/qwen3_next.cpp - Qwen3-Next: gated delta rules and gated attention by turns, experts with a
// shared one beside them. Source: transformers, models/qwen3_next/modeling_qwen3_next.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_hf_linear(config, c));
    HEARTH_TRY(c.router.n_experts, read_count(config, "num_experts", 512, kExpertsMax));
    HEARTH_TRY(c.router.n_experts, read_count(config, "num_local_experts", c.router.n_experts, kExpertsMax));
    HEARTH_TRY(c.router.top_k, read_count(config, "num_experts_per_tok", 10, kExpertsMax));
    HEARTH_TRY(c.expert_d_ff, config.integer_or("moe_intermediate_size", 512, 1, kWidthMax));
    HEARTH_TRY(c.shared_expert_d_ff, config.integer_or("shared_expert_intermediate_size", 512, 1, kWidthMax));
    HEARTH_TRY(c.router.renormalise, config.boolean_or("norm_topk_prob", true));
    return read_sparse_steps(config, c);
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    if (c.linear.layers[static_cast<std::size_t>(b.layer())])
        delta_block(b, c, x, true);
    else
        gated_attention_block(b, c, x);
    if (c.is_sparse(b.layer()))
        sparse_block_with_shared(b, c, x);
    else
        dense_block(b, c, x, {});
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_qwen3_next;
const Architecture k_qwen3_next = {
    .name = "qwen3_next",
    .hf_class = "Qwen3NextForCausalLM",
    .model_types = "qwen3_next",
    .gguf_names = "",
    .head_dim_default = 256,
    .kv_heads_default = 2,
    .partial_rotary_default = 0.25,
    .norm_plus = 1,
    .read_hf = read_hf,
    .build = build,
    .notes = "Qwen3-Next and Coder-Next; multi-token prediction is left aside"};

}  // namespace hearth::models
