// plan/shape_of_program.cpp - a shape from the program that would run: for files whose keys are not
// transformers'.
#include <algorithm>
#include <array>

#include "plan/model_shape.h"

namespace hearth::plan {
namespace {

bool has(std::string_view name, std::string_view piece) { return name.find(piece) != std::string_view::npos; }

void keep(ModelShape& shape, KeptState state) {
    for (KeptState& kept : shape.states) {
        state.n_layers = kept.n_layers;
        if (kept == state) {
            ++kept.n_layers;
            return;
        }
    }
    state.n_layers = 1;
    shape.states.push_back(std::move(state));
}

KeptState kept_of(const models::Program& program, const models::StateSpec& state) {
    using Kind = models::StateSpec::Kind;
    if (state.kind == Kind::latent) return {.kind = "latent", .elems_per_position = state.head_dim};
    if (state.kind == Kind::paged_kv)
        return {.kind = state.window > 0 ? "sliding window" : "attention",
                .elems_per_position = state.bytes_per_token(1),
                .window = state.window,
                .n_kv_heads = state.n_kv_heads,
                .head_dim = state.head_dim};
    KeptState out = {.kind = "linear attention", .recurrent_floats = state.floats};
    for (const models::DeltaSpec& d :
         program.deltas)  // of one kind in every layer; transformers keeps all taps
        out.state_elems = std::int64_t{d.v_heads} * d.k_dim * d.v_dim + d.taps * d.channels();
    return out;
}

}  // namespace

std::optional<Part> part_of_tensor(std::string_view name) {
    if (name.starts_with("mtp.")) return std::nullopt;  // heads that draft are loaded on request alone
    // What sees and hears is left aside, as the program leaves it.
    for (const char* tower : {"vision", "visual", "vit_", "audio", "multi_modal", "mm."})
        if (name.starts_with(tower) || has(name.substr(0, 24), std::string("model.") + tower)) return {};
    if (has(name, "embed_tokens") || has(name, "token_embd") || has(name, "wte")) return Part::embedding;
    if (name.starts_with("lm_head") || name.starts_with("output.")) return Part::head;
    if (has(name, "shexp") || has(name, "shared_expert") || has(name, "share_expert"))
        return has(name, "gate_inp") || has(name, "expert_gate") ? Part::other : Part::shared_experts;
    if (name.ends_with("_exps.scale")) return Part::router;  // Gemma 4: a weight an expert
    if (has(name, "_exps") || has(name, ".experts.") || (has(name, ".moe.") && has(name, "_proj")))
        return has(name, "bias") ? Part::other : Part::experts;
    if (has(name, "ffn_gate_inp") || has(name, "exp_probs_b") || has(name, "mlp.gate.") ||
        has(name, ".router") || has(name, "moe.gate.") || has(name, "moe.router"))
        return Part::router;
    for (const char* gate : {"in_proj_a", "in_proj_b", "ssm_alpha", "ssm_beta", "ssm_ba"})
        if (has(name, gate)) return Part::other;  // small, and never quantized: models/recipe.h
    if (has(name, "norm") || has(name, "bias") || has(name, "conv1d") || has(name, "sinks") ||
        has(name, "rope_freqs"))
        return Part::other;
    if (has(name, ".indexer.") || has(name, "attn") || has(name, "linear_attn") || has(name, "ssm_")) {
        const bool decay = has(name, "A_log") || name.ends_with("ssm_a") || has(name, "dt_bias");
        return decay ? Part::other : Part::attention;
    }
    if (has(name, "mlp") || has(name, "ffn") || has(name, "per_layer") || has(name, "inp_gate") ||
        (name.starts_with("blk.") && name.ends_with(".proj.weight")))
        return Part::ffn;
    return Part::other;
}

ModelShape shape_of_program(const models::ModelConfig& config, const models::Program& program) {
    ModelShape shape;
    shape.family = config.architecture;
    shape.tied = config.tied_embeddings;
    shape.n_layers = config.n_layers;
    shape.n_experts = config.router.n_experts;
    shape.n_experts_used = config.router.top_k;
    shape.d_model = config.d_model;
    shape.d_ff = config.d_ff;
    shape.vocab = config.vocab;
    shape.context_max = config.context_max;
    shape.is_hybrid = !program.deltas.empty();
    for (const models::TensorSpec& spec : program.tensors)
        if (const auto part = part_of_tensor(spec.name))
            shape.n_elems[static_cast<std::size_t>(*part)] += spec.shape.n_elems();
    for (const models::StateSpec& state : program.states) keep(shape, kept_of(program, state));
    for (const models::Op& op : program.ops) {
        if (op.kind == models::OpKind::attention)
            shape.attention_width += std::int64_t{op.n_heads} * op.head_dim;
        if (op.kind == models::OpKind::latent_attention) {
            const models::LatentSpec& l = program.latents[static_cast<std::size_t>(op.spec)];
            shape.attention_width += std::int64_t{op.n_heads} * (l.nope + l.rope);
        }
    }
    return shape;
}

}  // namespace hearth::plan
