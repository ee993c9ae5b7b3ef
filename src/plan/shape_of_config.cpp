// plan/shape_of_config.cpp - weights and kept state by closed form from config.json. Sources: transformers'
// modeling files of each family; tests/plan/shape_test.cpp holds the sums to its classes.
#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <map>

#include "plan/model_shape.h"

namespace hearth::plan {
namespace {

// No real model comes near, and below them no sum here overflows.
constexpr std::int64_t kWidthMax = 1 << 18, kLayersMax = 1024, kCountMax = 4096;

enum class Experts { none, plain, gpt_oss, beside_mlp };

// What families differ in, beyond what their configs say.
struct Family {
    std::string_view model_type;
    bool qk_norm = false;
    int norms_a_layer = 2;              // of width d_model
    std::int64_t head_dim_default = 0;  // 0: hidden_size / heads
    bool tied_default = false;
    bool qkv_bias = false;     // whatever attention_bias says
    bool output_bias = false;  // with attention_bias
    bool gated_query = false;  // the query projection is twice as wide
    Experts experts = Experts::none;
    int window_pattern = 0;  // every n-th layer sees all, the others a window, when layer_types is absent
    int linear_pattern = 0;  // every n-th layer is attention, the others linear attention
};
constexpr Family kFamilies[] = {
    {.model_type = "llama", .output_bias = true},
    {.model_type = "mistral"},
    {.model_type = "ministral"},
    {.model_type = "ministral3"},
    {.model_type = "mixtral", .experts = Experts::plain},
    {.model_type = "qwen2", .qkv_bias = true},
    {.model_type = "qwen3", .qk_norm = true, .head_dim_default = 128, .output_bias = true},
    {.model_type = "qwen3_moe", .qk_norm = true, .output_bias = true, .experts = Experts::plain},
    {.model_type = "qwen3_next",
     .qk_norm = true,
     .head_dim_default = 256,
     .gated_query = true,
     .experts = Experts::plain,
     .linear_pattern = 4},
    {.model_type = "qwen3_5_text",
     .qk_norm = true,
     .head_dim_default = 256,
     .gated_query = true,
     .linear_pattern = 4},
    {.model_type = "qwen3_5_moe_text",
     .qk_norm = true,
     .head_dim_default = 256,
     .gated_query = true,
     .experts = Experts::plain,
     .linear_pattern = 4},
    {.model_type = "gemma3_text",
     .qk_norm = true,
     .norms_a_layer = 4,
     .head_dim_default = 256,
     .tied_default = true,
     .output_bias = true,
     .window_pattern = 6},
    {.model_type = "gemma4_text",
     .qk_norm = true,
     .norms_a_layer = 4,
     .head_dim_default = 256,
     .tied_default = true,
     .output_bias = true,
     .experts = Experts::beside_mlp,
     .window_pattern = 6},
    {.model_type = "gpt_oss",
     .head_dim_default = 64,
     .output_bias = true,
     .experts = Experts::gpt_oss,
     .window_pattern = 2},
    {.model_type = "deepseek_v3", .experts = Experts::plain},
    {.model_type = "glm4_moe", .experts = Experts::plain},
    {.model_type = "glm_moe_dsa", .experts = Experts::plain},
    {.model_type = "step3p5",
     .qk_norm = true,
     .head_dim_default = 128,
     .experts = Experts::plain,
     .window_pattern = 4},
};

const Family* find_family(std::string_view type) {
    for (const Family& family : kFamilies)
        if (family.model_type == type) return &family;
    return nullptr;
}

// A reader of one config that remembers its first error, so that sums can be written as sums.
class Reader {
  public:
    Reader(const JsonCursor& config, const Family& family) : config_(config), family_(family) {}
    std::int64_t count(std::string_view key, std::int64_t fallback, std::int64_t min = 0,
                       std::int64_t max = kCountMax) {
        const auto value = config_.integer_or(key, fallback, min, max);
        if (!value) {
            if (!error_) error_ = value.error();
            return fallback;
        }
        return *value;
    }
    std::int64_t needed(std::string_view key, std::int64_t max = kWidthMax) {
        if (!config_.find(key)) {
            if (!error_) error_ = config_.at(key).error();
            return 1;
        }
        return count(key, 1, 1, max);
    }
    bool flag(std::string_view key, bool fallback) {
        const auto value = config_.boolean_or(key, fallback);
        if (!value && !error_) error_ = value.error();
        return value.value_or(fallback);
    }
    Result<ModelShape> shape();

