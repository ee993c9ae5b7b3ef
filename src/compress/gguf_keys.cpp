// compress/gguf_keys.cpp - config.json to <architecture>.* keys. Source: the gguf package's constants.py and
// the conversions of llama.cpp, by key.
#include "compress/gguf_keys.h"

#include <cmath>
#include <numbers>

#include "models/config.h"
#include "models/tensor_names.h"

namespace hearth::compress {
namespace {

using formats::GgufPair;
using formats::GgufValue;

constexpr std::int64_t kCountMax = std::int64_t{1} << 31;

// transformers 5 writes rope_parameters, older ones rope_theta and rope_scaling.
struct Rope {
    double theta = 10000;
    std::string type = "default";
    std::optional<JsonCursor> scaling;
};
Result<Rope> read_rope(const JsonCursor& config) {
    Rope rope;
    rope.scaling = config.find("rope_parameters");
    if (!rope.scaling) rope.scaling = config.find("rope_scaling");
    HEARTH_TRY(rope.theta, config.number_or("rope_theta", rope.theta));
    if (rope.scaling) {
        HEARTH_TRY(rope.theta, rope.scaling->number_or("rope_theta", rope.theta));
        HEARTH_TRY(const std::string old_type, rope.scaling->string_or("type", "default"));
        HEARTH_TRY(rope.type, rope.scaling->string_or("rope_type", old_type));
    }
    return rope;
}

// What each frequency is divided by under Llama 3's scaling: 1 for short waves, `factor` for long ones, a
// blend between. Source: transformers, modeling_rope_utils.py, _compute_llama3_parameters.
Result<std::vector<float>> llama3_divisors(const JsonCursor& scaling, double theta, std::int64_t head_dim) {
    HEARTH_TRY(const double factor, scaling.number_or("factor", 8));
    HEARTH_TRY(const double low, scaling.number_or("low_freq_factor", 1));
    HEARTH_TRY(const double high, scaling.number_or("high_freq_factor", 4));
    HEARTH_TRY(const double context, scaling.number_or("original_max_position_embeddings", 8192));
    if (!(factor > 0 && low > 0 && high > low && context > 0))
        return fail(Fault::corrupt, "{}: expected positive factors, low below high", scaling.where());
    std::vector<float> divisors;
    for (std::int64_t i = 0; i < head_dim / 2; ++i) {
        const double frequency =
            std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
        const double waves = context * frequency / (2 * std::numbers::pi);  // in the original context
        const double smooth = (waves - low) / (high - low);
        const double divisor = waves > high ? 1 : waves < low ? factor : 1 / ((1 - smooth) / factor + smooth);
        divisors.push_back(static_cast<float>(divisor));
    }
    return divisors;
}

Status add_rope(const JsonCursor& config, GgufModel& model) {
    HEARTH_TRY(const Rope rope, read_rope(config));
    const std::string& arch = model.architecture;
    model.pairs.push_back({arch + ".rope.freq_base", GgufValue::f32(static_cast<float>(rope.theta))});
    if (arch == "llama")
        model.pairs.push_back(
            {arch + ".rope.dimension_count", GgufValue::u32(static_cast<std::uint32_t>(model.head_dim))});
    if (rope.type == "default") return {};
    if (rope.type == "llama3") {
        HEARTH_TRY(model.rope_divisors, llama3_divisors(*rope.scaling, rope.theta, model.head_dim));
        return {};
    }
    if (rope.type == "linear") {
        HEARTH_TRY(const JsonCursor factor_at, rope.scaling->at("factor"));
        HEARTH_TRY(const double factor, factor_at.number());
        model.pairs.push_back({arch + ".rope.scaling.type", GgufValue::string("linear")});
        model.pairs.push_back({arch + ".rope.scaling.factor", GgufValue::f32(static_cast<float>(factor))});
        return {};
    }
    return fail(Fault::unsupported, "{}: expected default, linear or llama3, saw RoPE of type {}",
                rope.scaling->where(), rope.type);
}

// Windows have no key here: a file without them would be another model, unless all of the context is within.
Status check_windows(const Json& json, const std::string& where, std::int64_t context) {
    HEARTH_TRY(const models::ModelConfig config, models::read_hf_config(json, where));
    for (int layer = 0; layer < config.n_layers; ++layer)
        if (const int window = config.window_of(layer); window > 0 && window < context)
            return fail(Fault::unsupported,
                        "{}: sliding_window: expected none for GGUF output, saw {} of {} positions", where,
                        window, context);
    return {};
}

}  // namespace

Result<GgufModel> gguf_model(const Json& json, const std::string& where, std::string_view model_name) {
    const JsonCursor config(json, where);
    GgufModel model;
    HEARTH_TRY(const JsonCursor type_at, config.at("model_type"));
    HEARTH_TRY(const std::string type, type_at.string());
    const auto architecture = models::gguf_architecture(type);
    if (!architecture)
        return fail(Fault::unsupported, "{}: expected llama, mistral or qwen3 for GGUF output, saw {}",
                    type_at.where(), type);
    model.architecture = *architecture;

    const auto count = [&](std::string_view key) -> Result<std::int64_t> {
        HEARTH_TRY(const JsonCursor at, config.at(key));
        return at.integer(1, kCountMax);
    };
    HEARTH_TRY(const std::int64_t d_model, count("hidden_size"));
    HEARTH_TRY(const std::int64_t n_heads, count("num_attention_heads"));
    HEARTH_TRY(const std::int64_t n_layers, count("num_hidden_layers"));
    HEARTH_TRY(const std::int64_t d_ff, count("intermediate_size"));
    HEARTH_TRY(const std::int64_t context, count("max_position_embeddings"));
    HEARTH_TRY(const std::int64_t vocab, count("vocab_size"));
    HEARTH_TRY(const std::int64_t n_kv_heads,
               config.integer_or("num_key_value_heads", n_heads, 1, kCountMax));
    // Qwen3's class default is 128, llama's hidden_size / heads.
    const std::int64_t head_dim_default = model.architecture == "qwen3" ? 128 : d_model / n_heads;
    HEARTH_TRY(model.head_dim, config.integer_or("head_dim", head_dim_default, 2, kCountMax));
    HEARTH_TRY(const double rms_eps, config.number_or("rms_norm_eps", 1e-6));

    const std::string& arch = model.architecture;
    const auto add = [&](std::string_view key, std::int64_t value) {
        model.pairs.push_back(
            {fmt::format("{}.{}", arch, key), GgufValue::u32(static_cast<std::uint32_t>(value))});
    };
    model.pairs.push_back({"general.architecture", GgufValue::string(arch)});
    model.pairs.push_back({"general.name", GgufValue::string(std::string(model_name))});
    add("block_count", n_layers);
    add("context_length", context);
    add("embedding_length", d_model);
    add("feed_forward_length", d_ff);
    add("attention.head_count", n_heads);
    add("attention.head_count_kv", n_kv_heads);
    add("attention.key_length", model.head_dim);
    add("attention.value_length", model.head_dim);
    add("vocab_size", vocab);
    model.pairs.push_back(
        {arch + ".attention.layer_norm_rms_epsilon", GgufValue::f32(static_cast<float>(rms_eps))});
    HEARTH_TRY_STATUS(add_rope(config, model));
    HEARTH_TRY_STATUS(check_windows(json, where, context));
    return model;
}

}  // namespace hearth::compress
