// models/config.cpp - reads configs and refuses what would divide by zero or overflow later.
#include "models/config.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <numbers>

#include "models/architecture.h"

namespace hearth::models {
namespace {

// Bounds no real model comes near, and below which no sum in this program overflows.
constexpr std::int64_t kWidthMax = 1 << 20, kVocabMax = 1 << 24, kContextMax = 1 << 26;
constexpr int kLayersMax = 4096, kHeadsMax = 4096, kHeadDimMax = 4096;

Result<RopeConfig> read_rope(const JsonCursor& config) {
    RopeConfig rope;
    // transformers 5 nests everything in rope_parameters; older files have rope_theta and rope_scaling.
    auto nested = config.find("rope_parameters");
    if (!nested) nested = config.find("rope_scaling");
    HEARTH_TRY(rope.theta, config.number_or("rope_theta", rope.theta));
    if (nested) {
        HEARTH_TRY(rope.theta, nested->number_or("rope_theta", rope.theta));
        HEARTH_TRY(std::string type, nested->string_or("rope_type", ""));
        if (type.empty()) {
            HEARTH_TRY(type, nested->string_or("type", "default"));
        }
        if (type == "linear" || type == "llama3") {
            HEARTH_TRY(rope.factor, nested->number_or("factor", 1));
            rope.scaling = type == "linear" ? RopeConfig::Scaling::linear : RopeConfig::Scaling::llama3;
        } else if (type != "default") {
            return fail(Fault::unsupported, "{}: expected rope_type default, linear or llama3, saw \"{}\"",
                        nested->where(), type);
        }
        if (type == "llama3") {
            HEARTH_TRY(rope.low_freq_factor, nested->number_or("low_freq_factor", 1));
            HEARTH_TRY(rope.high_freq_factor, nested->number_or("high_freq_factor", 4));
            HEARTH_TRY(rope.original_context, nested->number_or("original_max_position_embeddings", 8192));
        }
        HEARTH_TRY(const double partial, nested->number_or("partial_rotary_factor", 1));
        if (partial != 1)
            return fail(Fault::unsupported, "{}/partial_rotary_factor: expected 1, saw {}", nested->where(),
                        partial);
    }
    const bool ordered = rope.low_freq_factor > 0 && rope.high_freq_factor > rope.low_freq_factor;
    if (!(rope.theta > 0) || !(rope.factor > 0) || !(rope.original_context > 0) ||
        (rope.scaling == RopeConfig::Scaling::llama3 && !ordered))
        return fail(Fault::out_of_range,
                    "{}: expected positive RoPE parameters with low < high, saw theta {} factor {}",
                    config.where(), rope.theta, rope.factor);
    return rope;
}

// What every container must satisfy before anything is sized by it.
Status check(const ModelConfig& c, const std::string& where) {
    const auto refuse = [&](const char* what, std::int64_t seen) {
        return fail(Fault::out_of_range, "{}: {}: saw {}", where, what, seen);
    };
    if (c.n_heads % c.n_kv_heads != 0)
        return refuse("expected n_heads to be a multiple of n_kv_heads", c.n_kv_heads);
    if (c.head_dim % 2 != 0) return refuse("expected an even head_dim for RoPE", c.head_dim);
    if (!(c.rms_eps > 0 && c.rms_eps < 1))
        return fail(Fault::out_of_range, "{}: expected an RMS epsilon in (0, 1), saw {}", where, c.rms_eps);
    return {};
}

}  // namespace

Status add_eos_ids(const JsonCursor& config, ModelConfig& to) {
    const auto eos = config.find("eos_token_id");
    if (!eos) return {};
    const auto add = [&](const JsonCursor& cursor) -> Status {
        HEARTH_TRY(const std::int64_t id, cursor.integer(0, kVocabMax));
        if (std::find(to.eos_ids.begin(), to.eos_ids.end(), id) == to.eos_ids.end())
            to.eos_ids.push_back(static_cast<int>(id));
        return {};
    };
    if (!eos->value().is_array()) return add(*eos);
    HEARTH_TRY(const std::size_t n, eos->array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor id, eos->at(i));
        HEARTH_TRY_STATUS(add(id));
    }
    return {};
}