  private:
    struct Layer {
        std::string kind = "full_attention";
        std::int64_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
        bool is_sparse = false, shares_kv = false, chooses = false;  // chooses: has an indexer
    };
    void read_layers();
    void read_layer_types();
    void read_overrides();
    void mark_sparse_layers();
    void mark_shared_layers();
    void mark_choosing_layers();
    void add(Part part, std::int64_t n) { shape_.n_elems[static_cast<std::size_t>(part)] += n; }
    void add_attention(const Layer& layer);
    void add_latent_attention(const Layer& layer);
    void add_linear_attention();
    void add_ffn(const Layer& layer, std::size_t index);
    void add_experts();
    void keep(KeptState state);
    [[nodiscard]] bool has_experts() {
        return family_.experts != Experts::none &&
               (family_.experts != Experts::beside_mlp || flag("enable_moe_block", false));
    }
    [[nodiscard]] bool is(std::string_view type) const { return family_.model_type == type; }

    const JsonCursor& config_;
    const Family& family_;
    ModelShape shape_;
    std::vector<Layer> layers_;
    std::int64_t d_ = 0, window_ = 0;
    std::optional<Error> error_;
};

void Reader::read_layer_types() {
    const auto types = config_.find("layer_types");
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const auto nth = [&](int n) { return (i + 1) % static_cast<std::size_t>(n) == 0; };
        std::string& kind = layers_[i].kind;
        if (types && types->value().is_array() && i < types->value().get_array().size()) {
            if (const auto item = types->at(i)) kind = item->string().value_or("full_attention");
        } else if (family_.linear_pattern > 0) {
            const auto every = static_cast<int>(count("full_attention_interval", family_.linear_pattern, 1));
            if (!nth(every)) kind = "linear_attention";
        } else if (is("step3p5")) {  // the first of four sees all
            if (i % 4 != 0) kind = "sliding_attention";
        } else if (family_.window_pattern > 0) {
            const auto every = static_cast<int>(count("sliding_window_pattern", family_.window_pattern, 1));
            if (!nth(every)) kind = "sliding_attention";
        } else if (window_ > 0 && family_.model_type.starts_with("mi")) {  // mistral: every layer or none
            kind = "sliding_attention";
        }
    }
}

// Gemma 4 and Step say in per_layer_config what single layers have of their own.
void Reader::read_overrides() {
    const auto overrides = config_.find("per_layer_config");
    if (!overrides || !overrides->value().is_object()) return;
    for (const auto& [key, value] : overrides->value().get_object()) {
        std::size_t index = 0;
        const auto parsed = std::from_chars(key.data(), key.data() + key.size(), index);
        if (parsed.ec != std::errc() || index >= layers_.size() || !value.is_object()) continue;
        const JsonCursor own(value, fmt::format("{}/per_layer_config/{}", config_.where(), std::string(key)));
        Layer& layer = layers_[index];
        const auto read = [&](std::string_view name, std::int64_t& to) {
            const auto number = own.integer_or(name, to, 1, kCountMax);
            if (number)
                to = *number;
            else if (!error_)
                error_ = number.error();
        };
        read("head_dim", layer.head_dim);
        read("num_attention_heads", layer.n_heads);
        read("num_key_value_heads", layer.n_kv_heads);
    }
}

void Reader::mark_sparse_layers() {
    if (!has_experts()) return;
    const auto listed = config_.find("mlp_layer_types");
    const auto dense_only = config_.find("mlp_only_layers");
    const std::int64_t step = count("decoder_sparse_step", 1, 1);
    const std::int64_t first = count("first_k_dense_replace", is("step3p5") ? 3 : 0);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const auto index = static_cast<std::int64_t>(i);
        bool sparse = index >= first && (index + 1) % step == 0;
        if (dense_only && dense_only->value().is_array())
            for (const Json& layer : dense_only->value().get_array())
                sparse = sparse && !(layer.is_int64() && layer.get_int64() == index);
        if (listed && listed->value().is_array() && i < listed->value().get_array().size()) {
            const Json& kind = listed->value().get_array()[i];
            sparse = kind.is_string() && kind.get_string() == "sparse";
        }
        layers_[i].is_sparse = sparse;
    }
}

