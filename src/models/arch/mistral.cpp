// models/arch/mistral.cpp - Mistral and Ministral (2024): Llama without biases, and a window on every layer
// unless the config takes it away. GGUF files of these say "llama". Sources: transformers,
// models/mistral/modeling_mistral.py and models/ministral/modeling_ministral.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    c.attention_bias = c.output_bias = c.mlp_bias = false;
    c.window = 4096;  // the class default when the key is absent; null means none
    if (const auto window = config.at("sliding_window"); window && window->is_null()) {
        c.window = 0;
    } else {
        HEARTH_TRY(c.window, read_count(config, "sliding_window", c.window, static_cast<int>(kContextMax)));
    }
    HEARTH_TRY(const std::string type, config.string_or("model_type", "mistral"));
    const bool all = c.window > 0;
    if (type == "ministral") return read_sliding(config, c, [all](int) { return all; });
    c.sliding.assign(static_cast<std::size_t>(c.n_layers), all);
    return {};
}

}  // namespace

extern const Architecture k_mistral;
const Architecture k_mistral = {.name = "mistral",
                                .hf_class = "MistralForCausalLM",
                                .model_types = "mistral ministral",
                                .kv_heads_default = 8,
                                .read_hf = read_hf,
                                .build = llama_program,
                                .notes = "Mistral and Ministral (2024); sliding window"};

}  // namespace hearth::models
