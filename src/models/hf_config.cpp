// models/hf_config.cpp - transformers' config.json: the keys that families share, then what the architecture
// reads beyond them. A key that is absent means the class default of transformers.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "models/architecture.h"
#include "models/config.h"
#include "models/config_keys.h"

namespace hearth::models {
namespace {

Status read_yarn(const JsonCursor& nested, double context_max, RopeConfig& rope) {
    rope.scaling = RopeConfig::Scaling::yarn;
    HEARTH_TRY(rope.original_context, nested.number_or("original_max_position_embeddings", context_max));
    HEARTH_TRY(rope.factor, nested.number_or("factor", 0));
    if (rope.factor == 0) rope.factor = context_max / rope.original_context;
    HEARTH_TRY(rope.beta_fast, nested.number_or("beta_fast", 32));
    HEARTH_TRY(rope.beta_slow, nested.number_or("beta_slow", 1));
    HEARTH_TRY(rope.truncate, nested.boolean_or("truncate", true));
    HEARTH_TRY(const double mscale, nested.number_or("mscale", 0));
    HEARTH_TRY(const double mscale_all_dim, nested.number_or("mscale_all_dim", 0));
    rope.mscale_all_dim = mscale_all_dim;
    const double factor = mscale != 0 && mscale_all_dim != 0
                              ? yarn_mscale(rope.factor, mscale) / yarn_mscale(rope.factor, mscale_all_dim)
                              : yarn_mscale(rope.factor, 1);
    HEARTH_TRY(rope.attention_factor, nested.number_or("attention_factor", factor));
    return {};
}

Result<std::vector<float>> read_factors(const JsonCursor& nested, std::string_view key) {
    std::vector<float> factors;
    HEARTH_TRY(const JsonCursor list, nested.at(key));
    HEARTH_TRY(const std::size_t n, list.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor entry, list.at(i));
        HEARTH_TRY(const double factor, entry.number());
        if (!(factor > 0))
            return fail(Fault::out_of_range, "{}: expected positive numbers, saw {}", list.where(), factor);
        factors.push_back(static_cast<float>(factor));
    }
    return factors;
}

// Source: transformers, modeling_rope_utils.py, _compute_longrope_parameters.
Status read_longrope(const JsonCursor& nested, double context_max, RopeConfig& rope) {
    HEARTH_TRY(rope.frequency_divisors, read_factors(nested, "short_factor"));
    HEARTH_TRY(rope.long_divisors, read_factors(nested, "long_factor"));
    HEARTH_TRY(rope.original_context, nested.number_or("original_max_position_embeddings", context_max));
    HEARTH_TRY(const double factor, nested.number_or("factor", context_max / rope.original_context));
    const double grown = factor <= 1 || rope.original_context <= 1
                             ? 1
                             : std::sqrt(1 + std::log(factor) / std::log(rope.original_context));
    HEARTH_TRY(rope.attention_factor, nested.number_or("attention_factor", grown));
    return {};
}

Status read_scaling(const JsonCursor& nested, double context_max, RopeConfig& rope) {
    HEARTH_TRY(std::string type, nested.string_or("rope_type", ""));
    if (type.empty()) {
        HEARTH_TRY(type, nested.string_or("type", "default"));
    }
    // Dynamic scaling begins beyond max_position_embeddings, where no text here goes.
    if (type == "default" || type == "dynamic") return {};
    if (type == "yarn") return read_yarn(nested, context_max, rope);
    if (type == "longrope" || type == "su") return read_longrope(nested, context_max, rope);
    if (type == "proportional") {
        rope.scaling = RopeConfig::Scaling::proportional;
        HEARTH_TRY(rope.factor, nested.number_or("factor", 1));
        return {};
    }
    if (type != "linear" && type != "llama3")
        return fail(
            Fault::unsupported,
            "{}: expected rope_type default, linear, dynamic, llama3, yarn, longrope or proportional, "
            "saw \"{}\"",
            nested.where(), type);
    HEARTH_TRY(rope.factor, nested.number_or("factor", 1));
    rope.scaling = type == "linear" ? RopeConfig::Scaling::linear : RopeConfig::Scaling::llama3;
    if (type == "linear") return {};
    HEARTH_TRY(rope.low_freq_factor, nested.number_or("low_freq_factor", 1));
    HEARTH_TRY(rope.high_freq_factor, nested.number_or("high_freq_factor", 4));
    HEARTH_TRY(rope.original_context, nested.number_or("original_max_position_embeddings", context_max));
    return {};
}

Status read_heads(const JsonCursor& config, const Architecture& architecture, ModelConfig& c) {
    HEARTH_TRY(const JsonCursor heads, config.at("num_attention_heads"));
    HEARTH_TRY(const std::int64_t n_heads, heads.integer(1, kHeadsMax));
    c.n_heads = static_cast<int>(n_heads);
    HEARTH_TRY(
        c.n_kv_heads,
        read_count(config, "num_key_value_heads",
                   architecture.kv_heads_default > 0 ? architecture.kv_heads_default : c.n_heads, kHeadsMax));
    const std::int64_t split = std::max<std::int64_t>(c.d_model / c.n_heads, 1);
    HEARTH_TRY(c.head_dim, read_count(config, "head_dim",
                                      architecture.head_dim_default > 0 ? architecture.head_dim_default
                                                                        : static_cast<int>(split),
                                      kHeadDimMax));
    return {};
}

Status read_ids(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY_STATUS(add_eos_ids(config, c));
    if (const auto bos = config.find("bos_token_id"); bos && bos->value().is_int64()) {
        HEARTH_TRY(const std::int64_t id, bos->integer(0, kVocabSizeMax));
        c.bos_id = static_cast<int>(id);
    }
    return {};
}

Json with_keys(const Json& config, std::span<const KeyNames> names) {
    Json out = config;
    if (!out.is_object()) return out;
    for (const KeyNames& name : names) {
        const auto* published = config.as_object().if_contains(name.published);
        if (published != nullptr && !out.as_object().contains(name.key))
            out.as_object()[name.key] = *published;
    }
    return out;
}

Status read_quantization(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(c.quantization_method, config.string_or("quant_method", ""));
    HEARTH_TRY(c.scale_block, read_scale_block(config));
    return {};
}

// The part of the file that describes the text model: all of it, or what is nested beside a vision tower.
Result<JsonCursor> text_part(const JsonCursor& config) {
    if (const auto text = config.find("text_config")) return *text;
    return config;
}

}  // namespace

