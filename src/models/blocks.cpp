// models/blocks.cpp - attention, MLP and experts as programs; the config keys that go with them.
#include "models/blocks.h"

namespace hearth::models {

AttentionShape attention_shape(const ModelConfig& c, int layer) {
    return {.n_heads = c.n_heads,
            .n_kv_heads = c.n_kv_heads,
            .head_dim = c.head_dim,
            .window = c.window_of(layer)};
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
    b.rope(q, block.rope);
    b.rope(k, block.rope);
    if (c.query_scale_beta > 0) b.scale_queries(q, c.query_scale_beta, c.query_scale_period);
    const ValueId attended = b.attention("attended", q, k, v, block.shape, block.sinks);
    b.add(x, b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, c.output_bias));
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

void dense_block(ProgramBuilder& b, const ModelConfig& c, ValueId x, const Mlp& spec) {
    b.add(x, mlp(b, c, b.rms_norm("h", x, "post_attention_layernorm.weight"), spec));
}

ValueId routed_experts(ProgramBuilder& b, const ModelConfig& c, ValueId h, const RoutedExperts& spec) {
    const ValueId scores =
        b.linear("scores", h, spec.router, Role::router, c.router.n_experts, spec.router_has_bias);
    return b.experts("experts", h, scores, spec.experts,
                     {.router = c.router,
                      .activation = spec.activation,
                      .limit = spec.limit,
                      .has_bias = spec.expert_bias,
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

void find_sparse_layers(const formats::Gguf& file, ModelConfig& c) {
    c.sparse.assign(static_cast<std::size_t>(c.n_layers), false);
    for (int i = 0; i < c.n_layers; ++i)
        c.sparse[static_cast<std::size_t>(i)] =
            file.find(fmt::format("blk.{}.ffn_gate_inp.weight", i)) != nullptr;
}

}  // namespace hearth::models
