// models/program.cpp - the builder: names become rows, shapes come from the config.
#include "models/program.h"

#include "base/check.h"

namespace hearth::models {

std::string_view name(Role role) {
    switch (role) {
        case Role::embedding:
            return "embedding";
        case Role::head:
            return "head";
        case Role::norm:
            return "norm";
        case Role::qk_norm:
            return "qk_norm";
        case Role::attn_q:
            return "attn_q";
        case Role::attn_k:
            return "attn_k";
        case Role::attn_v:
            return "attn_v";
        case Role::attn_output:
            return "attn_output";
        case Role::ffn_gate:
            return "ffn_gate";
        case Role::ffn_up:
            return "ffn_up";
        case Role::ffn_down:
            return "ffn_down";
        case Role::bias:
            return "bias";
    }
    return "";
}

std::int64_t Program::kv_bytes_per_token(int bytes_per_element) const {
    std::int64_t bytes = 0;
    for (const StateSpec& state : states) bytes += state.bytes_per_token(bytes_per_element);
    return bytes;
}

ValueId ProgramBuilder::value(std::string_view name, std::int64_t width) {
    for (std::size_t i = 0; i < program_.values.size(); ++i)
        if (program_.values[i].name == name) {
            HEARTH_CHECK(program_.values[i].width == width, "an activation keeps its width");
            return static_cast<ValueId>(i);
        }
    program_.values.push_back({std::string(name), width});
    return static_cast<ValueId>(program_.values.size() - 1);
}

TensorId ProgramBuilder::tensor(std::string_view name, Role role, Shape shape, int fused_group) {
    const std::string full =
        layer_ == kNone ? std::string(name) : fmt::format("model.layers.{}.{}", layer_, name);
    program_.tensors.push_back({full, role, layer_, shape, fused_group});
    return static_cast<TensorId>(program_.tensors.size() - 1);
}

Op& ProgramBuilder::push(OpKind kind) {
    program_.ops.push_back({.kind = kind, .layer = layer_});
    return program_.ops.back();
}

ValueId ProgramBuilder::embed(std::string_view name) {
    const ValueId out = value("x", config_.d_model);
    const TensorId weight = tensor(name, Role::embedding, Shape{config_.vocab, config_.d_model});
    Op& op = push(OpKind::embed);
    op.out = out;
    op.weight = weight;
    return out;
}

ValueId ProgramBuilder::rms_norm(std::string_view out_name, ValueId x, std::string_view name) {
    const std::int64_t width = program_.values[static_cast<std::size_t>(x)].width;
    const ValueId out = value(out_name, width);
    const TensorId weight = tensor(name, Role::norm, Shape{width});
    Op& op = push(OpKind::rms_norm);
    op.out = out;
    op.a = x;
    op.weight = weight;
    return out;
}

ValueId ProgramBuilder::linear(std::string_view out_name, ValueId x, std::string_view name, Role role,
                               std::int64_t rows, bool has_bias, int fused_group) {
    const std::int64_t cols = program_.values[static_cast<std::size_t>(x)].width;
    const ValueId out = value(out_name, rows);
    const TensorId weight = tensor(std::string(name) + ".weight", role, Shape{rows, cols}, fused_group);
    const TensorId bias = has_bias ? tensor(std::string(name) + ".bias", Role::bias, Shape{rows}) : kNone;
    Op& op = push(OpKind::linear);
    op.out = out;
    op.a = x;
    op.weight = weight;
    op.bias = bias;
    return out;
}

void ProgramBuilder::head_norm(ValueId x, std::string_view name) {
    const TensorId weight = tensor(name, Role::qk_norm, Shape{config_.head_dim});
    Op& op = push(OpKind::head_norm);
    op.out = op.a = x;
    op.weight = weight;
    op.head_dim = config_.head_dim;
}

void ProgramBuilder::rope(ValueId x) {
    Op& op = push(OpKind::rope);
    op.out = op.a = x;
    op.head_dim = config_.head_dim;
}

ValueId ProgramBuilder::attention(std::string_view out_name, ValueId q, ValueId k, ValueId v, int window) {
    const ValueId out = value(out_name, config_.q_width());
    program_.states.push_back(
        {StateSpec::Kind::paged_kv, layer_, config_.n_kv_heads, config_.head_dim, window});
    Op& op = push(OpKind::attention);
    op.out = out;
    op.a = q;
    op.b = k;
    op.c = v;
    op.state = static_cast<StateId>(program_.states.size() - 1);
    op.head_dim = config_.head_dim;
    return out;
}

ValueId ProgramBuilder::swiglu(std::string_view out_name, ValueId gate, ValueId up) {
    const ValueId out = value(out_name, program_.values[static_cast<std::size_t>(gate)].width);
    Op& op = push(OpKind::swiglu);
    op.out = out;
    op.a = gate;
    op.b = up;
    return out;
}

void ProgramBuilder::add(ValueId x, ValueId y) {
    Op& op = push(OpKind::add);
    op.out = x;
    op.a = y;
}

ValueId ProgramBuilder::select_rows(std::string_view out_name, ValueId x) {
    const ValueId out = value(out_name, program_.values[static_cast<std::size_t>(x)].width);
    Op& op = push(OpKind::select_rows);
    op.out = out;
    op.a = x;
    return out;
}

Program ProgramBuilder::finish(ValueId x, std::string_view head_tensor) {
    if (config_.tied_embeddings) {
        // The embedding is the first tensor that embed() declared.
        TensorId embedding = kNone;
        for (std::size_t i = 0; i < program_.tensors.size(); ++i)
            if (program_.tensors[i].role == Role::embedding) embedding = static_cast<TensorId>(i);
        HEARTH_CHECK(embedding != kNone, "a tied head needs an embedding");
        const ValueId out = value("logits", config_.vocab);
        Op& op = push(OpKind::linear);
        op.out = out;
        op.a = x;
        op.weight = embedding;
        program_.logits = out;
    } else {
        program_.logits = linear("logits", x, head_tensor, Role::head, config_.vocab, false);
    }
    return std::move(program_);
}

Program decoder(const ModelConfig& config, void (*layer)(ProgramBuilder&, const ModelConfig&, ValueId)) {
    ProgramBuilder b(config);
    const ValueId x = b.embed("model.embed_tokens.weight");
    for (int i = 0; i < config.n_layers; ++i) {
        b.begin_layer(i);
        layer(b, config, x);
    }
    b.begin_layer(kNone);
    return b.finish(b.rms_norm("last", b.select_rows("last", x), "model.norm.weight"), "lm_head");
}

}  // namespace hearth::models
