// models/shapes.cpp - the table. Sources: config.json of each repository on Hugging Face (Qwen/Qwen3-*,
// meta-llama/Llama-3.1-*, meta-llama/Llama-3.2-*).
#include "models/shapes.h"

#include <boost/json.hpp>

namespace hearth::models {
namespace {

struct Row {
    std::string_view family, size;
    int d_model, d_ff, n_layers, n_heads, n_kv_heads, head_dim;
    bool tied;
    int n_experts = 0, n_experts_used = 0, d_ff_expert = 0;  // mixtures
    double rope_factor = 0;                                  // llama3 scaling
};

constexpr Row kRows[] = {
    {"qwen3", "0.6B", 1024, 3072, 28, 16, 8, 128, true},
    {"qwen3", "1.7B", 2048, 6144, 28, 16, 8, 128, true},
    {"qwen3", "4B", 2560, 9728, 36, 32, 8, 128, true},
    {"qwen3", "8B", 4096, 12288, 36, 32, 8, 128, false},
    {"qwen3", "14B", 5120, 17408, 40, 40, 8, 128, false},
    {"qwen3", "32B", 5120, 25600, 64, 64, 8, 128, false},
    {"qwen3", "30B-A3B", 2048, 6144, 48, 32, 4, 128, false, 128, 8, 768},
    {"qwen3", "235B-A22B", 4096, 12288, 94, 64, 4, 128, false, 128, 8, 1536},
    {"llama", "1B", 2048, 8192, 16, 32, 8, 64, true, 0, 0, 0, 32},
    {"llama", "3B", 3072, 8192, 28, 24, 8, 128, true, 0, 0, 0, 32},
    {"llama", "8B", 4096, 14336, 32, 32, 8, 128, false, 0, 0, 0, 8},
    {"llama", "70B", 8192, 28672, 80, 64, 8, 128, false, 0, 0, 0, 8},
};

boost::json::object config_of(const Row& row, int n_layers) {
    const bool llama = row.family == "llama", mixture = row.n_experts > 0;
    boost::json::object c;
    c["architectures"] = boost::json::array{llama     ? "LlamaForCausalLM"
                                            : mixture ? "Qwen3MoeForCausalLM"
                                                      : "Qwen3ForCausalLM"};
    c["model_type"] = llama ? "llama" : mixture ? "qwen3_moe" : "qwen3";
    c["hidden_size"] = row.d_model;
    c["intermediate_size"] = row.d_ff;
    c["num_hidden_layers"] = n_layers > 0 ? n_layers : row.n_layers;
    c["num_attention_heads"] = row.n_heads;
    c["num_key_value_heads"] = row.n_kv_heads;
    c["head_dim"] = row.head_dim;
    c["vocab_size"] = llama ? 128256 : 151936;
    c["max_position_embeddings"] = llama ? 131072 : 40960;
    c["rms_norm_eps"] = llama ? 1e-5 : 1e-6;
    c["rope_theta"] = llama ? 500000.0 : 1000000.0;
    c["hidden_act"] = "silu";
    c["attention_bias"] = false;
    c["tie_word_embeddings"] = row.tied;
    if (row.rope_factor > 0)
        c["rope_scaling"] = {{"rope_type", "llama3"},
                             {"factor", row.rope_factor},
                             {"low_freq_factor", 1.0},
                             {"high_freq_factor", 4.0},
                             {"original_max_position_embeddings", 8192}};
    if (mixture) {
        c["num_experts"] = row.n_experts;
        c["num_experts_per_tok"] = row.n_experts_used;
        c["moe_intermediate_size"] = row.d_ff_expert;
        c["norm_topk_prob"] = true;
        c["decoder_sparse_step"] = 1;
        c["mlp_only_layers"] = boost::json::array();
    }
    return c;
}

}  // namespace

std::string published_sizes(std::string_view family) {
    std::string sizes;
    for (const Row& row : kRows)
        if (row.family == family) sizes.append(sizes.empty() ? "" : ", ").append(row.size);
    return sizes;
}

Result<Json> published_shape(std::string_view family, std::string_view size, int n_layers) {
    for (const Row& row : kRows)
        if (row.family == family && row.size == size) return Json(config_of(row, n_layers));
    const std::string sizes = published_sizes(family);
    if (sizes.empty()) return fail(Fault::usage, "expected a shape of qwen3 or llama, saw \"{}\"", family);
    return fail(Fault::usage, "expected a size of {} among {}, saw \"{}\"", family, sizes, size);
}

}  // namespace hearth::models
