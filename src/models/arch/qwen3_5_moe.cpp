// models/arch/qwen3_5_moe.cpp - Qwen3.5 and 3.6 with experts: gated delta rules and gated attention by turns.
// Source: transformers, models/qwen3_5_moe/modeling_qwen3_5_moe.py.
#include "models/arch/qwen3_5_modules.h"
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_hf_linear(config, c));
    HEARTH_TRY_STATUS(read_hf_shared_expert(config, c, 256, 8));
    c.sparse.assign(static_cast<std::size_t>(c.n_layers), true);
    return {};
}

Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_gguf_linear(keys, c));
    HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    c.router.renormalise = true;
    return {};
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    delta_or_attention_block(b, c, x);
    sparse_block_with_shared(b, c, x);
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_qwen3_5_moe;
const Architecture k_qwen3_5_moe = {.name = "qwen3_5_moe",
                                    .hf_class = "Qwen3_5MoeForCausalLM",
                                    .model_types = "qwen3_5_moe qwen3_5_moe_text",
                                    .gguf_names = "qwen35moe",
                                    .head_dim_default = 256,
                                    .kv_heads_default = 2,
                                    .partial_rotary_default = 0.25,
                                    .norm_plus = 1,
                                    .read_hf = read_hf,
                                    .read_gguf = read_gguf,
                                    .gguf_modules = kQwen35Modules,
                                    .build = build,
                                    .draft_layer = layer,
                                    .draft_prefix = "mtp.layers.",
                                    .draft_modules = kQwenDraftModules,
                                    .notes = "text part of Qwen3.5 and 3.6 mixtures; multi-token prediction"};

}  // namespace hearth::models
