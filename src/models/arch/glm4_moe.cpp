// models/arch/glm4_moe.cpp - GLM-4.5 and 4.6: half of each head rotates, a sigmoid router with a correction
// of its choice, a shared expert, dense layers first. Source: transformers,
// models/glm4_moe/modeling_glm4_moe.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    c.output_bias = c.mlp_bias = false;
    HEARTH_TRY(c.qk_norm, config.boolean_or("use_qk_norm", false));
    return read_sigmoid_router(config, c,
                               {.n_experts = 128, .expert_d_ff = 1408, .scale = 1, .first_sparse = 1});
}

Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    drop_gguf_mtp(keys, c);
    c.qk_norm = keys.file().find("blk.0.attn_q_norm.weight") != nullptr;
    return read_gguf_router(keys, c);
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention_block(b, c, x, {.shape = attention_shape(c, b.layer()), .qk_norm = c.qk_norm});
    if (!c.is_sparse(b.layer())) return dense_block(b, c, x, {});
    const ValueId h = b.rms_norm("h", x, "post_attention_layernorm.weight");
    b.add(x, routed_experts(b, c, h, {.router_bias = "mlp.gate.e_score_correction_bias"}));
    b.add(x, mlp(b, c, h, {.module = "mlp.shared_experts", .d_ff = c.shared_expert_d_ff}));
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

constexpr ModuleNames kModules[] = {
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"post_attention_layernorm", "post_attention_norm"},
};

}  // namespace

extern const Architecture k_glm4_moe;
const Architecture k_glm4_moe = {.name = "glm4_moe",
                                 .hf_class = "Glm4MoeForCausalLM",
                                 .model_types = "glm4_moe",
                                 .gguf_names = "glm4moe",
                                 .kv_heads_default = 8,
                                 .eps_default = 1e-5,
                                 .partial_rotary_default = 0.5,
                                 .read_hf = read_hf,
                                 .read_gguf = read_gguf,
                                 .gguf_modules = kModules,
                                 .build = build,
                                 .draft_layer = layer,
                                 .notes = "GLM-4.5 and 4.6; multi-token prediction"};

}  // namespace hearth::models