// Gemma 4: the last layers read the keys and values of the last layer of their kind before them.
void Reader::mark_shared_layers() {
    const std::int64_t shared = count("num_kv_shared_layers", 0);
    for (std::size_t i = 0; i < layers_.size(); ++i)
        layers_[i].shares_kv = static_cast<std::int64_t>(layers_.size() - i) <= shared;
}

// GLM-5: layers that choose the positions they and those after them see.
void Reader::mark_choosing_layers() {
    const auto pattern = config_.string_or("index_topk_pattern", "");
    const std::int64_t every = count("index_topk_freq", 1, 1), skip = count("index_skip_topk_offset", 2);
    const auto types = config_.find("indexer_types");
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const auto index = static_cast<std::int64_t>(i);
        layers_[i].chooses = std::max<std::int64_t>(index - skip + 1, 0) % every == 0;
        if (pattern && i < pattern->size()) layers_[i].chooses = (*pattern)[i] == 'F';
        if (types && types->value().is_array() && i < types->value().get_array().size()) {
            const Json& type = types->value().get_array()[i];
            layers_[i].chooses = type.is_string() && type.get_string() == "full";
        }
    }
}

void Reader::read_layers() {
    Layer plain;
    plain.n_heads = needed("num_attention_heads", kCountMax);
    plain.n_kv_heads = count("num_key_value_heads", plain.n_heads, 1, kCountMax);
    const std::int64_t own = family_.head_dim_default > 0 ? family_.head_dim_default : d_ / plain.n_heads;
    plain.head_dim = count("head_dim", std::clamp<std::int64_t>(own, 1, kCountMax), 1, kCountMax);
    layers_.assign(static_cast<std::size_t>(needed("num_hidden_layers", kLayersMax)), plain);
    if (config_.find("sliding_window") && flag("use_sliding_window", true))
        window_ = count("sliding_window", 0, 0, std::int64_t{1} << 26);
    read_layer_types();
    if (is("gemma4_text")) layers_.back().kind = "full_attention";  // as its class has it
    const std::int64_t global_dim = count("global_head_dim", 0),
                       sliding_heads = count("num_sliding_attention_heads", 0);
    const std::int64_t global_kv = count("num_global_key_value_heads", 0);
    for (Layer& layer : layers_) {
        const bool full = layer.kind == "full_attention";
        if (global_dim > 0 && full) layer.head_dim = global_dim;
        if (global_kv > 0 && full) layer.n_kv_heads = global_kv;
        if (sliding_heads > 0 && !full) layer.n_heads = sliding_heads;
    }
    read_overrides();
    mark_sparse_layers();
    mark_shared_layers();
    if (is("glm_moe_dsa")) mark_choosing_layers();
}

void Reader::keep(KeptState state) {
    for (KeptState& kept : shape_.states) {
        state.n_layers = kept.n_layers;
        if (kept == state) {
            ++kept.n_layers;
            return;
        }
    }
    state.n_layers = 1;
    shape_.states.push_back(std::move(state));
}

void Reader::add_attention(const Layer& layer) {
    const std::int64_t q = layer.n_heads * layer.head_dim, kv = layer.n_kv_heads * layer.head_dim;
    const bool bias = flag("attention_bias", is("gpt_oss"));
    add(Part::attention, d_ * q * (family_.gated_query ? 2 : 1) + q * d_);
    const bool values_are_keys = layer.kind == "full_attention" && flag("attention_k_eq_v", false);
    if (!layer.shares_kv) add(Part::attention, (values_are_keys ? 1 : 2) * d_ * kv);
    if (bias || family_.qkv_bias) add(Part::other, q + 2 * kv);
    if (bias && family_.output_bias) add(Part::other, d_);
    if (is("gpt_oss")) add(Part::other, layer.n_heads);           // sinks
    if (is("step3p5")) add(Part::attention, d_ * layer.n_heads);  // a gate a head
    const bool normed = family_.qk_norm || (is("glm4_moe") && flag("use_qk_norm", false));
    if (normed) add(Part::other, layer.head_dim * (layer.shares_kv ? 1 : 2));
    shape_.attention_width += q;
    if (layer.shares_kv) return;
    // An embedder's window reaches ahead too: a text is one step, and all of it is kept.
    const bool ahead = is("gemma3_text") && flag("use_bidirectional_attention", false);
    const bool sliding = layer.kind == "sliding_attention" && window_ > 0 && !ahead;
    keep({.kind = sliding ? "sliding window" : "attention",
          .elems_per_position = 2 * kv,
          .window = sliding ? window_ : 0,
          .n_kv_heads = static_cast<int>(layer.n_kv_heads),
          .head_dim = static_cast<int>(layer.head_dim)});
}

