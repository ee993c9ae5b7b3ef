// models/architecture.h - the registry: one row an architecture, one file in arch/ each.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/config.h"
#include "models/config_keys.h"
#include "models/program.h"
#include "models/tensor_names.h"

namespace hearth::models {

struct KeyNames {
    std::string_view published, key;
};

struct Architecture {
    const char* name = "";      // ours: "qwen3_moe"
    const char* hf_class = "";  // "Qwen3MoeForCausalLM"
    // What transformers' model_type and GGUF's general.architecture say, a space between where there are
    // several.
    const char* model_types = "";
    const char* gguf_names = "";
    // Class defaults of transformers for keys that a config may leave out.
    int head_dim_default = 0;  // 0: hidden_size / heads
    int kv_heads_default = 0;  // 0: as many as heads
    bool tied_default = false;
    double eps_default = 1e-6, theta_default = 10000;
    double partial_rotary_default = 1;  // 1: the family knows no other
    float norm_plus = 0;                // 1: norms multiply by 1 + w. GGUF holds the sum.
    // How transformers spells what the program calls "model.embed_tokens" and "model.layers.": without a
    // trunk's prefix.
    const char* embedding_module = "embed_tokens";
    const char* layers_prefix = "layers.";
    const char* eps_key = "rms_norm_eps";
    // What the family's published configs call the keys that transformers has; theirs, then ours.
    std::span<const KeyNames> published_keys = {};
    const char* activation_key = "hidden_act";
    const char* activation = "silu";  // those that run, the default first, a space between
    // What the family's configs say beyond the shared keys; may be null.
    Status (*read_hf)(const JsonCursor& config, ModelConfig& c) = nullptr;
    Status (*read_gguf)(const GgufKeys& keys, ModelConfig& c) = nullptr;
    // Modules of a layer whose GGUF names differ from those in tensor_names.cpp.
    std::span<const ModuleNames> gguf_modules = {};
    Program (*build)(const ModelConfig& config) = nullptr;
    // A layer of multi-token prediction, where the family has some: draft_head() has the frame around it.
    PartBuilder draft_layer = nullptr;
    // How transformers' files spell those layers: null: they go on as the layers before them do; else with
    // this prefix, from 0.
    const char* draft_prefix = nullptr;
    // Names of theirs that differ; whole ones where the layers have a prefix of their own.
    std::span<const KeyNames> draft_modules = {};
    const char* notes = "";  // for people: what of the family runs, and what is left aside
};

const Architecture* find_architecture(std::string_view name);   // by our name; null: unknown
const Architecture* find_by_model_type(std::string_view type);  // transformers'
const Architecture* find_by_gguf_name(std::string_view name);   // GGUF's
// Whether `word` is one of the words of `list`, which one space parts.
bool has_word(std::string_view list, std::string_view word);
std::span<const Architecture* const> architectures();  // all, in the order of arch/list.def
std::string architecture_names();                      // model types: "llama, qwen3, qwen3_moe"
std::string gguf_architecture_names();

}  // namespace hearth::models
