// models/arch/deepseek_v3.cpp - DeepSeek V3: latent attention, a sigmoid router with groups, a shared expert,
// dense layers first. Source: transformers, models/deepseek_v3/modeling_deepseek_v3.py.
#include "models/arch/latent_modules.h"
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY_STATUS(
        read_hf_latent(config, c, {.q_rank = 1536, .kv_rank = 512, .nope = 128, .rope = 64, .v_dim = 128}));
    return read_sigmoid_router(config, c, {.n_groups = 8, .groups_kept = 4});
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    latent_block(b, c, x);
    feed_forward_with_shared(b, c, x);
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_deepseek_v3;
const Architecture k_deepseek_v3 = {.name = "deepseek_v3",
                                    .hf_class = "DeepseekV3ForCausalLM",
                                    .model_types = "deepseek_v3",
                                    .gguf_names = "deepseek2",
                                    .read_hf = read_hf,
                                    .read_gguf = read_gguf_latent,
                                    .gguf_modules = kLatentModules,
                                    .build = build,
                                    .draft_layer = layer,
                                    .notes = "latent attention, absorbed; multi-token prediction"};

}  // namespace hearth::models