double yarn_mscale(double factor, double mscale) {
    return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

Result<RopeConfig> read_hf_rope(const JsonCursor& config, double theta, double partial,
                                std::string_view layer_type) {
    RopeConfig rope;
    // transformers 5 nests everything in rope_parameters; older files have rope_theta and rope_scaling.
    auto nested = config.find("rope_parameters");
    if (!nested) nested = config.find("rope_scaling");
    if (nested && !layer_type.empty())
        if (auto of_type = nested->find(layer_type)) nested = of_type;
    rope.theta = theta;
    if (const auto given = config.find("rope_theta");
        given && !given->value().is_array()) {  // a list: Step's
        HEARTH_TRY(rope.theta, given->number());
    }
    HEARTH_TRY(rope.partial, config.number_or("partial_rotary_factor", partial));
    HEARTH_TRY(const std::int64_t context,
               config.integer_or("max_position_embeddings", 2048, 1, kContextMax));
    if (nested) {
        HEARTH_TRY(rope.theta, nested->number_or("rope_theta", rope.theta));
        HEARTH_TRY(rope.partial, nested->number_or("partial_rotary_factor", rope.partial));
        HEARTH_TRY_STATUS(read_scaling(*nested, static_cast<double>(context), rope));
        // transformers looks for `truncate` beside the layers' types, never within: theirs are always cut.
        if (!layer_type.empty()) rope.truncate = true;
    }
    HEARTH_TRY_STATUS(check_rope(rope, config.where()));
    return rope;
}

Result<std::vector<std::string>> read_layer_types(const JsonCursor& config, int n_layers) {
    std::vector<std::string> types;
    const auto list = config.find("layer_types");
    if (!list) return types;
    HEARTH_TRY(const std::size_t n, list->array_size());
    // Lists that go on over multi-token-prediction blocks are cut, as transformers does.
    if (n < static_cast<std::size_t>(n_layers))
        return fail(Fault::corrupt, "{}: expected a type for each of {} layers, saw {}", list->where(),
                    n_layers, n);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n_layers); ++i) {
        HEARTH_TRY(const JsonCursor type, list->at(i));
        HEARTH_TRY(std::string text, type.string());
        types.push_back(std::move(text));
    }
    return types;
}

Status read_sliding(const JsonCursor& config, ModelConfig& c, const std::function<bool(int)>& layer_slides) {
    HEARTH_TRY(const auto types, read_layer_types(config, c.n_layers));
    c.sliding.assign(static_cast<std::size_t>(c.n_layers), false);
    for (int i = 0; i < c.n_layers; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (!types.empty() && types[at] != "sliding_attention" && types[at] != "full_attention")
            return fail(Fault::unsupported,
                        "{}/layer_types/{}: expected full_attention or sliding_attention, saw \"{}\"",
                        config.where(), i, types[at]);
        c.sliding[at] = types.empty() ? layer_slides(i) : types[at] == "sliding_attention";
    }
    return {};
}

