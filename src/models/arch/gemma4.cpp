// models/arch/gemma4.cpp - Gemma 4: plain norms, normed values, two widths of heads, a rotation that turns a
// share of the pairs, layers that read an earlier layer's keys and values, an embedding per layer, experts
// beside the MLP. Source: transformers, models/gemma4/modeling_gemma4.py.
#include <cmath>

#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

// Keys and values of layer i: its own, or those of the last layer of its kind that has some.
int kv_layer(const ModelConfig& c, int layer) {
    const int first_shared = c.n_layers - c.n_shared_kv_layers;
    if (layer < first_shared) return layer;
    int of = first_shared - 1;
    while (of >= 0 && (c.window_of(of) > 0) != (c.window_of(layer) > 0)) --of;
    return of;
}

// transformers 5 moves what full layers have of their own into per_layer_config.
Status read_full_heads(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(c.values_are_keys, config.boolean_or("attention_k_eq_v", false));
    const auto per_layer = config.find("per_layer_config");
    if (!per_layer) {
        HEARTH_TRY(c.full_head_dim, read_count(config, "global_head_dim", 512, kHeadDimMax));
        if (c.values_are_keys) {
            HEARTH_TRY(c.full_kv_heads,
                       read_count(config, "num_global_key_value_heads", c.n_kv_heads, kHeadsMax));
        }
        return {};
    }
    // What it does not name is as in the layers with a window.
    c.full_head_dim = c.head_dim;
    for (int i = 0; i < c.n_layers; ++i) {
        const auto layer = per_layer->find(fmt::format("{}", i));
        if (!layer || c.window_of(i) > 0) continue;
        HEARTH_TRY(c.full_head_dim, read_count(*layer, "head_dim", c.head_dim, kHeadDimMax));
        HEARTH_TRY(c.full_kv_heads, read_count(*layer, "num_key_value_heads", c.n_kv_heads, kHeadsMax));
    }
    return {};
}

Status read_experts(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(const bool experts, config.boolean_or("enable_moe_block", false));
    if (!experts) return {};
    HEARTH_TRY(c.router.n_experts, read_count(config, "num_experts", 0, kExpertsMax));
    HEARTH_TRY(c.router.top_k, read_count(config, "top_k_experts", 0, kExpertsMax));
    HEARTH_TRY(c.expert_d_ff, config.integer_or("moe_intermediate_size", 0, 1, kWidthMax));
    c.router.renormalise = true;
    c.sparse.assign(static_cast<std::size_t>(c.n_layers), true);
    return {};
}

Status check_sharing(const ModelConfig& c, const std::string& where) {
    for (int i = 0; i < c.n_layers; ++i)
        if (kv_layer(c, i) < 0)
            return fail(
                Fault::out_of_range,
                "{}/num_kv_shared_layers: expected a layer of each kind before the last {} of {}, saw none "
                "for layer {}",
                where, c.n_shared_kv_layers, c.n_layers, i);
    return {};
}

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    c.rope = {};
    c.rope.theta = 1e6;
    c.rope.partial = 0.25;
    c.rope.scaling = RopeConfig::Scaling::proportional;
    c.local_rope = RopeConfig();
    if (config.find("rope_parameters")) {
        HEARTH_TRY(c.rope, read_hf_rope(config, 1e6, 1, "full_attention"));
        HEARTH_TRY(c.local_rope, read_hf_rope(config, 1e4, 1, "sliding_attention"));
    }
    HEARTH_TRY(c.window, read_count(config, "sliding_window", 512, static_cast<int>(kContextMax)));
    HEARTH_TRY_STATUS(read_sliding(config, c, [](int layer) { return (layer + 1) % 6 != 0; }));
    c.sliding.back() = false;  // the class makes the last layer see everything
    HEARTH_TRY_STATUS(read_full_heads(config, c));
    HEARTH_TRY(const std::int64_t shared, config.integer_or("num_kv_shared_layers", 0, 0, c.n_layers));
    c.n_shared_kv_layers = static_cast<int>(shared);
    HEARTH_TRY_STATUS(check_sharing(c, config.where()));
    HEARTH_TRY(c.wide_shared_mlp, config.boolean_or("use_double_wide_mlp", false));
    HEARTH_TRY(c.per_layer_width, config.integer_or("hidden_size_per_layer_input", 256, 0, kWidthMax));
    HEARTH_TRY(const std::int64_t rows,
               config.integer_or("vocab_size_per_layer_input", 262144, 1, kVocabSizeMax));
    c.per_layer_vocab = rows;
    if (c.per_layer_width > 0 && rows < c.vocab)
        return fail(Fault::unsupported,
                    "{}/vocab_size_per_layer_input: expected at least {}, as vocab_size, saw {}",
                    config.where(), c.vocab, rows);
    HEARTH_TRY_STATUS(read_experts(config, c));
    HEARTH_TRY(c.final_softcap, config.number_or("final_logit_softcapping", 0));
    HEARTH_TRY(const std::string both_ways, config.string_or("use_bidirectional_attention", "vision"));
    if (both_ways != "vision")  // of image tokens alone
        return fail(Fault::unsupported, "{}/use_bidirectional_attention: expected vision or null, saw \"{}\"",
                    config.where(), both_ways);
    c.query_scale = 1;
    c.embedding_scale = std::sqrt(static_cast<double>(c.d_model));
    c.mlp_bias = false;
    return {};
}

