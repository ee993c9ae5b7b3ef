// models/architecture.h - the registry: one row an architecture, one file in arch/ each.
#pragma once

#include <string>
#include <string_view>

#include "models/config.h"
#include "models/program.h"

namespace hearth::models {

struct Architecture {
    const char* name;      // ours, transformers' model_type and GGUF's general.architecture
    const char* hf_class;  // "Qwen3ForCausalLM"
    // Class defaults of transformers for keys that a config may leave out.
    int head_dim_default;  // 0: hidden_size / heads
    bool tied_default;
    Program (*build)(const ModelConfig& config);
};

const Architecture* find_architecture(std::string_view name);  // null: unknown
std::string architecture_names();                              // "llama, qwen3"

}  // namespace hearth::models
