// models/delta_blocks.cpp - the two kinds of layers of Qwen3-Next and Qwen3.5, and the config keys that go
// with them. Sources: transformers, models/qwen3_next/modeling_qwen3_next.py and
// models/qwen3_5/modeling_qwen3_5.py.
#include "models/blocks.h"

namespace hearth::models {
namespace {

DeltaSpec spec_of(const ModelConfig& c) {
    const auto& l = c.linear;
    return {.k_heads = l.k_heads,
            .v_heads = l.v_heads,
            .k_dim = l.k_dim,
            .v_dim = l.v_dim,
            .taps = l.taps,
            .tiled = l.tiled,
            .decay_is_ready = l.decay_is_ready};
}

// Rows that stand in groups of one key head, each group made of parts of `sizes` rows: part by part over all
// groups.
std::vector<std::int32_t> ungrouped(int n_groups, std::initializer_list<std::int64_t> sizes) {
    std::vector<std::int32_t> order;
    std::int64_t group = 0, offset = 0;
    for (const std::int64_t size : sizes) group += size;
    for (const std::int64_t size : sizes) {
        for (std::int64_t g = 0; g < n_groups; ++g)
            for (std::int64_t r = 0; r < size; ++r)
                order.push_back(static_cast<std::int32_t>(g * group + offset + r));
        offset += size;
    }
    return order;
}

void delta_block(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const DeltaSpec spec = spec_of(c);
    const std::int64_t channels = spec.channels(), v_width = spec.v_width();
    const ValueId h = b.rms_norm("h", x, "input_layernorm.weight");
    ValueId u = kNone, z = kNone, rate_b = kNone, rate_a = kNone;
    const std::int64_t per_k = spec.v_heads / spec.k_heads, v_of_k = per_k * spec.v_dim;
    if (c.linear.grouped) {
        const ValueId all =
            b.linear("qkvz", h, "linear_attn.in_proj_qkvz", Role::linear_in, channels + v_width, false);
        b.reorder_rows(ungrouped(spec.k_heads, {spec.k_dim, spec.k_dim, v_of_k, v_of_k}));
        u = b.view("u", all, 0, channels);
        z = b.view("z", all, channels, v_width);
    } else {
        u = b.linear("u", h, "linear_attn.in_proj_qkv", Role::linear_in, channels, false);
        z = b.linear("z", h, "linear_attn.in_proj_z", Role::linear_in, v_width, false);
    }
    if (c.linear.grouped_rates) {
        const ValueId rates =
            b.linear("ba", h, "linear_attn.in_proj_ba", Role::linear_gate, 2LL * spec.v_heads, false);
        b.reorder_rows(ungrouped(spec.k_heads, {per_k, per_k}));
        rate_b = b.view("rate_b", rates, 0, spec.v_heads);
        rate_a = b.view("rate_a", rates, spec.v_heads, spec.v_heads);
    } else {
        rate_b = b.linear("rate_b", h, "linear_attn.in_proj_b", Role::linear_gate, spec.v_heads, false);
        rate_a = b.linear("rate_a", h, "linear_attn.in_proj_a", Role::linear_gate, spec.v_heads, false);
    }
    const ValueId o = b.delta_rule("o", u, rate_b, rate_a, spec);
    b.head_norm(o, "linear_attn.norm.weight", spec.v_dim, Role::state_norm);
    const ValueId gated = b.swiglu("o", z, o);
    b.add(x, b.linear("h", gated, "linear_attn.out_proj", Role::attn_output, c.d_model, false));
}

// Query rows stand head by head as [query | gate].
void gated_attention_block(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const int qkv = b.new_fused_group();
    const AttentionShape shape = attention_shape(c, b.layer());
    const ValueId h = b.rms_norm("h", x, "input_layernorm.weight");
    const ValueId both =
        b.linear("q_gate", h, "self_attn.q_proj", Role::attn_q, 2 * shape.q_width(), false, qkv);
    b.reorder_rows(ungrouped(shape.n_heads, {shape.head_dim, shape.head_dim}));
    const ValueId q = b.view("q", both, 0, shape.q_width());
    const ValueId gate = b.view("gate_of_q", both, shape.q_width(), shape.q_width());
    const ValueId k = b.linear("k", h, "self_attn.k_proj", Role::attn_k, shape.kv_width(), false, qkv);
    const ValueId v = b.linear("v", h, "self_attn.v_proj", Role::attn_v, shape.kv_width(), false, qkv);
    b.head_norm(q, "self_attn.q_norm.weight", shape.head_dim);
    b.head_norm(k, "self_attn.k_norm.weight", shape.head_dim);
    b.rope(q, 0);
    b.rope(k, 0);
    const ValueId attended = b.attention("attended", q, k, v, shape);
    b.swiglu("attended", gate, attended, Activation::sigmoid);
    b.add(x, b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, false));
}

}  // namespace