Result<ModelConfig> read_hf_config(const Json& json, const std::string& where) {
    const JsonCursor config(json, where);
    ModelConfig c;
    HEARTH_TRY(const JsonCursor type, config.at("model_type"));
    HEARTH_TRY(const std::string model_type, type.string());
    const Architecture* architecture = find_architecture(model_type);
    if (architecture == nullptr)
        return fail(Fault::unsupported, "{}: expected a model_type among {}, saw \"{}\"", type.where(),
                    architecture_names(), model_type);
    c.architecture = architecture->name;

    const auto count = [&](const char* key, std::int64_t max) -> Result<std::int64_t> {
        HEARTH_TRY(const JsonCursor member, config.at(key));
        return member.integer(1, max);
    };
    HEARTH_TRY(c.vocab, count("vocab_size", kVocabMax));
    HEARTH_TRY(c.d_model, count("hidden_size", kWidthMax));
    HEARTH_TRY(c.d_ff, count("intermediate_size", kWidthMax));
    HEARTH_TRY(c.context_max, config.integer_or("max_position_embeddings", 2048, 1, kContextMax));
    HEARTH_TRY(const std::int64_t n_layers, count("num_hidden_layers", kLayersMax));
    HEARTH_TRY(const std::int64_t n_heads, count("num_attention_heads", kHeadsMax));
    HEARTH_TRY(const std::int64_t n_kv_heads,
               config.integer_or("num_key_value_heads", n_heads, 1, kHeadsMax));
    HEARTH_TRY(
        const std::int64_t head_dim,
        config.integer_or("head_dim",
                          architecture->head_dim_default > 0 ? architecture->head_dim_default
                                                             : std::max<std::int64_t>(c.d_model / n_heads, 1),
                          1, kHeadDimMax));
    c.n_layers = static_cast<int>(n_layers);
    c.n_heads = static_cast<int>(n_heads);
    c.n_kv_heads = static_cast<int>(n_kv_heads);
    c.head_dim = static_cast<int>(head_dim);
    HEARTH_TRY(c.rms_eps, config.number_or("rms_norm_eps", 1e-6));
    HEARTH_TRY(c.rope, read_rope(config));
    HEARTH_TRY(c.tied_embeddings, config.boolean_or("tie_word_embeddings", architecture->tied_default));
    HEARTH_TRY(c.attention_bias, config.boolean_or("attention_bias", false));
    c.output_bias = c.attention_bias;
    HEARTH_TRY(c.mlp_bias, config.boolean_or("mlp_bias", false));
    HEARTH_TRY(const std::string activation, config.string_or("hidden_act", "silu"));
    if (activation != "silu")
        return fail(Fault::unsupported, "{}/hidden_act: expected silu, saw \"{}\"", where, activation);
    HEARTH_TRY(const bool sliding, config.boolean_or("use_sliding_window", false));
    if (sliding) return fail(Fault::unsupported, "{}/use_sliding_window: expected false, saw true", where);
    HEARTH_TRY_STATUS(add_eos_ids(config, c));
    if (const auto bos = config.find("bos_token_id"); bos && bos->value().is_int64()) {
        HEARTH_TRY(const std::int64_t id, bos->integer(0, kVocabMax));
        c.bos_id = static_cast<int>(id);
    }
    if (const auto quantization = config.find("quantization_config")) {
        HEARTH_TRY(c.quantization_method, quantization->string_or("quant_method", ""));
    }
    HEARTH_TRY_STATUS(check(c, where));
    return c;
}

