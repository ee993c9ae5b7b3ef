// models/arch/ministral3.cpp - Ministral 3 and Devstral 2: Mistral without a window, YaRN, and queries that
// grow with the logarithm of their position. Source: transformers, models/ministral3/modeling_ministral3.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    c.attention_bias = c.output_bias = c.mlp_bias = false;
    HEARTH_TRY(c.window, read_count(config, "sliding_window", INT32_MAX, INT32_MAX));
    if (c.window == INT32_MAX) c.window = 0;
    c.sliding.assign(static_cast<std::size_t>(c.n_layers), c.window > 0);
    const auto rope = config.find("rope_parameters");
    if (!rope) {  // the class default
        c.rope = {
            .theta = 1e6, .scaling = RopeConfig::Scaling::yarn, .factor = 16, .original_context = 16384};
        c.query_scale_beta = 0.1;
        c.query_scale_period = 16384;
        return {};
    }
    HEARTH_TRY(c.query_scale_beta, rope->number_or("llama_4_scaling_beta", 0));
    HEARTH_TRY(c.query_scale_period, rope->number_or("original_max_position_embeddings", 16384));
    if (!(c.query_scale_period >= 1) || !(c.query_scale_beta >= 0))
        return fail(Fault::out_of_range, "{}: expected a positive scale of queries, saw {} over {} positions",
                    rope->where(), c.query_scale_beta, c.query_scale_period);
    return {};
}

Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY(c.query_scale_beta, keys.number_or("attention.temperature_scale", 0));
    c.query_scale_period = c.rope.original_context;
    return {};
}

}  // namespace

extern const Architecture k_ministral3;
const Architecture k_ministral3 = {.name = "ministral3",
                                   .hf_class = "Ministral3ForCausalLM",
                                   .model_types = "ministral3 mistral3",
                                   .gguf_names = "mistral3",
                                   .head_dim_default = 128,
                                   .kv_heads_default = 8,
                                   .eps_default = 1e-5,
                                   .theta_default = 1e6,
                                   .read_hf = read_hf,
                                   .read_gguf = read_gguf,
                                   .build = llama_program,
                                   .notes = "Ministral 3 and Devstral 2; YaRN"};

}  // namespace hearth::models
