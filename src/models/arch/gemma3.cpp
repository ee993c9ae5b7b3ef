// models/arch/gemma3.cpp - Gemma 3: four norms a layer that multiply by 1 + w, GeGLU, five layers with a
// window to one without, each kind with its own rotation, scaled embeddings. Source: transformers,
// models/gemma3/modeling_gemma3.py.
#include <algorithm>
#include <cmath>

#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

void finish_config(ModelConfig& c) { c.embedding_scale = std::sqrt(static_cast<double>(c.d_model)); }

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    // The full layers' rotation keeps the outer keys of older files; layers with a window have their own
    // base.
    HEARTH_TRY(c.rope, read_hf_rope(config, 1e6, 1, "full_attention"));
    HEARTH_TRY(const double local_theta, config.number_or("rope_local_base_freq", 10000));
    RopeConfig local;
    local.theta = local_theta;
    if (const auto nested = config.find("rope_parameters"))
        if (nested->find("sliding_attention")) {
            HEARTH_TRY(local, read_hf_rope(config, local_theta, 1, "sliding_attention"));
        }
    c.local_rope = local;
    HEARTH_TRY(c.window, read_count(config, "sliding_window", 4096, static_cast<int>(kContextMax)));
    HEARTH_TRY(const int pattern, read_count(config, "sliding_window_pattern", 6, kLayersMax));
    HEARTH_TRY_STATUS(read_sliding(config, c, [pattern](int layer) { return (layer + 1) % pattern != 0; }));
    HEARTH_TRY(const double scalar, config.number_or("query_pre_attn_scalar", 256));
    if (!(scalar > 0))
        return fail(Fault::out_of_range, "{}/query_pre_attn_scalar: expected a positive number, saw {}",
                    config.where(), scalar);
    c.query_scale = 1 / std::sqrt(scalar);
    // The class with a vision tower leaves it out.
    if (!c.has_other_towers) {
        HEARTH_TRY(c.final_softcap, config.number_or("final_logit_softcapping", 0));
    }
    c.mlp_bias = false;
    // EmbeddingGemma: half of the window on each side.
    HEARTH_TRY(c.bidirectional, config.boolean_or("use_bidirectional_attention", false));
    if (c.bidirectional) c.window = std::max(1, c.window / 2);
    c.headless = c.bidirectional;
    finish_config(c);
    return {};
}

Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY(const std::int64_t window, keys.integer("attention.sliding_window", kContextMax));
    c.window = static_cast<int>(window);
    HEARTH_TRY(const std::string name, keys.file().string("general.architecture"));
    if (name == "gemma-embedding") {  // half of the window on each side
        c.bidirectional = c.headless = true;
        c.window = std::max(1, c.window / 2);
    }
    for (int i = 0; i < c.n_layers; ++i) c.sliding.push_back((i + 1) % 6 != 0);
    RopeConfig local;
    HEARTH_TRY(local.theta, keys.number_or("rope.freq_base_swa", 10000));
    c.local_rope = local;
    // The 27B scales queries by the width a head would have; the container does not say so.
    if (c.n_layers == 62) c.query_scale = 1 / std::sqrt(static_cast<double>(c.d_model / c.n_heads));
    HEARTH_TRY(c.final_softcap, keys.number_or("final_logit_softcapping", 0));
    finish_config(c);
    return {};
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention_block(b, c, x,
                    {.shape = attention_shape(c, b.layer()),
                     .qk_norm = true,
                     .post_norm = "post_attention_layernorm.weight"});
    dense_block(b, c, x, {.activation = Activation::gelu_tanh}, "pre_feedforward_layernorm.weight",
                "post_feedforward_layernorm.weight");
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

constexpr ModuleNames kModules[] = {
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
};

}  // namespace

extern const Architecture k_gemma3;
const Architecture k_gemma3 = {.name = "gemma3",
                               .hf_class = "Gemma3ForCausalLM",
                               .model_types = "gemma3_text gemma3",
                               .gguf_names = "gemma3 gemma-embedding",
                               .head_dim_default = 256,
                               .kv_heads_default = 4,
                               .tied_default = true,
                               .norm_plus = 1,
                               .activation_key = "hidden_activation",
                               .activation = "gelu_pytorch_tanh",
                               .read_hf = read_hf,
                               .read_gguf = read_gguf,
                               .gguf_modules = kModules,
                               .build = build,
                               .notes = "text part; windows, two rotations; EmbeddingGemma"};

}  // namespace hearth::models
