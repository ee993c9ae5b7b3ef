// models/arch/qwen3_moe.cpp - Qwen3 with experts in place of the MLP on most layers.
// Source: transformers, models/qwen3_moe/modeling_qwen3_moe.py.
#include <algorithm>

#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(int n_experts, read_count(config, "num_experts", 128, kExpertsMax));
    // transformers 5 saves the same number under this name.
    HEARTH_TRY(n_experts, read_count(config, "num_local_experts", n_experts, kExpertsMax));
    c.router.n_experts = n_experts;
    HEARTH_TRY(c.router.top_k, read_count(config, "num_experts_per_tok", 8, kExpertsMax));
    HEARTH_TRY(c.router.renormalise, config.boolean_or("norm_topk_prob", false));
    HEARTH_TRY(c.expert_d_ff, config.integer_or("moe_intermediate_size", 768, 1, kWidthMax));
    HEARTH_TRY_STATUS(read_sparse_steps(config, c));
    // A window of this family is on all layers.
    HEARTH_TRY(const bool sliding, config.boolean_or("use_sliding_window", false));
    if (!sliding) return {};
    HEARTH_TRY(c.window, read_count(config, "sliding_window", 4096, static_cast<int>(kContextMax)));
    c.sliding.assign(static_cast<std::size_t>(c.n_layers), true);
    return {};
}

Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    c.router.renormalise = true;  // the container has no key for it; every published model does
    return {};
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention_block(b, c, x, {.shape = attention_shape(c, b.layer()), .qk_norm = true});
    if (!c.is_sparse(b.layer())) return dense_block(b, c, x, {});
    const ValueId h = b.rms_norm("h", x, "post_attention_layernorm.weight");
    b.add(x, routed_experts(b, c, h, {}));
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_qwen3_moe;
const Architecture k_qwen3_moe = {.name = "qwen3_moe",
                                  .hf_class = "Qwen3MoeForCausalLM",
                                  .model_types = "qwen3_moe",
                                  .gguf_names = "qwen3moe",
                                  .kv_heads_default = 4,
                                  .read_hf = read_hf,
                                  .read_gguf = read_gguf,
                                  .build = build,
                                  .notes = "Qwen3 mixtures; dense layers among them"};

}  // namespace hearth::models
