// models/arch/step3p5.cpp - Step 3.5 and the text trunk of 3.7: more heads in layers with a window, a gate a
// head on what attention gives, clamped activations, experts with a shared one. Source: transformers,
// models/step3p7.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

// A number, or the entry of a list for this layer: published files have lists over all layers.
Result<double> number_of_layer(const JsonCursor& config, std::string_view key, int layer, double fallback) {
    const auto value = config.find(key);
    if (!value) return fallback;
    if (!value->value().is_array()) return value->number();
    HEARTH_TRY(const std::size_t n, value->array_size());
    if (static_cast<std::size_t>(layer) >= n) return fallback;
    HEARTH_TRY(const JsonCursor entry, value->at(static_cast<std::size_t>(layer)));
    if (entry.is_null()) return 0.0;
    return entry.number();
}

// Each kind of layer rotates in its own way; scaling reaches those without a window alone.
Status read_ropes(const JsonCursor& config, ModelConfig& c) {
    const auto nested = config.find("rope_parameters");
    for (const bool sliding : {false, true}) {
        const auto first = std::find(c.sliding.begin(), c.sliding.end(), sliding);
        if (first == c.sliding.end()) continue;
        const std::string_view type = sliding ? "sliding_attention" : "full_attention";
        RopeConfig rope;
        if (nested && nested->find(type)) {
            HEARTH_TRY(rope, read_hf_rope(config, 10000, 1, type));
        } else {
            const int layer = static_cast<int>(first - c.sliding.begin());
            if (!sliding) {
                HEARTH_TRY(rope, read_hf_rope(config, 10000, 1));
            }
            HEARTH_TRY(rope.theta, number_of_layer(config, "rope_theta", layer, 10000));
            HEARTH_TRY(rope.partial, number_of_layer(config, "partial_rotary_factors", layer, 1));
            HEARTH_TRY_STATUS(check_rope(rope, config.where()));
        }
        if (sliding)
            c.local_rope = rope;
        else
            c.rope = rope;
    }
    return {};
}

Status read_sliding_heads(const JsonCursor& config, ModelConfig& c) {
    c.sliding_heads = c.n_heads;
    if (const auto other = config.find("attention_other_setting")) {
        HEARTH_TRY(c.sliding_heads, read_count(*other, "num_attention_heads", c.n_heads, kHeadsMax));
    }
    HEARTH_TRY(c.sliding_heads,
               read_count(config, "num_sliding_attention_heads", c.sliding_heads, kHeadsMax));
    if (c.sliding_heads % c.n_kv_heads != 0)
        return fail(Fault::out_of_range, "{}: expected heads in whole multiples of {} key heads, saw {}",
                    config.where(), c.n_kv_heads, c.sliding_heads);
    return {};
}

// "3,4,5" or a list of numbers.
Status read_sparse_layers(const JsonCursor& config, ModelConfig& c) {
    for (int i = 0; i < c.n_layers; ++i) c.sparse.push_back(i >= 3);
    if (const auto kinds = config.find("mlp_layer_types")) {
        HEARTH_TRY(const std::size_t n, kinds->array_size());
        for (std::size_t i = 0; i < std::min(n, c.sparse.size()); ++i) {
            HEARTH_TRY(const JsonCursor kind, kinds->at(i));
            HEARTH_TRY(const std::string text, kind.string());
            c.sparse[i] = text == "sparse";
        }
        return {};
    }
    const auto listed = config.find("moe_layers_enum");
    if (!listed) return {};
    std::fill(c.sparse.begin(), c.sparse.end(), false);
    if (listed->value().is_array()) {
        HEARTH_TRY(const std::size_t n, listed->array_size());
        for (std::size_t i = 0; i < n; ++i) {
            HEARTH_TRY(const JsonCursor entry, listed->at(i));
            HEARTH_TRY(const std::int64_t layer, entry.integer(0, kLayersMax));
            if (layer < c.n_layers) c.sparse[static_cast<std::size_t>(layer)] = true;
        }
        return {};
    }
    HEARTH_TRY(const std::string text, listed->string());
    const char *at = text.data(), *end = text.data() + text.size();
    while (at < end) {
        std::size_t layer = 0;
        const auto read = std::from_chars(at, end, layer);
        if (read.ec == std::errc() && layer < c.sparse.size()) c.sparse[layer] = true;
        at = read.ec == std::errc() ? read.ptr : at + 1;
        while (at < end && (*at == ',' || *at == ' ')) ++at;
    }
    return {};
}

