// models/gguf_config.cpp - GGUF's metadata: the keys that families share, then what the architecture reads
// beyond them. What files do not say is told by their tensors.
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <variant>

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
    HEARTH_TRY(rope.mscale_all_dim, keys.number_or("rope.scaling.yarn_log_multiplier", 0));
    rope.attention_factor = attention * yarn_mscale(rope.factor, 1);
    if (rope.mscale_all_dim != 0) rope.attention_factor /= yarn_mscale(rope.factor, rope.mscale_all_dim);
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

// Where layers differ, a list: the first layer's. Architectures read the others. `fallback` 0: required.
Result<std::int64_t> first_of(const GgufKeys& keys, std::string_view suffix, std::int64_t fallback,
                              std::int64_t max) {
    const formats::GgufValue* value = keys.file().find_key(keys.key(suffix));
    if (value == nullptr && fallback > 0) return fallback;
    if (value == nullptr || !std::holds_alternative<formats::GgufArray>(value->value))
        return keys.integer(suffix, max);
    HEARTH_TRY(const auto numbers, keys.of_layers(suffix, 1));
    if (!(numbers[0] >= 1 && numbers[0] <= static_cast<double>(max)))
        return fail(Fault::out_of_range, "{}: {}: expected 1 to {}, saw {}", keys.where(), keys.key(suffix),
                    max, numbers[0]);
    return static_cast<std::int64_t>(numbers[0]);
}

Status read_heads(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY(const std::int64_t n_heads, first_of(keys, "attention.head_count", 0, kHeadsMax));
    HEARTH_TRY(const std::int64_t n_kv_heads, first_of(keys, "attention.head_count_kv", n_heads, kHeadsMax));
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

Result<std::vector<double>> GgufKeys::of_layers(std::string_view suffix, int n_layers) const {
    const formats::GgufValue* value = file_->find_key(key(suffix));
    if (value == nullptr) return std::vector<double>();
    const auto n = static_cast<std::size_t>(n_layers);
    const auto* list = std::get_if<formats::GgufArray>(&value->value);
    if (list != nullptr && list->n < n)
        return fail(Fault::corrupt, "{}: {}: expected a number for each of {} layers, saw {}", where_,
                    key(suffix), n, list->n);
    std::vector<double> numbers(n);
    for (std::size_t i = 0; i < n; ++i) {
        const formats::GgufScalar scalar =
            list != nullptr ? list->at(i) : std::get<formats::GgufScalar>(value->value);
        if (std::holds_alternative<std::string>(scalar))
            return fail(Fault::corrupt, "{}: {}: expected numbers, saw text", where_, key(suffix));
        numbers[i] = std::visit(
            [](const auto& x) {
                if constexpr (std::is_arithmetic_v<std::decay_t<decltype(x)>>) return static_cast<double>(x);
                return 0.0;
            },
            scalar);
    }
    return numbers;
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
    HEARTH_TRY(c.d_ff, first_of(keys, "feed_forward_length", 1, kWidthMax));
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