Result<int> read_count(const JsonCursor& config, std::string_view key, int fallback, int max) {
    HEARTH_TRY(const std::int64_t n, config.integer_or(key, fallback, 1, max));
    return static_cast<int>(n);
}

Status add_eos_ids(const JsonCursor& config, ModelConfig& to) {
    const auto eos = config.find("eos_token_id");
    if (!eos) return {};
    const auto add = [&](const JsonCursor& cursor) -> Status {
        HEARTH_TRY(const std::int64_t id, cursor.integer(0, kVocabSizeMax));
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
    const JsonCursor whole(json, where);
    ModelConfig c;
    HEARTH_TRY(const JsonCursor type, whole.at("model_type"));
    HEARTH_TRY(const std::string model_type, type.string());
    const Architecture* architecture = find_by_model_type(model_type);
    HEARTH_TRY(const JsonCursor text, text_part(whole));
    if (text.where() != whole.where()) {
        // A model with a vision tower: the text part may name its own type.
        HEARTH_TRY(const std::string text_type, text.string_or("model_type", model_type));
        if (const Architecture* named = find_by_model_type(text_type)) architecture = named;
        c.has_other_towers = true;
    }
    if (architecture == nullptr)
        return fail(Fault::unsupported, "{}: expected a model_type among {}, saw \"{}\"", type.where(),
                    architecture_names(), model_type);
    c.architecture = architecture->name;
    const Json respelled = with_keys(text.value(), architecture->published_keys);
    const JsonCursor config(respelled, text.where());

    const auto count = [&](const char* key, std::int64_t max) -> Result<std::int64_t> {
        HEARTH_TRY(const JsonCursor member, config.at(key));
        return member.integer(1, max);
    };
    HEARTH_TRY(c.vocab, count("vocab_size", kVocabSizeMax));
    HEARTH_TRY(c.d_model, count("hidden_size", kWidthMax));
    HEARTH_TRY(c.d_ff, config.integer_or("intermediate_size", 0, 1, kWidthMax));
    HEARTH_TRY(c.context_max, config.integer_or("max_position_embeddings", 2048, 1, kContextMax));
    HEARTH_TRY(const std::int64_t n_layers, count("num_hidden_layers", kLayersMax));
    c.n_layers = static_cast<int>(n_layers);
    HEARTH_TRY_STATUS(read_heads(config, *architecture, c));
    HEARTH_TRY(c.rms_eps, config.number_or(architecture->eps_key, architecture->eps_default));
    c.norm_plus = architecture->norm_plus;
    HEARTH_TRY(c.rope,
               read_hf_rope(config, architecture->theta_default, architecture->partial_rotary_default));
    if (architecture->partial_rotary_default == 1 && c.rope.partial != 1)
        return fail(Fault::unsupported, "{}/partial_rotary_factor: expected 1, saw {}", where,
                    c.rope.partial);
    HEARTH_TRY(c.tied_embeddings, whole.boolean_or("tie_word_embeddings", architecture->tied_default));
    HEARTH_TRY(c.tied_embeddings, config.boolean_or("tie_word_embeddings", c.tied_embeddings));
    HEARTH_TRY(c.attention_bias, config.boolean_or("attention_bias", false));
    c.output_bias = c.attention_bias;
    HEARTH_TRY(c.mlp_bias, config.boolean_or("mlp_bias", false));
    const std::string_view activations = architecture->activation;
    HEARTH_TRY(const std::string activation,
               config.string_or(architecture->activation_key, activations.substr(0, activations.find(' '))));
    if (!has_word(activations, activation))
        return fail(Fault::unsupported, "{}/{}: expected one of {}, saw \"{}\"", where,
                    architecture->activation_key, activations, activation);
    HEARTH_TRY_STATUS(read_ids(config, c));
    if (c.has_other_towers) HEARTH_TRY_STATUS(read_ids(whole, c));
    if (const auto quantization = whole.find("quantization_config")) {
        HEARTH_TRY_STATUS(read_quantization(*quantization, c));
    }
    // Saved from a base class: no head was.
    if (const auto classes = whole.find("architectures"); classes && classes->value().is_array()) {
        const auto first = classes->at(std::size_t{0});
        c.headless = first && first->value().is_string() && first->string()->ends_with("Model");
    }
    if (architecture->read_hf != nullptr) HEARTH_TRY_STATUS(architecture->read_hf(config, c));
    HEARTH_TRY_STATUS(check(c, where));
    return c;
}

}  // namespace hearth::models