Status read_experts(const JsonCursor& config, ModelConfig& c) {
    RouterConfig& r = c.router;
    r.scoring = RouterConfig::Scoring::sigmoid;
    r.renormalise = true;
    HEARTH_TRY(r.n_experts, read_count(config, "moe_num_experts", 288, kExpertsMax));
    HEARTH_TRY(r.n_experts, read_count(config, "n_routed_experts", r.n_experts, kExpertsMax));
    HEARTH_TRY(r.top_k, read_count(config, "moe_top_k", 8, kExpertsMax));
    HEARTH_TRY(r.top_k, read_count(config, "num_experts_per_tok", r.top_k, kExpertsMax));
    HEARTH_TRY(r.scale, config.number_or("moe_router_scaling_factor", 1));
    HEARTH_TRY(c.expert_d_ff, config.integer_or("moe_intermediate_size", 1280, 1, kWidthMax));
    HEARTH_TRY(c.shared_expert_d_ff, config.integer_or("share_expert_dims", 1280, 1, kWidthMax));
    HEARTH_TRY(c.shared_expert_d_ff,
               config.integer_or("share_expert_dim", c.shared_expert_d_ff, 1, kWidthMax));
    for (int i = 0; i < c.n_layers; ++i) {
        HEARTH_TRY(const double routed, number_of_layer(config, "swiglu_limits", i, 0));
        HEARTH_TRY(const double shared, number_of_layer(config, "swiglu_limits_shared", i, 0));
        c.expert_limits.push_back(static_cast<float>(std::max(routed, 0.0)));
        c.mlp_limits.push_back(static_cast<float>(std::max(shared, 0.0)));
    }
    return read_sparse_layers(config, c);
}

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    c.attention_bias = c.output_bias = c.mlp_bias = false;
    HEARTH_TRY(c.n_kv_heads, read_count(config, "num_attention_groups", c.n_kv_heads, kHeadsMax));
    HEARTH_TRY(const std::int64_t window, config.integer_or("sliding_window", 0, 1, kContextMax));
    c.window = static_cast<int>(window);
    HEARTH_TRY_STATUS(read_sliding(config, c, [](int) { return false; }));
    HEARTH_TRY_STATUS(read_sliding_heads(config, c));
    HEARTH_TRY_STATUS(read_ropes(config, c));
    HEARTH_TRY(const double scalar, config.number_or("query_pre_attn_scalar", c.head_dim));
    if (!(scalar > 0))
        return fail(Fault::out_of_range, "{}/query_pre_attn_scalar: expected a positive number, saw {}",
                    config.where(), scalar);
    c.query_scale = 1 / std::sqrt(scalar);
    return read_experts(config, c);
}

// Source: llama.cpp's converter, conversion/step3.py. Files do not say that full layers rotate half of a
// head; their divisors are for all of it.
Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    drop_gguf_mtp(keys, c);
    HEARTH_TRY(const std::int64_t window, keys.integer("attention.sliding_window", kContextMax));
    HEARTH_TRY(const auto sliding, keys.of_layers("attention.sliding_window_pattern", c.n_layers));
    HEARTH_TRY(const auto heads, keys.of_layers("attention.head_count", c.n_layers));
    HEARTH_TRY(const auto limits, keys.of_layers("swiglu_clamp_exp", c.n_layers));
    HEARTH_TRY(const auto shared_limits, keys.of_layers("swiglu_clamp_shexp", c.n_layers));
    if (sliding.empty())
        return fail(Fault::corrupt, "{}: expected sliding_window_pattern, saw none", keys.where());
    c.window = static_cast<int>(window);
    c.n_heads = c.sliding_heads = 0;
    for (std::size_t i = 0; i < sliding.size(); ++i) {
        if (!(heads[i] >= 1 && heads[i] <= kHeadsMax) || static_cast<int>(heads[i]) % c.n_kv_heads != 0)
            return fail(Fault::out_of_range, "{}: expected heads in whole multiples of {} key heads, saw {}",
                        keys.where(), c.n_kv_heads, heads[i]);
        c.sliding.push_back(sliding[i] != 0);
        (sliding[i] != 0 ? c.sliding_heads : c.n_heads) = static_cast<int>(heads[i]);
        const auto limit = [&](const std::vector<double>& of) {
            return static_cast<float>(of.empty() ? 0 : std::max(of[i], 0.0));
        };
        c.expert_limits.push_back(limit(limits));
        c.mlp_limits.push_back(limit(shared_limits));
    }
    if (c.n_heads == 0) c.n_heads = c.sliding_heads;
    c.rope.partial = 0.5;
    auto& divisors = c.rope.frequency_divisors;
    if (!divisors.empty()) divisors.resize(static_cast<std::size_t>(rotary_pairs(c.rope, c.head_dim)));
    RopeConfig local;
    HEARTH_TRY(local.theta, keys.number_or("rope.freq_base_swa", 10000));
    HEARTH_TRY_STATUS(check_rope(local, keys.where()));
    c.local_rope = local;
    HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    c.router.scoring = RouterConfig::Scoring::sigmoid;
    c.router.epsilon = 0;
    return {};
}