// Multi-head latent attention: what is kept is the latent and one rotated key for all heads.
void Reader::add_latent_attention(const Layer& layer) {
    const std::int64_t rank = needed("kv_lora_rank"), rope = needed("qk_rope_head_dim", kCountMax);
    const std::int64_t nope = needed("qk_nope_head_dim", kCountMax), value = needed("v_head_dim", kCountMax);
    const std::int64_t q_rank = count("q_lora_rank", 0, 0, kWidthMax), q = layer.n_heads * (nope + rope);
    if (q_rank > 0) {
        add(Part::attention, d_ * q_rank + q_rank * q);
        add(Part::other, q_rank);
    } else {
        add(Part::attention, d_ * q);
    }
    add(Part::attention,
        d_ * (rank + rope) + rank * layer.n_heads * (nope + value) + layer.n_heads * value * d_);
    add(Part::other, rank);
    if (flag("attention_bias", false)) add(Part::other, q_rank + rank + rope + d_);
    std::int64_t indexer = 0;
    if (layer.chooses) {
        indexer = count("index_head_dim", 128);
        const std::int64_t heads = count("index_n_heads", 32);
        add(Part::attention, q_rank * heads * indexer + d_ * indexer + d_ * heads);
        add(Part::other, 2 * indexer);
    }
    shape_.attention_width += q;
    keep({.kind = "latent", .elems_per_position = rank + rope + indexer});
}

void Reader::add_linear_attention() {
    const std::int64_t n_keys = count("linear_num_key_heads", 16, 1),
                       n_values = count("linear_num_value_heads", 32, 1);
    const std::int64_t key = count("linear_key_head_dim", 128, 1),
                       value = count("linear_value_head_dim", 128, 1);
    const std::int64_t kernel = count("linear_conv_kernel_dim", 4, 1);
    const std::int64_t conv = 2 * n_keys * key + n_values * value;
    add(Part::attention, d_ * (conv + n_values * value) + n_values * value * d_);
    add(Part::other, 2 * d_ * n_values + conv * kernel + 2 * n_values + value);
    shape_.is_hybrid = true;
    const models::DeltaSpec spec = {.k_heads = static_cast<int>(n_keys),
                                    .v_heads = static_cast<int>(n_values),
                                    .k_dim = static_cast<int>(key),
                                    .v_dim = static_cast<int>(value),
                                    .taps = static_cast<int>(kernel)};
    keep({.kind = "linear attention",
          .state_elems = n_values * key * value + conv * kernel,
          .recurrent_floats = spec.state_floats()});
}

void Reader::add_experts() {
    const std::int64_t n = shape_.n_experts;
    const std::int64_t width =
        config_.find("moe_intermediate_size") ? needed("moe_intermediate_size") : needed("intermediate_size");
    add(Part::experts, 3 * n * d_ * width);
    add(Part::router, n * d_);
    if (family_.experts == Experts::gpt_oss) {
        add(Part::other, n * (2 * width + d_));  // biases
        add(Part::router, n);
    }
    // A router's own scales, a scale an expert, and three norms more.
    if (family_.experts == Experts::beside_mlp) {
        add(Part::router, d_ + n);
        add(Part::other, 3 * d_);
    }
    // Biases that choose experts and do not weigh them.
    if (is("deepseek_v3") || is("glm4_moe") || is("glm_moe_dsa") || is("step3p5")) add(Part::router, n);
    const std::int64_t one = count("shared_expert_intermediate_size", 0, 0, kWidthMax);
    const std::int64_t shared = one > 0         ? one
                                : is("step3p5") ? count("share_expert_dim", width, 0, kWidthMax)
                                                : count("n_shared_experts", 0, 0, 256) * width;
    add(Part::shared_experts, 3 * d_ * shared);
    if (one > 0) add(Part::other, d_);  // the shared expert's gate
}

