// models/arch/qwen3_5.cpp - Qwen3.5 and 3.6, dense: gated delta rules and gated attention by turns.
// Source: transformers, models/qwen3_5/modeling_qwen3_5.py.
#include "models/arch/qwen3_5_modules.h"
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    delta_or_attention_block(b, c, x);
    dense_block(b, c, x, {});
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_qwen3_5;
const Architecture k_qwen3_5 = {.name = "qwen3_5",
                                .hf_class = "Qwen3_5ForCausalLM",
                                .model_types = "qwen3_5 qwen3_5_text",
                                .gguf_names = "qwen35",
                                .head_dim_default = 256,
                                .kv_heads_default = 4,
                                .partial_rotary_default = 0.25,
                                .norm_plus = 1,
                                .read_hf = read_hf_linear,
                                .read_gguf = read_gguf_linear,
                                .gguf_modules = kQwen35Modules,
                                .build = build,
                                .draft_layer = layer,
                                .draft_prefix = "mtp.layers.",
                                .draft_modules = kQwenDraftModules,
                                .notes = "text part of dense Qwen3.5 and 3.6; multi-token prediction"};

}  // namespace hearth::models