void delta_or_attention_block(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    if (c.linear.layers[static_cast<std::size_t>(b.layer())])
        delta_block(b, c, x);
    else
        gated_attention_block(b, c, x);
}

void sparse_block_with_shared(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const ValueId h = b.rms_norm("h", x, "post_attention_layernorm.weight");
    const ValueId routed = routed_experts(b, c, h, {});
    const ValueId shared = mlp(b, c, h, {.module = "mlp.shared_expert", .d_ff = c.shared_expert_d_ff});
    const ValueId score = b.linear("shared_score", h, "mlp.shared_expert_gate", Role::router, 1, false);
    b.gate(shared, score);
    b.add(x, routed);
    b.add(x, shared);
}

Status read_hf_shared_expert(const JsonCursor& config, ModelConfig& c, int n_experts, int top_k) {
    HEARTH_TRY(c.router.n_experts, read_count(config, "num_experts", n_experts, kExpertsMax));
    // transformers 5 saves the same number under this name.
    HEARTH_TRY(c.router.n_experts, read_count(config, "num_local_experts", c.router.n_experts, kExpertsMax));
    HEARTH_TRY(c.router.top_k, read_count(config, "num_experts_per_tok", top_k, kExpertsMax));
    HEARTH_TRY(c.expert_d_ff, config.integer_or("moe_intermediate_size", 512, 1, kWidthMax));
    HEARTH_TRY(c.shared_expert_d_ff, config.integer_or("shared_expert_intermediate_size", 512, 1, kWidthMax));
    c.router.renormalise = true;
    return {};
}

Status read_hf_linear(const JsonCursor& config, ModelConfig& c) {
    c.attention_bias = c.output_bias = c.mlp_bias = false;
    auto& l = c.linear;
    HEARTH_TRY(l.k_heads, read_count(config, "linear_num_key_heads", 16, kHeadsMax));
    HEARTH_TRY(l.v_heads, read_count(config, "linear_num_value_heads", 32, kHeadsMax));
    HEARTH_TRY(l.k_dim, read_count(config, "linear_key_head_dim", 128, kHeadDimMax));
    HEARTH_TRY(l.v_dim, read_count(config, "linear_value_head_dim", 128, kHeadDimMax));
    HEARTH_TRY(l.taps, read_count(config, "linear_conv_kernel_dim", 4, kernels::kTapsMax));
    HEARTH_TRY(const int interval, read_count(config, "full_attention_interval", 4, kLayersMax));
    HEARTH_TRY(const auto types, read_layer_types(config, c.n_layers));
    for (int i = 0; i < c.n_layers; ++i) {
        const bool recurs = types.empty() ? (i + 1) % interval != 0
                                          : types[static_cast<std::size_t>(i)] == "linear_attention";
        if (!recurs && !types.empty() && types[static_cast<std::size_t>(i)] != "full_attention")
            return fail(Fault::unsupported,
                        "{}/layer_types/{}: expected linear_attention or full_attention, saw \"{}\"",
                        config.where(), i, types[static_cast<std::size_t>(i)]);
        l.layers.push_back(recurs);
    }
    return {};
}

Status read_gguf_linear(const GgufKeys& keys, ModelConfig& c) {
    drop_gguf_mtp(keys, c);
    auto& l = c.linear;
    HEARTH_TRY(const std::int64_t taps, keys.integer("ssm.conv_kernel", kernels::kTapsMax));
    HEARTH_TRY(const std::int64_t k_dim, keys.integer("ssm.state_size", kHeadDimMax));
    HEARTH_TRY(const std::int64_t k_heads, keys.integer("ssm.group_count", kHeadsMax));
    HEARTH_TRY(const std::int64_t v_heads, keys.integer("ssm.time_step_rank", kHeadsMax));
    HEARTH_TRY(const std::int64_t v_width, keys.integer("ssm.inner_size", kWidthMax));
    l.taps = static_cast<int>(taps);
    l.k_dim = static_cast<int>(k_dim);
    l.k_heads = static_cast<int>(k_heads);
    l.v_heads = static_cast<int>(v_heads);
    l.v_dim = static_cast<int>(v_width / v_heads);
    l.tiled = l.decay_is_ready = true;  // what the converter makes of them
    for (int i = 0; i < c.n_layers; ++i)
        l.layers.push_back(keys.file().find(fmt::format("blk.{}.ssm_a", i)) != nullptr);
    return {};
}

}  // namespace hearth::models
