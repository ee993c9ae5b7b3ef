// models/arch/nomic_bert.cpp - nomic-embed: BERT with rotations in place of positions, SwiGLU, and linears
// without biases; version 2 has GELU, biases and experts in every second layer. Sources: transformers,
// models/nomic_bert/modeling_nomic_bert.py; nomic-ai/nomic-bert-2048, modeling_hf_nomic_bert.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

// The keys of nomic-ai's own files; the class of transformers has defaults in their place.
constexpr KeyNames kPublishedKeys[] = {
    {"n_embd", "hidden_size"},
    {"n_layer", "num_hidden_layers"},
    {"n_head", "num_attention_heads"},
    {"n_inner", "intermediate_size"},
    {"layer_norm_epsilon", "layer_norm_eps"},
    {"rotary_emb_base", "rope_theta"},
    {"max_trained_positions", "max_position_embeddings"},
    {"n_positions", "max_position_embeddings"},
};

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(const std::string activation, config.string_or("activation_function", "swiglu"));
    HEARTH_TRY(const double turning, config.number_or("rotary_emb_fraction", 1));
    HEARTH_TRY(const std::int64_t sparse, config.integer_or("moe_every_n_layers", 0, 0, kLayersMax));
    bool other = activation != "swiglu" || turning != 1 || sparse != 0;
    for (const char* key : {"prenorm", "qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "causal",
                            "rotary_emb_interleaved", "parallel_block", "use_rms_norm"}) {
        HEARTH_TRY(const bool is, config.boolean_or(key, false));
        other |= is;
    }
    if (other)
        return fail(
            Fault::unsupported,
            "{}: expected nomic-embed-text 1 or 1.5: SwiGLU, norms after each sum, no biases, no experts "
            "(version 2 runs as GGUF)",
            config.where());
    HEARTH_TRY(c.type_vocab, config.integer_or("type_vocab_size", 2, 1, kVocabSizeMax));
    c.bidirectional = c.headless = true;
    return {};
}

// The tensors tell which version it is.
Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_gguf_encoder(keys, c));
    c.attention_bias = keys.has_tensor("blk.0.attn_qkv.bias");
    c.gated_mlp = keys.has_tensor("blk.0.ffn_gate.weight");
    c.mlp_bias = keys.has_tensor("blk.0.ffn_up.bias");
    if (!keys.has("expert_count")) return {};
    HEARTH_TRY_STATUS(read_gguf_router(keys, c));
    HEARTH_TRY(c.router.renormalise, keys.boolean_or("expert_weights_norm", false));
    return {};
}

ValueId mlp_of(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    if (c.is_sparse(b.layer()))
        return routed_experts(b, c, x, {.gated = false, .activation = Activation::gelu_erf});
    if (!c.gated_mlp) {
        const ValueId up = b.linear("up", x, "mlp.fc1", Role::ffn_up, c.d_ff, c.mlp_bias);
        return b.linear("h", b.activate("up", up, Activation::gelu_erf), "mlp.fc2", Role::ffn_down, c.d_model,
                        c.mlp_bias);
    }
    const int gate_up = b.new_fused_group();
    const ValueId up = b.linear("up", x, "mlp.fc11", Role::ffn_up, c.d_ff, c.mlp_bias, gate_up);
    const ValueId gate = b.linear("gate", x, "mlp.fc12", Role::ffn_gate, c.d_ff, c.mlp_bias, gate_up);
    return b.linear("h", b.swiglu("gate", gate, up), "mlp.fc2", Role::ffn_down, c.d_model, c.mlp_bias);
}

Program build(const ModelConfig& c) {
    ProgramBuilder b(c);
    const AttentionShape shape{
        .n_heads = c.n_heads, .n_kv_heads = c.n_heads, .head_dim = c.head_dim, .causal = false};
    const std::int64_t width = shape.q_width();
    const int rope = b.new_rope(c.rope, c.head_dim);
    const ValueId x = b.embed("model.embed_tokens.weight");
    b.add_row(x, "model.embeddings.token_type_embeddings.weight", c.type_vocab);
    b.layer_norm(x, x, "model.emb_ln", true);
    for (int i = 0; i < c.n_layers; ++i) {
        b.begin_layer(i);
        const ValueId qkv = b.linear("qkv", x, "attn.Wqkv", Role::attn_q, 3 * width, c.attention_bias);
        const ValueId q = b.view("q", qkv, 0, width), k = b.view("k", qkv, width, width);
        const ValueId v = b.view("v", qkv, 2 * width, width);
        b.rope(q, rope);
        b.rope(k, rope);
        const ValueId attended = b.attention("attended", q, k, v, shape);
        b.add(x, b.linear("h", attended, "attn.out_proj", Role::attn_output, c.d_model, c.output_bias));
        b.layer_norm(x, x, "norm1", true);
        b.add(x, mlp_of(b, c, x));
        b.layer_norm(x, x, "norm2", true);
    }
    b.begin_layer(kNone);
    return b.finish_without_head(b.select_rows("last", x));
}

constexpr ModuleNames kModules[] = {
    {"model.embeddings.token_type_embeddings", "token_types"},
    {"model.emb_ln", "token_embd_norm"},
    {"attn.Wqkv", "attn_qkv"},
    {"attn.out_proj", "attn_output"},
    {"norm1", "attn_output_norm"},
    {"mlp.fc11", "ffn_up"},
    {"mlp.fc12", "ffn_gate"},
    {"mlp.fc1", "ffn_up"},
    {"mlp.fc2", "ffn_down"},
    {"norm2", "layer_output_norm"},
};

}  // namespace

extern const Architecture k_nomic_bert;
const Architecture k_nomic_bert = {
    .name = "nomic_bert",
    .hf_class = "NomicBertModel",
    .model_types = "nomic_bert",
    .gguf_names = "nomic-bert nomic-bert-moe",
    .tied_default = true,
    .eps_default = 1e-12,
    .theta_default = 1000,
    .embedding_module = "embeddings.word_embeddings",
    .layers_prefix = "encoder.layers.",
    .eps_key = "layer_norm_eps",
    .published_keys = kPublishedKeys,
    .read_hf = read_hf,
    .read_gguf = read_gguf,
    .gguf_modules = kModules,
    .build = build,
    .notes = "embeddings: nomic-embed-text 1 and 1.5; version 2 (experts) as GGUF"};

}  // namespace hearth::models
