// models/arch/gpt_oss.cpp - gpt-oss: sinks in every softmax, a window on every other layer, and experts with
// biases and a clamped SwiGLU; published experts are MXFP4. Source: transformers,
// models/gpt_oss/modeling_gpt_oss.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(c.attention_bias, config.boolean_or("attention_bias", true));
    c.output_bias = c.attention_bias;
    HEARTH_TRY(c.window, read_count(config, "sliding_window", 128, static_cast<int>(kContextMax)));
    HEARTH_TRY_STATUS(read_sliding(config, c, [](int layer) { return layer % 2 == 0; }));
    if (!config.find("rope_parameters") && !config.find("rope_scaling")) {  // the class default
        c.rope.scaling = RopeConfig::Scaling::yarn;
        c.rope.factor = 32;
        c.rope.original_context = 4096;
        c.rope.truncate = false;
        c.rope.attention_factor = yarn_mscale(32, 1);
    }
    c.router.scoring = RouterConfig::Scoring::softmax_of_chosen;
    HEARTH_TRY(c.router.n_experts, read_count(config, "num_local_experts", 128, kExpertsMax));
    HEARTH_TRY(c.router.top_k, read_count(config, "num_experts_per_tok", 4, kExpertsMax));
    HEARTH_TRY(const double alpha, config.number_or("swiglu_alpha", 1.702));
    HEARTH_TRY(const double limit, config.number_or("swiglu_limit", 7));
    if (alpha != 1.702 || !(limit > 0))
        return fail(Fault::unsupported,
                    "{}: expected swiglu_alpha 1.702 and a positive swiglu_limit, saw {} and {}",
                    config.where(), alpha, limit);
    c.expert_limit = static_cast<float>(limit);
    c.expert_d_ff = c.d_ff;
    c.experts_interleaved = true;
    c.sparse.assign(static_cast<std::size_t>(c.n_layers), true);
    return {};
}

Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    c.router.scoring = RouterConfig::Scoring::softmax_of_chosen;
    c.expert_limit = 7;  // the container has no key for it
    if (c.rope.scaling == RopeConfig::Scaling::yarn) c.rope.truncate = false;
    HEARTH_TRY(const std::int64_t window, keys.integer("attention.sliding_window", kContextMax));
    c.window = static_cast<int>(window);
    for (int i = 0; i < c.n_layers; ++i) c.sliding.push_back(i % 2 == 0);
    return {};
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention_block(b, c, x, {.shape = attention_shape(c, b.layer()), .sinks = "self_attn.sinks"});
    const ValueId h = b.rms_norm("h", x, "post_attention_layernorm.weight");
    b.add(x, routed_experts(b, c, h,
                            {.router = "mlp.router",
                             .router_has_bias = true,
                             .expert_bias = true,
                             .activation = Activation::clamped_swiglu}));
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

constexpr ModuleNames kModules[] = {
    {"self_attn.sinks", "attn_sinks.weight"},
    {"mlp.router", "ffn_gate_inp"},
    {"post_attention_layernorm", "post_attention_norm"},
};

}  // namespace

extern const Architecture k_gpt_oss;
const Architecture k_gpt_oss = {.name = "gpt_oss",
                                .hf_class = "GptOssForCausalLM",
                                .model_types = "gpt_oss",
                                .gguf_names = "gpt-oss",
                                .head_dim_default = 64,
                                .kv_heads_default = 8,
                                .eps_default = 1e-5,
                                .theta_default = 150000,
                                .read_hf = read_hf,
                                .read_gguf = read_gguf,
                                .gguf_modules = kModules,
                                .build = build,
                                .notes = "sinks, windows, MXFP4 experts"};

}  // namespace hearth::models
