// models/gguf_config.cpp - GGUF's metadata: the keys that families share, then what the architecture reads
// beyond them. What files do not say is told by their tensors.
#include <algorithm>
#include <cstring>

#include "models/architecture.h"
#include "models/config.h"
#include "models/config_keys.h"

namespace hearth::models {
namespace {

Status read_yarn(const GgufKeys& keys, RopeConfig& rope) {
    rope.scaling = RopeConfig::Scaling::yarn;
    HEARTH_TRY(rope.original_context, keys.number_or("rope.scaling.original_context_length", 4096));
    HEARTH_TRY(rope.beta_fast, keys.number_or("rope.scaling.yarn_beta_fast", 32));
    HEARTH_TRY(rope.beta_slow, keys.number_or("rope.scaling.yarn_beta_slow", 1));
    HEARTH_TRY(const double attention, keys.number_or("rope.scaling.attn_factor", 1));
    rope.attention_factor = attention * yarn_mscale(rope.factor, 1);
    return {};
}

Status read_rope(const GgufKeys& keys, const Architecture& architecture, ModelConfig& c) {
    HEARTH_TRY(c.rope.theta, keys.number_or("rope.freq_base", architecture.theta_default));
    HEARTH_TRY(const std::int64_t dims, keys.integer_or("rope.dimension_count", c.head_dim, kHeadDimMax));
    c.rope.partial = std::min(1.0, static_cast<double>(dims) / c.head_dim);
    if (keys.has("rope.scaling.type")) {
        HEARTH_TRY(const std::string type, keys.file().string(keys.key("rope.scaling.type")));
        if (type != "none" && type != "linear" && type != "yarn")
            return fail(Fault::unsupported, "{}: {}: expected none, linear or yarn, saw \"{}\"", keys.where(),
                        keys.key("rope.scaling.type"), type);
        if (type != "none") {
            HEARTH_TRY(c.rope.factor, keys.file().number(keys.key("rope.scaling.factor")));
        }
        if (type == "linear") c.rope.scaling = RopeConfig::Scaling::linear;
        if (type == "yarn") HEARTH_TRY_STATUS(read_yarn(keys, c.rope));
    }
    HEARTH_TRY_STATUS(check_rope(c.rope, keys.where()));
    // llama3 scaling travels as a tensor of divisors, one per pair.
    const formats::GgufEntry* freqs = keys.file().find("rope_freqs.weight");
    if (freqs == nullptr) return {};
    const TensorView view = keys.file().view(*freqs);
    const int pairs = rotary_pairs(c.rope, c.head_dim);
    if (view.dtype != DType::f32 || view.shape.n_elems() != pairs)
        return fail(Fault::corrupt, "{}: rope_freqs.weight: expected {} F32 values, saw {}", keys.where(),
                    pairs, view.shape.text());
    c.rope.frequency_divisors.resize(static_cast<std::size_t>(pairs));
    std::memcpy(c.rope.frequency_divisors.data(), view.bytes.data(), view.bytes.size());
    return {};
}

Status read_heads(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY(const std::int64_t n_heads, keys.integer("attention.head_count", kHeadsMax));
    HEARTH_TRY(const std::int64_t n_kv_heads, keys.integer_or("attention.head_count_kv", n_heads, kHeadsMax));
    const std::int64_t split = std::max<std::int64_t>(c.d_model / n_heads, 1);
    HEARTH_TRY(const std::int64_t rotary, keys.integer_or("rope.dimension_count", split, kHeadDimMax));
    HEARTH_TRY(const std::int64_t head_dim, keys.integer_or("attention.key_length", rotary, kHeadDimMax));
    c.n_heads = static_cast<int>(n_heads);
    c.n_kv_heads = static_cast<int>(n_kv_heads);
    c.head_dim = static_cast<int>(head_dim);
    return {};
}

Status read_ids(const formats::Gguf& file, ModelConfig& c) {
    for (const char* id : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
        if (file.find_key(id) != nullptr) {
            HEARTH_TRY(const std::int64_t value, file.integer(id, 0, kVocabSizeMax));
            c.eos_ids.push_back(static_cast<int>(value));
        }
    if (file.find_key("tokenizer.ggml.bos_token_id") != nullptr) {
        HEARTH_TRY(const std::int64_t value, file.integer("tokenizer.ggml.bos_token_id", 0, kVocabSizeMax));
        c.bos_id = static_cast<int>(value);
    }
    return {};
}

}  // namespace

Result<std::int64_t> GgufKeys::integer_or(std::string_view suffix, std::int64_t fallback,
                                          std::int64_t max) const {
    if (!has(suffix)) return fallback;
    return integer(suffix, max);
}

Result<double> GgufKeys::number_or(std::string_view suffix, double fallback) const {
    if (!has(suffix)) return fallback;
    return file_->number(key(suffix));
}

Result<bool> GgufKeys::boolean_or(std::string_view suffix, bool fallback) const {
    if (!has(suffix)) return fallback;
    return file_->boolean(key(suffix));
}

Result<ModelConfig> read_gguf_config(const formats::Gguf& file, const std::string& where) {
    ModelConfig c;
    HEARTH_TRY(const std::string name, file.string("general.architecture"));
    const Architecture* architecture = find_by_gguf_name(name);
    if (architecture == nullptr)
        return fail(Fault::unsupported, "{}: general.architecture: expected one of {}, saw \"{}\"", where,
                    gguf_architecture_names(), name);
    c.architecture = architecture->name;
    const GgufKeys keys(file, name, where);
    HEARTH_TRY(c.d_model, keys.integer("embedding_length", kWidthMax));
    HEARTH_TRY(c.d_ff, keys.integer_or("feed_forward_length", 1, kWidthMax));
    HEARTH_TRY(c.context_max, keys.integer("context_length", kContextMax));
    HEARTH_TRY(const std::int64_t n_layers, keys.integer("block_count", kLayersMax));
    c.n_layers = static_cast<int>(n_layers);
    HEARTH_TRY_STATUS(read_heads(keys, c));
    const bool layer_norms = keys.has("attention.layer_norm_epsilon");
    HEARTH_TRY(c.rms_eps, file.number(keys.key(layer_norms ? "attention.layer_norm_epsilon"
                                                           : "attention.layer_norm_rms_epsilon")));
    HEARTH_TRY_STATUS(read_rope(keys, *architecture, c));
    const formats::GgufEntry* embedding = file.find("token_embd.weight");
    if (embedding == nullptr || embedding->shape.rank() != 2)
        return fail(Fault::corrupt, "{}: expected the matrix token_embd.weight, saw none", where);
    c.vocab = embedding->shape[0];
    c.tied_embeddings = file.find("output.weight") == nullptr;
    c.attention_bias = file.find("blk.0.attn_q.bias") != nullptr;
    c.output_bias = file.find("blk.0.attn_output.bias") != nullptr;
    c.mlp_bias = file.find("blk.0.ffn_gate.bias") != nullptr;
    HEARTH_TRY_STATUS(read_ids(file, c));
    if (architecture->read_gguf != nullptr) HEARTH_TRY_STATUS(architecture->read_gguf(keys, c));
    HEARTH_TRY_STATUS(check(c, where));
    return c;
}

}  // namespace hearth::models
