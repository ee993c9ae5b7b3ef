// models/arch/deepseek_v3.cpp - DeepSeek V3: latent attention, a sigmoid router with groups, a shared expert,
// dense layers first. Source: transformers, models/deepseek_v3/modeling_deepseek_v3.py.
#include <cmath>

#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

// The latent norms keep the class default whatever rms_norm_eps is.
constexpr double kLatentEps = 1e-6;

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    c.output_bias = c.attention_bias;
    c.mlp_bias = false;
    ModelConfig::Latent& l = c.latent;
    // Null means that queries have no latent.
    const auto q_rank = config.at("q_lora_rank");
    l.q_rank = 1536;
    if (q_rank) {
        l.q_rank = 0;
        if (!q_rank->is_null()) {
            HEARTH_TRY(l.q_rank, read_count(config, "q_lora_rank", 0, static_cast<int>(kWidthMax)));
        }
    }
    HEARTH_TRY(l.kv_rank, read_count(config, "kv_lora_rank", 512, kHeadDimMax));
    HEARTH_TRY(l.rope, read_count(config, "qk_rope_head_dim", 64, kHeadDimMax));
    HEARTH_TRY(l.nope, read_count(config, "qk_nope_head_dim", 128, kHeadDimMax));
    HEARTH_TRY(l.v_dim, read_count(config, "v_head_dim", 128, kHeadDimMax));
    HEARTH_TRY(c.rope_interleaved, config.boolean_or("rope_interleave", true));
    c.head_dim = l.rope;  // what rotates
    c.n_kv_heads = c.n_heads;
    const double grown = c.rope.scaling == RopeConfig::Scaling::yarn && c.rope.mscale_all_dim != 0
                             ? yarn_mscale(c.rope.factor, c.rope.mscale_all_dim)
                             : 1;
    c.query_scale = grown * grown / std::sqrt(static_cast<double>(l.nope + l.rope));
    return read_sigmoid_router(config, c, {.n_groups = 8, .groups_kept = 4});
}

void attention(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const ModelConfig::Latent& l = c.latent;
    const int down = b.new_fused_group(), width = l.nope + l.rope;
    const std::int64_t q_width = std::int64_t{c.n_heads} * width;
    const ValueId h = b.rms_norm("h", x, "input_layernorm.weight");
    ValueId q = kNone;
    if (l.q_rank > 0) {
        const ValueId qa = b.linear("q_latent", h, "self_attn.q_a_proj", Role::latent_down, l.q_rank,
                                    c.attention_bias, down);
        b.rms_norm("q_latent", qa, "self_attn.q_a_layernorm.weight", kLatentEps);
        q = b.linear("q", qa, "self_attn.q_b_proj", Role::latent_up, q_width, false);
    } else {
        q = b.linear("q", h, "self_attn.q_proj", Role::attn_q, q_width, false);
    }
    const ValueId kv = b.linear("kv", h, "self_attn.kv_a_proj_with_mqa", Role::latent_down,
                                l.kv_rank + l.rope, c.attention_bias, down);
    const ValueId latent = b.view("kv_latent", kv, 0, l.kv_rank);
    const ValueId k_rope = b.view("k_rope", kv, l.kv_rank, l.rope);
    b.rms_norm("kv_latent", latent, "self_attn.kv_a_layernorm.weight", kLatentEps);
    b.rope(q, 0, width, l.nope);
    b.rope(k_rope, 0);
    const ValueId attended = b.latent_attention(
        "attended", q, kv, "self_attn.kv_b_proj.weight", c.n_heads,
        {.rank = l.kv_rank, .rope = l.rope, .nope = l.nope, .v_dim = l.v_dim}, c.query_scale);
    b.add(x, b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, c.output_bias));
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    attention(b, c, x);
    if (!c.is_sparse(b.layer())) return dense_block(b, c, x, {});
    const ValueId h = b.rms_norm("h", x, "post_attention_layernorm.weight");
    b.add(x, routed_experts(b, c, h, {.router_bias = "mlp.gate.e_score_correction_bias"}));
    b.add(x, mlp(b, c, h, {.module = "mlp.shared_experts", .d_ff = c.shared_expert_d_ff}));
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_deepseek_v3;
const Architecture k_deepseek_v3 = {
    .name = "deepseek_v3",
    .hf_class = "DeepseekV3ForCausalLM",
    .model_types = "deepseek_v3",
    .read_hf = read_hf,
    .build = build,
    .notes = "latent attention, absorbed; multi-token prediction is left aside"};

}  // namespace hearth::models
