// models/arch/qwen3.cpp - Qwen3 dense: Llama with an RMS norm on every query and key head before RoPE.
// Source: transformers, models/qwen3/modeling_qwen3.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention_block(b, c, x, {.shape = attention_shape(c, b.layer()), .qk_norm = true});
    dense_block(b, c, x, {});
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_qwen3;
const Architecture k_qwen3 = {.name = "qwen3",
                              .hf_class = "Qwen3ForCausalLM",
                              .model_types = "qwen3",
                              .gguf_names = "qwen3",
                              .head_dim_default = 128,
                              .kv_heads_default = 32,
                              .read_hf = read_qwen_window,
                              .build = build,
                              .notes = "dense Qwen3; sliding window"};

}  // namespace hearth::models
