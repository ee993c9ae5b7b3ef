// models/arch/llama.cpp - Llama 2 and 3: pre-norm, grouped queries, RoPE, SwiGLU; biases where the config
// says so. Source: transformers, models/llama/modeling_llama.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention_block(b, c, x, {.shape = attention_shape(c, b.layer())});
    dense_block(b, c, x, {});
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_llama;
const Architecture k_llama = {.name = "llama",
                              .hf_class = "LlamaForCausalLM",
                              .model_types = "llama",
                              .gguf_names = "llama",
                              .build = build,
                              .notes = "Llama 2 and 3.x"};

}  // namespace hearth::models
