// models/arch/bert.cpp - BERT and the embedders made of it (MiniLM, bge): every position sees every other,
// layer norms after each sum, learned positions, GELU. Source: transformers, models/bert/modeling_bert.py.
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY(const std::string positions, config.string_or("position_embedding_type", "absolute"));
    HEARTH_TRY(const bool decodes, config.boolean_or("is_decoder", false));
    if (positions != "absolute" || decodes)
        return fail(Fault::unsupported, "{}: expected an encoder with absolute positions, saw {}{}",
                    config.where(), positions, decodes ? " and a decoder" : "");
    HEARTH_TRY(const std::string activation, config.string_or("hidden_act", "gelu"));
    c.gelu_tanh = activation != "gelu";
    HEARTH_TRY(c.type_vocab, config.integer_or("type_vocab_size", 2, 1, kVocabSizeMax));
    c.bidirectional = c.headless = true;
    return {};
}

Program build(const ModelConfig& c) {
    ProgramBuilder b(c);
    const AttentionShape shape{
        .n_heads = c.n_heads, .n_kv_heads = c.n_heads, .head_dim = c.head_dim, .causal = false};
    const ValueId x = b.embed("model.embed_tokens.weight");
    b.add_row(x, "model.embeddings.token_type_embeddings.weight", c.type_vocab);
    b.add_positions(x, "model.embeddings.position_embeddings.weight", c.context_max);
    b.layer_norm(x, x, "model.embeddings.LayerNorm", true);
    for (int i = 0; i < c.n_layers; ++i) {
        b.begin_layer(i);
        const int qkv = b.new_fused_group();
        const auto project = [&](const char* out, const char* name, Role role) {
            return b.linear(out, x, name, role, c.d_model, true, qkv);
        };
        const ValueId q = project("q", "attention.self.query", Role::attn_q);
        const ValueId k = project("k", "attention.self.key", Role::attn_k);
        const ValueId v = project("v", "attention.self.value", Role::attn_v);
        const ValueId attended = b.attention("attended", q, k, v, shape);
        b.add(x, b.linear("h", attended, "attention.output.dense", Role::attn_output, c.d_model, true));
        b.layer_norm(x, x, "attention.output.LayerNorm", true);
        const ValueId up = b.linear("up", x, "intermediate.dense", Role::ffn_up, c.d_ff, true);
        const ValueId active =
            b.activate("up", up, c.gelu_tanh ? Activation::gelu_tanh : Activation::gelu_erf);
        b.add(x, b.linear("h", active, "output.dense", Role::ffn_down, c.d_model, true));
        b.layer_norm(x, x, "output.LayerNorm", true);
    }
    b.begin_layer(kNone);
    return b.finish_without_head(b.select_rows("last", x));
}

constexpr ModuleNames kModules[] = {
    {"model.embeddings.token_type_embeddings", "token_types"},
    {"model.embeddings.position_embeddings", "position_embd"},
    {"model.embeddings.LayerNorm", "token_embd_norm"},
    {"attention.self.query", "attn_q"},
    {"attention.self.key", "attn_k"},
    {"attention.self.value", "attn_v"},
    {"attention.output.dense", "attn_output"},
    {"attention.output.LayerNorm", "attn_output_norm"},
    {"intermediate.dense", "ffn_up"},
    {"output.dense", "ffn_down"},
    {"output.LayerNorm", "layer_output_norm"},
};

}  // namespace

extern const Architecture k_bert;
const Architecture k_bert = {.name = "bert",
                             .hf_class = "BertModel",
                             .model_types = "bert",
                             .gguf_names = "bert",
                             .tied_default = true,
                             .eps_default = 1e-12,
                             .embedding_module = "embeddings.word_embeddings",
                             .layers_prefix = "encoder.layer.",
                             .eps_key = "layer_norm_eps",
                             .activation = "gelu gelu_new gelu_pytorch_tanh",
                             .read_hf = read_hf,
                             .read_gguf = read_gguf_encoder,
                             .gguf_modules = kModules,
                             .build = build,
                             .notes = "embeddings: MiniLM, bge, e5"};

}  // namespace hearth::models
