// models/decoder.cpp - the frames that decoders share: the model itself, and its multi-token-prediction
// heads.
#include "models/program.h"

namespace hearth::models {
namespace {

void add_ropes(ProgramBuilder& b, const ModelConfig& config) {
    b.new_rope(config.rope, config.full_head_dim > 0 ? config.full_head_dim : config.head_dim,
               config.rope_interleaved);
    if (config.local_rope) b.new_rope(*config.local_rope, config.head_dim);
}

// All rows are normed, not those alone whose logits are wanted: drafting builds on each.
Program finished(ProgramBuilder& b, const ModelConfig& config, ValueId x, std::string_view norm,
                 std::string_view head) {
    const ValueId last = b.rms_norm("last", x, norm);
    b.begin_layer(kNone);
    const ValueId chosen = b.select_rows("chosen_rows", last);
    Program program = config.headless ? b.finish_without_head(chosen) : b.finish(chosen, head);
    program.hidden = last;
    return program;
}

}  // namespace

Program decoder(const ModelConfig& config, PartBuilder layer, PartBuilder start) {
    ProgramBuilder b(config);
    add_ropes(b, config);
    const ValueId x = b.embed("model.embed_tokens.weight");
    if (config.embedding_scale != 1) b.scale(x, config.embedding_scale);
    if (start != nullptr) start(b, config, x);
    for (int i = 0; i < config.n_layers; ++i) {
        b.begin_layer(i);
        layer(b, config, x);
    }
    b.begin_layer(kNone);
    return finished(b, config, x, "model.norm.weight", "lm_head");
}

Program draft_head(const ModelConfig& of_model, int draft, PartBuilder layer) {
    ModelConfig config = of_model;
    std::string head = "lm_head";
    if (config.draft_own_heads) {
        config.tied_embeddings = false;
        head = fmt::format("model.layers.{}.shared_head.head", config.n_layers + draft);
    }
    ProgramBuilder b(config);
    add_ropes(b, config);
    const ValueId token = b.embed("model.embed_tokens.weight");
    if (config.embedding_scale != 1) b.scale(token, config.embedding_scale);
    const ValueId hidden = b.given("given");
    b.begin_layer(config.n_layers + draft);
    const ValueId both = b.space("token_and_hidden", 2 * config.d_model);
    b.view("token_normed", both, 0, config.d_model);
    b.view("hidden_normed", both, config.d_model, config.d_model);
    b.rms_norm("token_normed", token, "enorm.weight");
    b.rms_norm("hidden_normed", hidden, "hnorm.weight");
    const ValueId x = b.linear("x", both, "eh_proj", Role::draft, config.d_model, false);
    layer(b, config, x);
    return finished(b, config, x, "shared_head.norm.weight", head);
}

}  // namespace hearth::models