void attention(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const AttentionShape shape = attention_shape(c, b.layer());
    const int qkv = b.new_fused_group(), rope = rope_of(c, b.layer());
    const ValueId h = b.rms_norm("h", x, "input_layernorm.weight");
    const ValueId q = b.linear("q", h, "self_attn.q_proj", Role::attn_q, shape.q_width(), false, qkv);
    const ValueId k = b.linear("k", h, "self_attn.k_proj", Role::attn_k, shape.kv_width(), false, qkv);
    const ValueId v = b.linear("v", h, "self_attn.v_proj", Role::attn_v, shape.kv_width(), false, qkv);
    const ValueId gate = b.linear("head_gate", h, "self_attn.g_proj", Role::attn_gate, shape.n_heads, false);
    b.head_norm(q, "self_attn.q_norm.weight", shape.head_dim);
    b.head_norm(k, "self_attn.k_norm.weight", shape.head_dim);
    b.rope(q, rope);
    b.rope(k, rope);
    const ValueId attended = b.attention("attended", q, k, v, shape);
    b.gate(attended, gate);
    b.add(x, b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, false));
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention(b, c, x);
    const auto at = static_cast<std::size_t>(b.layer());
    if (!c.is_sparse(b.layer())) return dense_block(b, c, x, {.limit = c.mlp_limits[at]});
    const ValueId h = b.rms_norm("h", x, "post_attention_layernorm.weight");
    b.add(x, routed_experts(b, c, h,
                            {.router = "moe.gate",
                             .experts = "moe",
                             .router_bias = "moe.router_bias",
                             .limit = c.expert_limits[at]}));
    b.add(x,
          mlp(b, c, h, {.module = "share_expert", .d_ff = c.shared_expert_d_ff, .limit = c.mlp_limits[at]}));
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

constexpr ModuleNames kModules[] = {
    {"self_attn.g_proj", "attn_gate"},
    {"moe.gate", "ffn_gate_inp"},
    {"moe.router_bias", "exp_probs_b.bias"},
    {"moe.gate_proj", "ffn_gate_exps"},
    {"moe.up_proj", "ffn_up_exps"},
    {"moe.down_proj", "ffn_down_exps"},
    {"share_expert.gate_proj", "ffn_gate_shexp"},
    {"share_expert.up_proj", "ffn_up_shexp"},
    {"share_expert.down_proj", "ffn_down_shexp"},
    {"shared_head.head", "nextn.shared_head_head"},
};
constexpr KeyNames kDraftModules[] = {
    {"transformer.shared_head.norm", "shared_head.norm"},
    {"transformer.shared_head.output", "shared_head.head"},
};

}  // namespace

extern const Architecture k_step3p5;
const Architecture k_step3p5 = {.name = "step3p5",
                                .hf_class = "Step3p7ForConditionalGeneration",
                                .model_types = "step3p5 step3p7",
                                .gguf_names = "step35",
                                .head_dim_default = 128,
                                .kv_heads_default = 8,
                                .eps_default = 1e-5,
                                .norm_plus = 1,
                                .read_hf = read_hf,
                                .read_gguf = read_gguf,
                                .gguf_modules = kModules,
                                .build = build,
                                .draft_layer = layer,
                                .draft_modules = kDraftModules,
                                .notes = "text part of Step 3.5 and 3.7; multi-token prediction"};

}  // namespace hearth::models
