// models/config.h - what a model's config says, in one shape for every family and container.
// Sources: transformers' config.json (both spellings of RoPE) and GGUF's <arch>.* keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "formats/gguf.h"

namespace hearth::models {

struct RopeConfig {
    enum class Scaling { none, linear, llama3 };
    double theta = 10000;
    Scaling scaling = Scaling::none;
    double factor = 1;                                 // linear, llama3
    double low_freq_factor = 1, high_freq_factor = 4;  // llama3
    double original_context = 8192;                    // llama3
    std::vector<float> frequency_divisors;             // per pair, from GGUF's rope_freqs.weight; empty: none
};

struct ModelConfig {
    std::string architecture;  // our name, a row of arch/list.def: "qwen3"
    std::int64_t vocab = 0, d_model = 0, d_ff = 0, context_max = 0;
    int n_layers = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0;
    double rms_eps = 1e-6;
    RopeConfig rope;
    bool tied_embeddings = false;  // the head is the embedding matrix
    bool attention_bias = false;   // q, k, v
    bool output_bias = false;      // o
    bool mlp_bias = false;
    std::vector<int> eos_ids;  // tokens that end an answer, from every file that names some
    int bos_id = -1;
    // The text of quantization_config in config.json or hf_quant_config.json; empty when there is none.
    std::string quantization_method;

    [[nodiscard]] std::int64_t q_width() const { return std::int64_t{n_heads} * head_dim; }
    [[nodiscard]] std::int64_t kv_width() const { return std::int64_t{n_kv_heads} * head_dim; }
};

// Errors: corrupt, out_of_range, unsupported - each with the place.
Result<ModelConfig> read_hf_config(const Json& config, const std::string& where);
Result<ModelConfig> read_gguf_config(const formats::Gguf& file, const std::string& where);

// Adds the end tokens that `eos_token_id` of a config names (a number or a list) and that are not there yet.
Status add_eos_ids(const JsonCursor& config, ModelConfig& to);

// Angular frequency of each pair of dimensions, scaling applied: [head_dim / 2], float32 as transformers has
// it.
std::vector<float> rope_frequencies(const RopeConfig& rope, int head_dim);

}  // namespace hearth::models
