// models/blocks.cpp - attention, MLP and experts as programs; the config keys that go with them.
#include "models/blocks.h"

#include <algorithm>

namespace hearth::models {

AttentionShape attention_shape(const ModelConfig& c, int layer) {
    const bool full = c.window_of(layer) == 0;
    return {.n_heads = full || c.sliding_heads == 0 ? c.n_heads : c.sliding_heads,
            .n_kv_heads = full && c.full_kv_heads > 0 ? c.full_kv_heads : c.n_kv_heads,
            .head_dim = full && c.full_head_dim > 0 ? c.full_head_dim : c.head_dim,
            .window = c.window_of(layer),
            .scale = static_cast<float>(c.query_scale),
            .causal = !c.bidirectional};
}

void attention_block(ProgramBuilder& b, const ModelConfig& c, ValueId x, const AttentionBlock& block) {
    const int qkv = b.new_fused_group();
    const std::int64_t q_width = block.shape.q_width(), kv_width = block.shape.kv_width();
    const ValueId h = b.rms_norm("h", x, "input_layernorm.weight");
    const ValueId q = b.linear("q", h, "self_attn.q_proj", Role::attn_q, q_width, c.attention_bias, qkv);
    const ValueId k = b.linear("k", h, "self_attn.k_proj", Role::attn_k, kv_width, c.attention_bias, qkv);
    const ValueId v = b.linear("v", h, "self_attn.v_proj", Role::attn_v, kv_width, c.attention_bias, qkv);
    if (block.qk_norm) {
        b.head_norm(q, "self_attn.q_norm.weight", block.shape.head_dim);
        b.head_norm(k, "self_attn.k_norm.weight", block.shape.head_dim);
    }
    b.rope(q, rope_of(c, b.layer()));
    b.rope(k, rope_of(c, b.layer()));
    if (c.query_scale_beta > 0) b.scale_queries(q, c.query_scale_beta, c.query_scale_period);
    const ValueId attended = b.attention("attended", q, k, v, block.shape, block.sinks);
    const ValueId out =
        b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, c.output_bias);
    b.add(x, block.post_norm.empty() ? out : b.rms_norm("h", out, block.post_norm));
}

Program llama_program(const ModelConfig& config) {
    return decoder(config, [](ProgramBuilder& b, const ModelConfig& c, ValueId x) {
        attention_block(b, c, x, {.shape = attention_shape(c, b.layer()), .qk_norm = c.qk_norm});
        dense_block(b, c, x, {});
    });
}

ValueId mlp(ProgramBuilder& b, const ModelConfig& c, ValueId h, const Mlp& spec) {
    const int gate_up = b.new_fused_group();
    const std::int64_t d_ff = spec.d_ff > 0 ? spec.d_ff : c.d_ff;
    const auto named = [&](std::string_view part) { return fmt::format("{}.{}", spec.module, part); };
    const ValueId gate = b.linear("gate", h, named("gate_proj"), Role::ffn_gate, d_ff, c.mlp_bias, gate_up);
    const ValueId up = b.linear("up", h, named("up_proj"), Role::ffn_up, d_ff, c.mlp_bias, gate_up);
    return b.linear("mlp_out", b.swiglu("gate", gate, up, spec.activation, spec.limit), named("down_proj"),
                    Role::ffn_down, c.d_model, c.mlp_bias);
}

void dense_block(ProgramBuilder& b, const ModelConfig& c, ValueId x, const Mlp& spec, std::string_view norm,
                 std::string_view post_norm) {
    const ValueId out = mlp(b, c, b.rms_norm("h", x, norm), spec);
    b.add(x, post_norm.empty() ? out : b.rms_norm("h", out, post_norm));
}

ValueId routed_experts(ProgramBuilder& b, const ModelConfig& c, ValueId h, const RoutedExperts& spec) {
    const ValueId scores =
        b.linear("scores", h, spec.router, Role::router, c.router.n_experts, spec.router_has_bias);
    return b.experts("experts", h, scores, spec.experts,
                     {.router = c.router,
                      .activation = spec.activation,
                      .limit = spec.limit > 0 ? spec.limit : c.expert_limit,
                      .has_bias = spec.expert_bias,
                      .gated = spec.gated,
                      .d_ff = c.expert_d_ff},
                     spec.router_bias);
}

Status read_qwen_window(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(const bool sliding, config.boolean_or("use_sliding_window", false));
    if (!sliding) return {};
    HEARTH_TRY(c.window, read_count(config, "sliding_window", 4096, static_cast<int>(kContextMax)));
    HEARTH_TRY(const std::int64_t first, config.integer_or("max_window_layers", 28, 0, kLayersMax));
    return read_sliding(config, c, [first](int layer) { return layer >= first; });
}

Status read_sparse_steps(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(const int step, read_count(config, "decoder_sparse_step", 1, kLayersMax));
    c.sparse.assign(static_cast<std::size_t>(c.n_layers), false);
    for (int i = 0; i < c.n_layers; ++i) c.sparse[static_cast<std::size_t>(i)] = (i + 1) % step == 0;
    const auto dense = config.find("mlp_only_layers");
    if (!dense) return {};
    HEARTH_TRY(const std::size_t n, dense->array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor at, dense->at(i));
        HEARTH_TRY(const std::int64_t layer, at.integer(0, kLayersMax));
        if (layer < c.n_layers) c.sparse[static_cast<std::size_t>(layer)] = false;
    }
    return {};
}

