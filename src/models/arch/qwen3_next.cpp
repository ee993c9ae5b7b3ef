// models/arch/qwen3_next.cpp - Qwen3-Next: gated delta rules and gated attention by turns, experts with a
// shared one beside them. Source: transformers, models/qwen3_next/modeling_qwen3_next.py.
#include "models/arch/qwen3_5_modules.h"
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_hf_linear(config, c));
    c.linear.grouped = c.linear.grouped_rates = true;
    HEARTH_TRY_STATUS(read_hf_shared_expert(config, c, 512, 10));
    HEARTH_TRY(c.router.renormalise, config.boolean_or("norm_topk_prob", true));
    return read_sparse_steps(config, c);
}

// The converter ungroups queries, keys, values and gates, which older files still have in one matrix, but not
// the rates.
Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_gguf_linear(keys, c));
    c.linear.tiled = false;
    c.linear.grouped_rates = true;
    for (int i = 0; i < c.n_layers; ++i)
        c.linear.grouped |= keys.has_tensor(fmt::format("blk.{}.ssm_in.weight", i));
    HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    c.router.renormalise = true;
    return {};
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    delta_or_attention_block(b, c, x);
    if (c.is_sparse(b.layer()))
        sparse_block_with_shared(b, c, x);
    else
        dense_block(b, c, x, {});
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_qwen3_next;
const Architecture k_qwen3_next = {.name = "qwen3_next",
                                   .hf_class = "Qwen3NextForCausalLM",
                                   .model_types = "qwen3_next",
                                   .gguf_names = "qwen3next",
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
                                   .notes = "Qwen3-Next and Coder-Next; multi-token prediction"};

}  // namespace hearth::models
