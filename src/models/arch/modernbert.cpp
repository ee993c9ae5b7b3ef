// models/arch/modernbert.cpp - ModernBERT: norms before each part, rotations, GeGLU, and layers that see all
// positions among layers that see a window on both sides. Source: transformers,
// models/modernbert/modeling_modernbert.py.
#include <algorithm>

#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(const double global_theta, config.number_or("global_rope_theta", 160000));
    HEARTH_TRY(const double local_theta, config.number_or("local_rope_theta", 10000));
    HEARTH_TRY(c.rope, read_hf_rope(config, global_theta, 1, "full_attention"));
    HEARTH_TRY(c.local_rope, read_hf_rope(config, local_theta, 1, "sliding_attention"));
    HEARTH_TRY(const int local, read_count(config, "local_attention", 128, static_cast<int>(kContextMax)));
    HEARTH_TRY(const int every, read_count(config, "global_attn_every_n_layers", 3, kLayersMax));
    HEARTH_TRY_STATUS(read_sliding(config, c, [every](int layer) { return layer % every != 0; }));
    c.window = std::max(1, local / 2);  // on each side
    HEARTH_TRY(c.norm_bias, config.boolean_or("norm_bias", false));
    c.bidirectional = c.headless = true;
    return {};
}

// Source: llama.cpp's converter, conversion/bert.py.
Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY(const std::int64_t local, keys.integer("attention.sliding_window", kContextMax));
    HEARTH_TRY(const std::int64_t every, keys.integer_or("attention.sliding_window_pattern", 3, kLayersMax));
    c.window = std::max(1, static_cast<int>(local) / 2);
    for (int i = 0; i < c.n_layers; ++i) c.sliding.push_back(i % every != 0);
    RopeConfig near;
    HEARTH_TRY(near.theta, keys.number_or("rope.freq_base_swa", 10000));
    HEARTH_TRY_STATUS(check_rope(near, keys.where()));
    c.local_rope = near;
    c.attention_bias = keys.has_tensor("blk.0.attn_qkv.bias");
    c.mlp_bias = keys.has_tensor("blk.0.ffn_up.bias");
    c.norm_bias = keys.has_tensor("output_norm.bias");
    c.bidirectional = c.headless = true;
    return {};
}

Program build(const ModelConfig& c) {
    ProgramBuilder b(c);
    b.new_rope(c.rope, c.head_dim);
    b.new_rope(*c.local_rope, c.head_dim);
    const ValueId x = b.embed("model.embed_tokens.weight");
    b.layer_norm(x, x, "model.embeddings.norm", c.norm_bias);
    for (int i = 0; i < c.n_layers; ++i) {
        b.begin_layer(i);
        const AttentionShape shape{.n_heads = c.n_heads,
                                   .n_kv_heads = c.n_heads,
                                   .head_dim = c.head_dim,
                                   .window = c.window_of(i),
                                   .causal = false};
        const std::int64_t width = shape.q_width();
        const ValueId h = i == 0 ? x : b.layer_norm("h", x, "attn_norm", c.norm_bias);
        const ValueId qkv = b.linear("qkv", h, "attn.Wqkv", Role::attn_q, 3 * width, c.attention_bias);
        const ValueId q = b.view("q", qkv, 0, width), k = b.view("k", qkv, width, width);
        const ValueId v = b.view("v", qkv, 2 * width, width);
        b.rope(q, rope_of(c, i));
        b.rope(k, rope_of(c, i));
        const ValueId attended = b.attention("attended", q, k, v, shape);
        b.add(x, b.linear("h", attended, "attn.Wo", Role::attn_output, c.d_model, c.attention_bias));
        const ValueId f = b.layer_norm("h", x, "mlp_norm", c.norm_bias);
        const ValueId both = b.linear("both", f, "mlp.Wi", Role::ffn_up, 2 * c.d_ff, c.mlp_bias);
        const ValueId gated = b.swiglu("gated", b.view("gate", both, 0, c.d_ff),
                                       b.view("up", both, c.d_ff, c.d_ff), Activation::gelu_erf);
        b.add(x, b.linear("h", gated, "mlp.Wo", Role::ffn_down, c.d_model, c.mlp_bias));
    }
    b.begin_layer(kNone);
    return b.finish_without_head(
        b.layer_norm("last", b.select_rows("last", x), "model.final_norm", c.norm_bias));
}

constexpr ModuleNames kModules[] = {
    {"model.embeddings.norm", "token_embd_norm"},
    {"model.final_norm", "output_norm"},
    {"attn.Wqkv", "attn_qkv"},
    {"attn.Wo", "attn_output"},
    {"mlp_norm", "ffn_norm"},
    {"mlp.Wi", "ffn_up"},
    {"mlp.Wo", "ffn_down"},
    {"attn_norm", "attn_norm"},
};

}  // namespace

extern const Architecture k_modernbert;
const Architecture k_modernbert = {.name = "modernbert",
                                   .hf_class = "ModernBertModel",
                                   .model_types = "modernbert",
                                   .gguf_names = "modern-bert",
                                   .tied_default = true,
                                   .eps_default = 1e-5,
                                   .theta_default = 160000,
                                   .embedding_module = "embeddings.tok_embeddings",
                                   .eps_key = "norm_eps",
                                   .activation_key = "hidden_activation",
                                   .activation = "gelu",
                                   .read_hf = read_hf,
                                   .read_gguf = read_gguf,
                                   .gguf_modules = kModules,
                                   .build = build,
                                   .notes = "embeddings"};

}  // namespace hearth::models
