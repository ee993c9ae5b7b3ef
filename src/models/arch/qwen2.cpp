// models/arch/qwen2.cpp - Qwen2 and 2.5: Llama with biases on queries, keys and values, never on the output.
// Source: transformers, models/qwen2/modeling_qwen2.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    c.attention_bias = true;  // the class has them whatever the config says
    c.output_bias = c.mlp_bias = false;
    return read_qwen_window(config, c);
}

}  // namespace

extern const Architecture k_qwen2;
const Architecture k_qwen2 = {.name = "qwen2",
                              .hf_class = "Qwen2ForCausalLM",
                              .model_types = "qwen2",
                              .gguf_names = "qwen2",
                              .kv_heads_default = 32,
                              .read_hf = read_hf,
                              .build = llama_program,
                              .notes = "Qwen2 and 2.5; sliding window"};

}  // namespace hearth::models