// Sources: llama.cpp's converter (conversion/gemma.py). The full layers' rotation travels as divisors that
// leave most of its pairs without a turn.
Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY(const std::int64_t window, keys.integer("attention.sliding_window", kContextMax));
    HEARTH_TRY(const auto sliding, keys.of_layers("attention.sliding_window_pattern", c.n_layers));
    HEARTH_TRY(const auto kv_heads, keys.of_layers("attention.head_count_kv", c.n_layers));
    HEARTH_TRY(const auto widths, keys.of_layers("feed_forward_length", c.n_layers));
    if (sliding.empty() || kv_heads.empty() || widths.empty())
        return fail(Fault::corrupt,
                    "{}: expected sliding_window_pattern, head_count_kv and feed_forward_length",
                    keys.where());
    c.window = static_cast<int>(window);
    c.full_head_dim = c.head_dim;
    HEARTH_TRY(const std::int64_t narrow,
               keys.integer_or("attention.key_length_swa", c.head_dim, kHeadDimMax));
    c.head_dim = static_cast<int>(narrow);
    c.n_kv_heads = 0;
    for (std::size_t i = 0; i < sliding.size(); ++i) {
        c.sliding.push_back(sliding[i] != 0);
        if (!(kv_heads[i] >= 1 && kv_heads[i] <= kHeadsMax))
            return fail(Fault::out_of_range, "{}: {}: expected 1 to {}, saw {}", keys.where(),
                        keys.key("attention.head_count_kv"), kHeadsMax, kv_heads[i]);
        (sliding[i] != 0 ? c.n_kv_heads : c.full_kv_heads) = static_cast<int>(kv_heads[i]);
        const bool apart = keys.has_tensor(fmt::format("blk.{}.attn_v.weight", i));
        c.values_are_keys |=
            sliding[i] == 0 && !apart && keys.has_tensor(fmt::format("blk.{}.attn_k.weight", i));
    }
    if (c.n_kv_heads == 0) c.n_kv_heads = c.full_kv_heads;
    RopeConfig local;
    HEARTH_TRY(local.theta, keys.number_or("rope.freq_base_swa", 10000));
    HEARTH_TRY_STATUS(check_rope(local, keys.where()));
    c.local_rope = local;
    HEARTH_TRY(const std::int64_t shared,
               keys.file().integer(keys.key("attention.shared_kv_layers"), 0, c.n_layers));
    c.n_shared_kv_layers = static_cast<int>(shared);
    HEARTH_TRY_STATUS(check_sharing(c, keys.where()));
    c.wide_shared_mlp = widths.back() > widths.front();
    HEARTH_TRY(c.per_layer_width,
               keys.file().integer(keys.key("embedding_length_per_layer_input"), 0, kWidthMax));
    c.per_layer_vocab = c.vocab;
    if (const auto* table = keys.file().find("per_layer_token_embd.weight"); table != nullptr)
        c.per_layer_vocab = table->shape.rank() == 2 ? table->shape[0] : 0;
    if (c.per_layer_width > 0 && c.per_layer_vocab < c.vocab)
        return fail(Fault::unsupported, "{}: per_layer_token_embd: expected at least {} rows, saw {}",
                    keys.where(), c.vocab, c.per_layer_vocab);
    if (keys.has("expert_count")) HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    HEARTH_TRY(c.final_softcap, keys.number_or("final_logit_softcapping", 0));
    c.query_scale = 1;
    c.embedding_scale = std::sqrt(static_cast<double>(c.d_model));
    return {};
}

// What every layer is told about the token: its own table, and a projection of the embedding.
void start(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    if (c.per_layer_width == 0) return;
    const std::int64_t width = c.per_layer_width * c.n_layers;
    const ValueId token = b.embed("token_per_layer", "model.embed_tokens_per_layer.weight", Role::per_layer,
                                  c.per_layer_vocab, width);
    b.scale(token, std::sqrt(static_cast<double>(c.per_layer_width)));
    const ValueId per_layer =
        b.linear("per_layer", x, "model.per_layer_model_projection", Role::per_layer, width, false);
    b.scale(per_layer, 1 / std::sqrt(static_cast<double>(c.d_model)));
    b.head_norm(per_layer, "model.per_layer_projection_norm.weight", static_cast<int>(c.per_layer_width));
    b.add(per_layer, token);
    b.scale(per_layer, std::sqrt(0.5));
    for (int i = 0; i < c.n_layers; ++i)
        b.view(fmt::format("per_layer.{}", i), per_layer, i * c.per_layer_width, c.per_layer_width);
}

