// models/arch/llama.cpp - Llama 2 and 3: pre-norm, grouped queries, RoPE, SwiGLU; biases where the config
// says so. Source: transformers, models/llama/modeling_llama.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {

extern const Architecture k_llama;
const Architecture k_llama = {.name = "llama",
                              .hf_class = "LlamaForCausalLM",
                              .model_types = "llama",
                              .gguf_names = "llama",
                              .build = llama_program,
                              .notes = "Llama 2 and 3.x"};

}  // namespace hearth::models
