// models/latent_blocks.cpp - latent attention as DeepSeek and GLM-5 have it, its indexer, and the experts
// beside it. Sources: transformers, models/deepseek_v3/modeling_deepseek_v3.py and
// models/glm_moe_dsa/modeling_glm_moe_dsa.py.
#include <cmath>

#include "models/blocks.h"

namespace hearth::models {
namespace {

// The latent norms keep the class default whatever rms_norm_eps is.
constexpr double kLatentEps = 1e-6;

// Queries come from the queries' latent, keys from the layer's input; the first dimensions of both rotate.
void choose_positions(ProgramBuilder& b, const ModelConfig& c, ValueId h, ValueId q_latent) {
    const ModelConfig::Indexer& spec = c.indexer;
    const std::int64_t q_width = std::int64_t{spec.n_heads} * spec.head_dim;
    const ValueId q = b.linear("index_q", q_latent, "self_attn.indexer.wq_b", Role::indexer, q_width, false);
    const ValueId k = b.linear("index_k", h, "self_attn.indexer.wk", Role::indexer, spec.head_dim, false);
    b.layer_norm(k, k, "self_attn.indexer.k_norm", true, kLatentEps);
    b.rope(q, 0, spec.head_dim, 0);
    b.rope(k, 0, spec.head_dim, 0);
    const ValueId w =
        b.linear("index_w", h, "self_attn.indexer.weights_proj", Role::indexer, spec.n_heads, false);
    b.index_positions(q, k, w, spec);
}

// What rotates is a head to the rotation; YaRN grows the scores.
void scale_latent_scores(ModelConfig& c) {
    c.head_dim = c.latent.rope;
    c.n_kv_heads = c.n_heads;
    const double grown = c.rope.scaling == RopeConfig::Scaling::yarn && c.rope.mscale_all_dim != 0
                             ? yarn_mscale(c.rope.factor, c.rope.mscale_all_dim)
                             : 1;
    c.query_scale = grown * grown / std::sqrt(static_cast<double>(c.latent.nope + c.latent.rope));
}

}  // namespace

Status read_hf_latent(const JsonCursor& config, ModelConfig& c, const ModelConfig::Latent& defaults) {
    c.output_bias = c.attention_bias;
    c.mlp_bias = false;
    ModelConfig::Latent& l = c.latent;
    // Null means that queries have no latent.
    const auto q_rank = config.at("q_lora_rank");
    l.q_rank = defaults.q_rank;
    if (q_rank) {
        l.q_rank = 0;
        if (!q_rank->is_null()) {
            HEARTH_TRY(l.q_rank, read_count(config, "q_lora_rank", 0, static_cast<int>(kWidthMax)));
        }
    }
    HEARTH_TRY(l.kv_rank, read_count(config, "kv_lora_rank", defaults.kv_rank, kHeadDimMax));
    HEARTH_TRY(l.rope, read_count(config, "qk_rope_head_dim", defaults.rope, kHeadDimMax));
    HEARTH_TRY(l.nope, read_count(config, "qk_nope_head_dim", defaults.nope, kHeadDimMax));
    HEARTH_TRY(l.v_dim, read_count(config, "v_head_dim", defaults.v_dim, kHeadDimMax));
    HEARTH_TRY(c.rope_interleaved, config.boolean_or("rope_interleave", true));
    scale_latent_scores(c);
    return {};
}

// Sources: llama.cpp's converter (conversion/deepseek.py) and how it reads what that writes.
Status read_gguf_latent(const GgufKeys& keys, ModelConfig& c) {
    drop_gguf_mtp(keys, c);
    ModelConfig::Latent& l = c.latent;
    const bool absorbed = keys.has("attention.key_length_mla");  // older files name the heads' own widths
    HEARTH_TRY(const std::int64_t q_rank, keys.integer_or("attention.q_lora_rank", 0, kWidthMax));
    HEARTH_TRY(const std::int64_t kv_rank, keys.integer("attention.kv_lora_rank", kHeadDimMax));
    HEARTH_TRY(const std::int64_t rope, keys.integer("rope.dimension_count", kHeadDimMax));
    HEARTH_TRY(const std::int64_t key,
               keys.integer(absorbed ? "attention.key_length_mla" : "attention.key_length", kHeadDimMax));
    HEARTH_TRY(const std::int64_t value,
               keys.integer(absorbed ? "attention.value_length_mla" : "attention.value_length", kHeadDimMax));
    if (key <= rope)
        return fail(Fault::out_of_range, "{}: expected heads wider than the {} that rotate, saw {}",
                    keys.where(), rope, key);
    l = {.q_rank = static_cast<int>(q_rank),
         .kv_rank = static_cast<int>(kv_rank),
         .nope = static_cast<int>(key - rope),
         .rope = static_cast<int>(rope),
         .v_dim = static_cast<int>(value),
         .split = keys.has_tensor("blk.0.attn_k_b.weight")};
    c.rope.partial = 1;
    c.rope_interleaved = true;
    if (c.rope.mscale_all_dim != 0) {
        c.rope.mscale_all_dim *= 10;  // this family's files hold a tenth of it
        c.rope.attention_factor = 1;  // and grow the scores instead
    }
    scale_latent_scores(c);
    HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    HEARTH_TRY(c.router.renormalise, keys.boolean_or("expert_weights_norm", false));
    if (!keys.has("expert_gating_func")) {
        c.router.scoring = RouterConfig::Scoring::sigmoid;
        c.router.epsilon = 1e-20;
    }
    return {};
}

void latent_block(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
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
    const bool sparse = c.indexer.top_k > 0;
    if (sparse && c.indexer.layers[static_cast<std::size_t>(b.layer())])
        choose_positions(b, c, h, b.named("q_latent"));
    const ValueId kv = b.linear("kv", h, "self_attn.kv_a_proj_with_mqa", Role::latent_down,
                                l.kv_rank + l.rope, c.attention_bias, down);
    const ValueId latent = b.view("kv_latent", kv, 0, l.kv_rank);
    const ValueId k_rope = b.view("k_rope", kv, l.kv_rank, l.rope);
    b.rms_norm("kv_latent", latent, "self_attn.kv_a_layernorm.weight", kLatentEps);
    b.rope(q, 0, width, l.nope);
    b.rope(k_rope, 0);
    const ValueId attended = b.latent_attention(
        "attended", q, kv, c.n_heads,
        {.rank = l.kv_rank, .rope = l.rope, .nope = l.nope, .v_dim = l.v_dim, .top_k = c.indexer.top_k},
        c.query_scale);
    b.add(x, b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, c.output_bias));
}

void feed_forward_with_shared(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    if (!c.is_sparse(b.layer())) return dense_block(b, c, x, {});
    const ValueId h = b.rms_norm("h", x, "post_attention_layernorm.weight");
    b.add(x, routed_experts(b, c, h, {.router_bias = "mlp.gate.e_score_correction_bias"}));
    b.add(x, mlp(b, c, h, {.module = "mlp.shared_experts", .d_ff = c.shared_expert_d_ff}));
}

}  // namespace hearth::models