Result<ModelConfig> read_gguf_config(const formats::Gguf& file, const std::string& where) {
    ModelConfig c;
    HEARTH_TRY(const std::string name, file.string("general.architecture"));
    const Architecture* architecture = find_architecture(name);
    if (architecture == nullptr)
        return fail(Fault::unsupported, "{}: general.architecture: expected one of {}, saw \"{}\"", where,
                    architecture_names(), name);
    c.architecture = architecture->name;
    const auto key = [&](const char* suffix) { return name + "." + suffix; };
    const auto count = [&](const char* suffix, std::int64_t max) {
        return file.integer(key(suffix), 1, max);
    };
    HEARTH_TRY(c.d_model, count("embedding_length", kWidthMax));
    HEARTH_TRY(c.d_ff, count("feed_forward_length", kWidthMax));
    HEARTH_TRY(c.context_max, count("context_length", kContextMax));
    HEARTH_TRY(const std::int64_t n_layers, count("block_count", kLayersMax));
    HEARTH_TRY(const std::int64_t n_heads, count("attention.head_count", kHeadsMax));
    c.n_layers = static_cast<int>(n_layers);
    c.n_heads = static_cast<int>(n_heads);
    std::int64_t n_kv_heads = n_heads, head_dim = std::max<std::int64_t>(c.d_model / n_heads, 1);
    if (file.find_key(key("attention.head_count_kv")) != nullptr) {
        HEARTH_TRY(n_kv_heads, count("attention.head_count_kv", kHeadsMax));
    }
    if (file.find_key(key("attention.key_length")) != nullptr) {
        HEARTH_TRY(head_dim, count("attention.key_length", kHeadDimMax));
    } else if (file.find_key(key("rope.dimension_count")) != nullptr) {
        HEARTH_TRY(head_dim, count("rope.dimension_count", kHeadDimMax));
    }
    c.n_kv_heads = static_cast<int>(n_kv_heads);
    c.head_dim = static_cast<int>(head_dim);
    HEARTH_TRY(c.rms_eps, file.number(key("attention.layer_norm_rms_epsilon")));
    if (file.find_key(key("rope.freq_base")) != nullptr) {
        HEARTH_TRY(c.rope.theta, file.number(key("rope.freq_base")));
    }
    if (file.find_key(key("rope.scaling.type")) != nullptr) {
        HEARTH_TRY(const std::string type, file.string(key("rope.scaling.type")));
        if (type == "linear") {
            c.rope.scaling = RopeConfig::Scaling::linear;
            HEARTH_TRY(c.rope.factor, file.number(key("rope.scaling.factor")));
        } else if (type != "none") {
            return fail(Fault::unsupported, "{}: {}: expected none or linear, saw \"{}\"", where,
                        key("rope.scaling.type"), type);
        }
    }
    if (!(c.rope.theta > 0) || !(c.rope.factor > 0))
        return fail(Fault::out_of_range, "{}: expected positive RoPE parameters, saw theta {} factor {}",
                    where, c.rope.theta, c.rope.factor);
    // llama3 scaling travels as a tensor of divisors, one per pair.
    if (const formats::GgufEntry* freqs = file.find("rope_freqs.weight")) {
        const TensorView view = file.view(*freqs);
        if (view.dtype != DType::f32 || view.shape.n_elems() != c.head_dim / 2)
            return fail(Fault::corrupt, "{}: rope_freqs.weight: expected {} F32 values, saw {}", where,
                        c.head_dim / 2, view.shape.text());
        c.rope.frequency_divisors.resize(static_cast<std::size_t>(view.shape.n_elems()));
        std::memcpy(c.rope.frequency_divisors.data(), view.bytes.data(), view.bytes.size());
    }
    const formats::GgufEntry* embedding = file.find("token_embd.weight");
    if (embedding == nullptr || embedding->shape.rank() != 2)
        return fail(Fault::corrupt, "{}: expected the matrix token_embd.weight, saw none", where);
    c.vocab = embedding->shape[0];
    c.tied_embeddings = file.find("output.weight") == nullptr;
    c.attention_bias = file.find("blk.0.attn_q.bias") != nullptr;
    c.output_bias = file.find("blk.0.attn_output.bias") != nullptr;
    c.mlp_bias = file.find("blk.0.ffn_gate.bias") != nullptr;
    for (const char* id : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
        if (file.find_key(id) != nullptr) {
            HEARTH_TRY(const std::int64_t value, file.integer(id, 0, kVocabMax));
            c.eos_ids.push_back(static_cast<int>(value));
        }
    if (file.find_key("tokenizer.ggml.bos_token_id") != nullptr) {
        HEARTH_TRY(const std::int64_t value, file.integer("tokenizer.ggml.bos_token_id", 0, kVocabMax));
        c.bos_id = static_cast<int>(value);
    }
    HEARTH_TRY_STATUS(check(c, where));
    return c;
}

// In float32, step by step as transformers' modeling_rope_utils.py, so that angles at far positions agree.
std::vector<float> rope_frequencies(const RopeConfig& rope, int head_dim) {
    std::vector<float> frequencies(static_cast<std::size_t>(head_dim / 2));
    for (int i = 0; i < head_dim / 2; ++i) {
        const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
        float f = 1.0f / static_cast<float>(std::pow(rope.theta, static_cast<double>(exponent)));
        if (rope.scaling == RopeConfig::Scaling::linear) f /= static_cast<float>(rope.factor);
        if (rope.scaling == RopeConfig::Scaling::llama3) {
            const double wavelength = 2 * std::numbers::pi / static_cast<double>(f);
            if (wavelength > rope.original_context / rope.low_freq_factor) {
                f = f / static_cast<float>(rope.factor);
            } else if (wavelength >= rope.original_context / rope.high_freq_factor) {
                const double smooth = (rope.original_context / wavelength - rope.low_freq_factor) /
                                      (rope.high_freq_factor - rope.low_freq_factor);
                f = static_cast<float>((1 - smooth) * static_cast<double>(f) / rope.factor +
                                       smooth * static_cast<double>(f));
            }
        }
        if (!rope.frequency_divisors.empty()) f /= rope.frequency_divisors[static_cast<std::size_t>(i)];
        frequencies[static_cast<std::size_t>(i)] = f;
    }
    return frequencies;
}

}  // namespace hearth::models