ValueId attention(ProgramBuilder& b, const ModelConfig& c, ValueId h) {
    const AttentionShape shape = attention_shape(c, b.layer());
    const int rope = rope_of(c, b.layer()), qkv = b.new_fused_group();
    const bool bias = c.attention_bias;
    const ValueId q = b.linear("q", h, "self_attn.q_proj", Role::attn_q, shape.q_width(), bias, qkv);
    b.head_norm(q, "self_attn.q_norm.weight", shape.head_dim);
    b.rope(q, rope);
    const int of = kv_layer(c, b.layer());
    if (of != b.layer()) return b.attention("attended", q, b.state_of(of), shape);
    const ValueId k = b.linear("k", h, "self_attn.k_proj", Role::attn_k, shape.kv_width(), bias, qkv);
    const ValueId v = c.values_are_keys && shape.window == 0
                          ? b.copy("v", k)
                          : b.linear("v", h, "self_attn.v_proj", Role::attn_v, shape.kv_width(), bias, qkv);
    b.head_norm(k, "self_attn.k_norm.weight", shape.head_dim);
    b.rope(k, rope);
    b.head_norm(v, {}, shape.head_dim);
    return b.attention("attended", q, k, v, shape);
}

void feed_forward(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const bool wide = c.wide_shared_mlp && kv_layer(c, b.layer()) != b.layer();
    const ValueId dense = mlp(b, c, b.rms_norm("h", x, "pre_feedforward_layernorm.weight"),
                              {.d_ff = c.d_ff * (wide ? 2 : 1), .activation = Activation::gelu_tanh});
    if (c.is_sparse(b.layer())) {
        // The router sees the residual stream, normed without the layer's weights; experts a norm of their
        // own.
        const ValueId routed = b.rms_norm("routed", x, "router.scale");
        b.scale(routed, 1 / std::sqrt(static_cast<double>(c.d_model)));
        const ValueId scores =
            b.linear("scores", routed, "router.proj", Role::router, c.router.n_experts, false);
        const ValueId h = b.rms_norm("h", x, "pre_feedforward_layernorm_2.weight");
        const ValueId experts =
            b.experts("experts", h, scores, "experts",
                      {.router = c.router, .activation = Activation::gelu_tanh, .d_ff = c.expert_d_ff}, {},
                      "router.per_expert_scale");
        b.rms_norm("mlp_out", dense, "post_feedforward_layernorm_1.weight");
        b.rms_norm("experts", experts, "post_feedforward_layernorm_2.weight");
        b.add(dense, experts);
    }
    b.add(x, b.rms_norm("mlp_out", dense, "post_feedforward_layernorm.weight"));
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const ValueId attended = attention(b, c, b.rms_norm("h", x, "input_layernorm.weight"));
    const ValueId out =
        b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, c.output_bias);
    b.add(x, b.rms_norm("h", out, "post_attention_layernorm.weight"));
    feed_forward(b, c, x);
    if (c.per_layer_width > 0) {
        const ValueId gate =
            b.linear("told", x, "per_layer_input_gate", Role::per_layer, c.per_layer_width, false);
        const ValueId told =
            b.swiglu("told", gate, b.named(fmt::format("per_layer.{}", b.layer())), Activation::gelu_tanh);
        const ValueId back = b.linear("h", told, "per_layer_projection", Role::per_layer, c.d_model, false);
        b.add(x, b.rms_norm("h", back, "post_per_layer_input_norm.weight"));
    }
    b.scale(x, "layer_scalar");
}

Program build(const ModelConfig& c) { return decoder(c, layer, start); }

constexpr ModuleNames kModules[] = {
    {"model.embed_tokens_per_layer", "per_layer_token_embd"},
    {"model.per_layer_model_projection", "per_layer_model_proj"},
    {"model.per_layer_projection_norm", "per_layer_proj_norm"},
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"pre_feedforward_layernorm_2", "pre_ffw_norm_2"},
    {"post_feedforward_layernorm_1", "post_ffw_norm_1"},
    {"post_feedforward_layernorm_2", "post_ffw_norm_2"},
    {"per_layer_input_gate", "inp_gate"},
    {"per_layer_projection", "proj"},
    {"post_per_layer_input_norm", "post_norm"},
    {"layer_scalar", "layer_output_scale.weight"},
    {"router.proj", "ffn_gate_inp"},
    {"router.scale", "ffn_gate_inp.scale"},
    {"router.per_expert_scale", "ffn_down_exps.scale"},
    {"experts.gate_up_proj", "ffn_gate_up_exps"},
    {"experts.gate_proj", "ffn_gate_exps"},
    {"experts.up_proj", "ffn_up_exps"},
    {"experts.down_proj", "ffn_down_exps"},
};

}  // namespace

extern const Architecture k_gemma4;
const Architecture k_gemma4 = {
    .name = "gemma4",
    .hf_class = "Gemma4ForCausalLM",
    .model_types = "gemma4_text gemma4",
    .gguf_names = "gemma4",
    .head_dim_default = 256,
    .kv_heads_default = 4,
    .tied_default = true,
    .partial_rotary_default = 0.25,
    .activation_key = "hidden_activation",
    .activation = "gelu_pytorch_tanh",
    .read_hf = read_hf,
    .read_gguf = read_gguf,
    .gguf_modules = kModules,
    .build = build,
    .notes = "text part, dense and experts; per-layer embeddings, shared keys and values"};

}  // namespace hearth::models