void Reader::add_ffn(const Layer& layer, std::size_t index) {
    if (layer.is_sparse) add_experts();
    if (layer.is_sparse && family_.experts != Experts::beside_mlp) return;
    std::int64_t width = needed("intermediate_size");
    if (flag("use_double_wide_mlp", false) && layers_[index].shares_kv) width *= 2;
    add(Part::ffn, 3 * d_ * width);
    if (flag("mlp_bias", false)) add(Part::other, 2 * width + d_);
    shape_.d_ff = std::max(shape_.d_ff, width);
}

Result<ModelShape> Reader::shape() {
    d_ = needed("hidden_size");
    shape_.family = family_.model_type;
    shape_.d_model = d_;
    shape_.vocab = needed("vocab_size", 1 << 24);
    shape_.context_max = count("max_position_embeddings", 2048, 1, std::int64_t{1} << 26);
    shape_.tied = flag("tie_word_embeddings", family_.tied_default);
    if (has_experts())
        for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"})
            if (config_.find(key)) shape_.n_experts = static_cast<int>(count(key, 0, 1, kCountMax));
    shape_.n_experts_used =
        shape_.n_experts > 0
            ? static_cast<int>(
                  count(is("gemma4_text") ? "top_k_experts" : "num_experts_per_tok", 1, 1, shape_.n_experts))
            : 0;
    read_layers();
    shape_.n_layers = static_cast<int>(layers_.size());
    add(Part::embedding, shape_.vocab * d_);
    if (!shape_.tied) add(Part::head, shape_.vocab * d_);
    add(Part::other, d_);
    const bool latent = config_.find("kv_lora_rank").has_value();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        add(Part::other, family_.norms_a_layer * d_);
        if (layers_[i].kind == "linear_attention")
            add_linear_attention();
        else if (latent)
            add_latent_attention(layers_[i]);
        else
            add_attention(layers_[i]);
        add_ffn(layers_[i], i);
    }
    if (is("gemma4_text")) {
        const std::int64_t own = count("hidden_size_per_layer_input", 256), n = shape_.n_layers;
        add(Part::embedding, count("vocab_size_per_layer_input", shape_.vocab, 0, 1 << 24) * n * own);
        if (own > 0) add(Part::ffn, d_ * n * own + 2 * n * d_ * own);
        if (own > 0) add(Part::other, own + n * d_);
        add(Part::other, n);  // a scalar a layer
    }
    if (error_) return fail(*error_);
    return shape_;
}

}  // namespace

std::string planned_families() {
    std::string out;
    for (const Family& family : kFamilies) out.append(out.empty() ? "" : ", ").append(family.model_type);
    return out;
}

Result<ModelShape> shape_of_config(const Json& json, const std::string& where) {
    const JsonCursor outer(json, where);
    // Models that see hold their language model's config inside.
    const auto inner = outer.find("text_config");
    const JsonCursor& config = inner ? *inner : outer;
    HEARTH_TRY(const JsonCursor type_at, config.at("model_type"));
    HEARTH_TRY(std::string type, type_at.string());
    static const std::map<std::string, std::string> kAlso = {
        {"qwen3_5", "qwen3_5_text"}, {"qwen3_5_moe", "qwen3_5_moe_text"},
        {"gemma3", "gemma3_text"},   {"gemma4", "gemma4_text"},
        {"step3p7", "step3p5"},      {"qwen2_5", "qwen2"}};
    if (const auto also = kAlso.find(type); also != kAlso.end()) type = also->second;
    const Family* family = find_family(type);
    if (family == nullptr)
        return fail(Fault::unsupported, "{}: expected one of {}, saw \"{}\"", type_at.where(),
                    planned_families(), type);
    return Reader(config, *family).shape();
}

}  // namespace hearth::plan