Status read_sigmoid_router(const JsonCursor& config, ModelConfig& c, const SigmoidRouterDefaults& defaults) {
    RouterConfig& r = c.router;
    r.scoring = RouterConfig::Scoring::sigmoid;
    r.epsilon = 1e-20;
    HEARTH_TRY(r.n_experts, read_count(config, "n_routed_experts", defaults.n_experts, kExpertsMax));
    HEARTH_TRY(r.n_experts, read_count(config, "num_local_experts", r.n_experts, kExpertsMax));
    HEARTH_TRY(r.top_k, read_count(config, "num_experts_per_tok", 8, kExpertsMax));
    HEARTH_TRY(r.renormalise, config.boolean_or("norm_topk_prob", true));
    HEARTH_TRY(r.scale, config.number_or("routed_scaling_factor", defaults.scale));
    HEARTH_TRY(r.n_groups, read_count(config, "n_group", defaults.n_groups, kExpertsMax));
    HEARTH_TRY(r.groups_kept, read_count(config, "topk_group", defaults.groups_kept, kExpertsMax));
    HEARTH_TRY(c.expert_d_ff, config.integer_or("moe_intermediate_size", defaults.expert_d_ff, 1, kWidthMax));
    HEARTH_TRY(const int shared, read_count(config, "n_shared_experts", 1, kExpertsMax));
    c.shared_expert_d_ff = c.expert_d_ff * shared;
    HEARTH_TRY(const std::int64_t first,
               config.integer_or("first_k_dense_replace", defaults.first_sparse, 0, kLayersMax));
    for (int i = 0; i < c.n_layers; ++i) c.sparse.push_back(i >= first);
    const auto kinds = config.find("mlp_layer_types");
    if (!kinds) return {};
    HEARTH_TRY(const std::size_t n, kinds->array_size());
    for (std::size_t i = 0; i < std::min(n, c.sparse.size()); ++i) {
        HEARTH_TRY(const JsonCursor kind, kinds->at(i));
        HEARTH_TRY(const std::string text, kind.string());
        c.sparse[i] = text == "sparse";
    }
    return {};
}

Status read_gguf_router(const GgufKeys& keys, ModelConfig& c) {
    RouterConfig& r = c.router;
    HEARTH_TRY(const std::int64_t n_experts, keys.integer("expert_count", kExpertsMax));
    HEARTH_TRY(const std::int64_t top_k, keys.integer("expert_used_count", kExpertsMax));
    HEARTH_TRY(c.expert_d_ff, keys.integer_or("expert_feed_forward_length", c.d_ff, kWidthMax));
    HEARTH_TRY(const std::int64_t gating, keys.integer_or("expert_gating_func", 1, 4));
    HEARTH_TRY(const std::int64_t shared, keys.integer_or("expert_shared_count", 1, kExpertsMax));
    HEARTH_TRY(const std::int64_t groups, keys.integer_or("expert_group_count", 1, kExpertsMax));
    HEARTH_TRY(const std::int64_t kept, keys.integer_or("expert_group_used_count", groups, kExpertsMax));
    HEARTH_TRY(c.shared_expert_d_ff,
               keys.integer_or("expert_shared_feed_forward_length", c.expert_d_ff * shared, kWidthMax));
    HEARTH_TRY(r.scale, keys.number_or("expert_weights_scale", 1));
    r.n_experts = static_cast<int>(n_experts);
    r.top_k = static_cast<int>(top_k);
    r.n_groups = static_cast<int>(groups);
    r.groups_kept = static_cast<int>(kept);
    const bool sigmoid = gating == 2;  // llama.cpp's LLAMA_EXPERT_GATING_FUNC_TYPE_SIGMOID
    r.scoring = sigmoid ? RouterConfig::Scoring::sigmoid : RouterConfig::Scoring::softmax;
    r.epsilon = sigmoid ? 1e-20 : 0;
    HEARTH_TRY(r.renormalise, keys.boolean_or("expert_weights_norm", true));
    find_sparse_layers(keys.file(), c);
    return {};
}

Status read_gguf_encoder(const GgufKeys& keys, ModelConfig& c) {
    const formats::GgufEntry* types = keys.file().find("token_types.weight");
    c.type_vocab = types == nullptr || types->shape.rank() != 2 ? 1 : types->shape[0];
    c.bidirectional = c.headless = true;
    return {};
}

void drop_gguf_mtp(const GgufKeys& keys, ModelConfig& c) {
    const auto extra = keys.integer_or("nextn_predict_layers", 0, kLayersMax);
    if (extra && *extra < c.n_layers) c.n_layers -= static_cast<int>(*extra);
}

void find_sparse_layers(const formats::Gguf& file, ModelConfig& c) {
    c.sparse.assign(static_cast<std::size_t>(c.n_layers), false);
    for (int i = 0; i < c.n_layers; ++i)
        c.sparse[static_cast<std::size_t>(i)] =
            file.find(fmt::format("blk.{}.ffn_gate_inp.weight", i)) != nullptr;
}

}  // namespace hearth::models
