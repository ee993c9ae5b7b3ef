// models/program.cpp - the builder: names become rows, shapes come from the config.
#include "models/program.h"

#include <cmath>

#include "base/check.h"
#include "kernels/kv_type.h"

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
        case Role::attn_sinks:
            return "attn_sinks";
        case Role::attn_gate:
            return "attn_gate";
        case Role::linear_in:
            return "linear_in";
        case Role::linear_gate:
            return "linear_gate";
        case Role::conv:
            return "conv";
        case Role::decay:
            return "decay";
        case Role::state_norm:
            return "state_norm";
        case Role::latent_down:
            return "latent_down";
        case Role::latent_up:
            return "latent_up";
        case Role::indexer:
            return "indexer";
        case Role::ffn_gate:
            return "ffn_gate";
        case Role::ffn_up:
            return "ffn_up";
        case Role::ffn_down:
            return "ffn_down";
        case Role::router:
            return "router";
        case Role::router_bias:
            return "router_bias";
        case Role::scale:
            return "scale";
        case Role::per_layer:
            return "per_layer";
        case Role::per_position:
            return "per_position";
        case Role::draft:
            return "draft";
        case Role::bias:
            return "bias";
    }
    return "";
}

std::int64_t StateSpec::block_floats(kernels::KvType kv) const {
    if (kind == Kind::recurrent) return floats;
    if (kind == Kind::latent) return head_dim * 16LL;
    return kernels::kv_block_bytes(kv, n_kv_heads, head_dim) / static_cast<std::int64_t>(sizeof(float));
}

std::int64_t Program::kv_bytes_per_token(int bytes_per_element) const {
    std::int64_t bytes = 0;
    for (const StateSpec& state : states) bytes += state.bytes_per_token(bytes_per_element);
    return bytes;
}

double Program::operations(double depth, double n, double n_logits) const {
    const auto width = [&](ValueId id) {
        return static_cast<double>(values[static_cast<std::size_t>(id)].width);
    };
    double sum = 0, rows = n;
    for (const Op& op : ops) {
        double seen = depth + (n + 1) / 2;
        switch (op.kind) {
            case OpKind::select_rows:
                rows = n_logits;
                break;
            case OpKind::linear:
                sum += 2 * static_cast<double>(tensors[static_cast<std::size_t>(op.weight)].shape.n_elems()) *
                       rows;
                break;
            case OpKind::experts: {
                const ExpertsSpec& spec = experts[static_cast<std::size_t>(op.spec)];
                sum += 2.0 * spec.n_matrices() * width(op.a) * static_cast<double>(spec.d_ff) *
                       spec.router.top_k * rows;
                break;
            }
            case OpKind::attention: {  // q k^T and p v, over what each token sees
                const int window = states[static_cast<std::size_t>(op.state)].window;
                if (window > 0) seen = std::min(seen, static_cast<double>(window));
                sum += 4 * width(op.a) * seen * n;
                break;
            }
            case OpKind::latent_attention: {  // to and from the latents, and over them
                const LatentSpec& l = latents[static_cast<std::size_t>(op.spec)];
                if (l.top_k > 0) seen = std::min(seen, static_cast<double>(l.top_k));
                sum +=
                    2 * static_cast<double>(tensors[static_cast<std::size_t>(op.weight)].shape.n_elems()) * n;
                sum += 2.0 * op.n_heads * (2.0 * l.rank + l.rope) * seen * n;
                break;
            }
            case OpKind::index_positions:
                sum += 2 * width(op.a) * seen * n;
                break;
            case OpKind::delta_rule: {  // reads a state twice, joins it once, and half a chunk of rows
                const DeltaSpec& d = deltas[static_cast<std::size_t>(op.spec)];
                sum += 6.0 * d.v_heads * d.k_dim * d.v_dim * n;
                sum += 2.0 * kernels::kDeltaChunk * (d.k_heads * d.k_dim + d.v_heads * d.v_dim) * n;
                break;
            }
            default:
                break;
        }
    }
    return sum;
}

std::vector<bool> Program::multiplied() const {
    std::vector<bool> is(tensors.size());
    const auto mark = [&](TensorId id) { is[static_cast<std::size_t>(id)] = true; };
    for (const Op& op : ops) {
        if (op.kind == OpKind::linear || op.kind == OpKind::latent_attention) mark(op.weight);
        if (op.kind == OpKind::latent_attention)
            if (const TensorId apart = latents[static_cast<std::size_t>(op.spec)].values; apart != kNone)
                mark(apart);
        if (op.kind != OpKind::experts) continue;
        const ExpertsSpec& spec = experts[static_cast<std::size_t>(op.spec)];
        for (int e = 0; e < spec.router.n_experts; ++e)
            for (int part = 0; part < spec.n_matrices(); ++part) mark(spec.first + e * spec.stride + part);
    }
    return is;
}

// Layers may give one name two widths: each width has a buffer.
ValueId ProgramBuilder::value(std::string_view name, std::int64_t width) {
    for (std::size_t i = 0; i < program_.values.size(); ++i)
        if (program_.values[i].name == name && program_.values[i].width == width)
            return static_cast<ValueId>(i);
    program_.values.push_back({.name = std::string(name), .width = width});
    return static_cast<ValueId>(program_.values.size() - 1);
}

TensorId ProgramBuilder::tensor(std::string_view name, Role role, Shape shape, int fused_group) {
    const std::string full =
        layer_ == kNone ? std::string(name) : fmt::format("model.layers.{}.{}", layer_, name);
    program_.tensors.push_back({full, role, layer_, shape, fused_group});
    if (role == Role::norm || role == Role::qk_norm) program_.tensors.back().plus = config_.norm_plus;
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

ValueId ProgramBuilder::embed(std::string_view out_name, std::string_view name, Role role, std::int64_t rows,
                              std::int64_t width_of_row) {
    const ValueId out = value(out_name, width_of_row);
    const TensorId weight = tensor(name, role, Shape{rows, width_of_row});
    Op& op = push(OpKind::embed);
    op.out = out;
    op.weight = weight;
    return out;
}

void ProgramBuilder::add_positions(ValueId x, std::string_view name, std::int64_t rows) {
    const ValueId out = value("positions", width(x));
    const TensorId weight = tensor(name, Role::per_position, Shape{rows, width(x)});
    Op& op = push(OpKind::embed_positions);
    op.out = out;
    op.weight = weight;
    add(x, out);
}

void ProgramBuilder::add_row(ValueId x, std::string_view name, std::int64_t rows) {
    const TensorId weight = tensor(name, Role::per_position, Shape{rows, width(x)});
    Op& op = push(OpKind::add_row);
    op.out = x;
    op.weight = weight;
}

void ProgramBuilder::layer_norm(ValueId x, ValueId from, std::string_view module, bool has_bias, double eps) {
    const Shape shape{width(from)};
    const TensorId weight = tensor(std::string(module) + ".weight", Role::norm, shape);
    const TensorId bias = has_bias ? tensor(std::string(module) + ".bias", Role::bias, shape) : kNone;
    Op& op = push(OpKind::layer_norm);
    op.out = x;
    op.a = from;
    op.weight = weight;
    op.bias = bias;
    op.eps = static_cast<float>(eps > 0 ? eps : config_.rms_eps);
}

ValueId ProgramBuilder::layer_norm(std::string_view out_name, ValueId from, std::string_view module,
                                   bool has_bias) {
    const ValueId out = value(out_name, width(from));
    layer_norm(out, from, module, has_bias);
    return out;
}

ValueId ProgramBuilder::activate(std::string_view out_name, ValueId x, Activation activation) {
    const ValueId out = value(out_name, width(x));
    Op& op = push(OpKind::activate);
    op.out = out;
    op.a = x;
    op.activation = activation;
    return out;
}

ValueId ProgramBuilder::given(std::string_view out_name) {
    const ValueId out = value(out_name, config_.d_model);
    push(OpKind::given).out = out;
    return out;
}

Program ProgramBuilder::finish_without_head(ValueId x) {
    program_.logits = x;
    return std::move(program_);
}

ValueId ProgramBuilder::view(std::string_view name, ValueId of, std::int64_t offset,
                             std::int64_t width_of_view) {
    HEARTH_CHECK(offset + width_of_view <= width(of), "a view is inside its value");
    const ValueId out = value(name, width_of_view);
    Value& v = program_.values[static_cast<std::size_t>(out)];
    HEARTH_CHECK(v.of == kNone || (v.of == of && v.offset == offset), "a view's name is its own");
    v.of = of;
    v.offset = offset;
    return out;
}

ValueId ProgramBuilder::rms_norm(std::string_view out_name, ValueId x, std::string_view name, double eps) {
    const ValueId out = value(out_name, width(x));
    const TensorId weight = name.empty() ? kNone : tensor(name, Role::norm, Shape{width(x)});
    Op& op = push(OpKind::rms_norm);
    op.out = out;
    op.a = x;
    op.weight = weight;
    op.eps = static_cast<float>(eps > 0 ? eps : config_.rms_eps);
    return out;
}

ValueId ProgramBuilder::linear(std::string_view out_name, ValueId x, std::string_view name, Role role,
                               std::int64_t rows, bool has_bias, int fused_group) {
    const std::int64_t cols = width(x);
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

void ProgramBuilder::head_norm(ValueId x, std::string_view name, int head_dim, Role role) {
    const TensorId weight = name.empty() ? kNone : tensor(name, role, Shape{head_dim});
    Op& op = push(OpKind::head_norm);
    op.out = op.a = x;
    op.weight = weight;
    op.head_dim = head_dim;
    op.eps = static_cast<float>(config_.rms_eps);
}

int ProgramBuilder::new_rope(const RopeConfig& rope, int head_dim, bool interleaved) {
    program_.ropes.push_back({rope, head_dim, interleaved});
    return static_cast<int>(program_.ropes.size() - 1);
}

void ProgramBuilder::rope(ValueId x, int rope) {
    Op& op = push(OpKind::rope);
    op.out = op.a = x;
    op.spec = rope;
    op.head_dim = program_.ropes[static_cast<std::size_t>(rope)].head_dim;
}

void ProgramBuilder::rope(ValueId x, int rope_row, int head_dim, int offset) {
    rope(x, rope_row);
    program_.ops.back().head_dim = head_dim;
    program_.ops.back().offset = offset;
}

void ProgramBuilder::index_positions(ValueId q, ValueId k, ValueId w, const ModelConfig::Indexer& spec) {
    program_.states.push_back(
        {.kind = StateSpec::Kind::latent, .layer = layer_, .n_kv_heads = 1, .head_dim = spec.head_dim});
    Op& op = push(OpKind::index_positions);
    op.out = op.a = q;
    op.b = k;
    op.c = w;
    op.state = static_cast<StateId>(program_.states.size() - 1);
    op.n_heads = spec.n_heads;
    op.head_dim = spec.head_dim;
    op.top_k = spec.top_k;
    op.value = 1.0f / std::sqrt(static_cast<float>(spec.head_dim) * static_cast<float>(spec.n_heads));
}

ValueId ProgramBuilder::latent_attention(std::string_view out_name, ValueId q, ValueId kv, int n_heads,
                                         LatentSpec spec, double scale) {
    const std::int64_t heads = n_heads;
    const ValueId out = value(out_name, heads * spec.v_dim);
    spec.absorbed = value("absorbed", heads * LatentSpec::padded(spec.rank));
    spec.unpacked = value("unpacked", heads * LatentSpec::padded(spec.v_dim));
    const bool split = config_.latent.split;
    const TensorId weight =
        split ? tensor("self_attn.k_b_proj.weight", Role::latent_up, Shape{heads * spec.rank, spec.nope})
              : tensor("self_attn.kv_b_proj.weight", Role::latent_up,
                       Shape{heads * (spec.nope + spec.v_dim), spec.rank});
    if (split)
        spec.values =
            tensor("self_attn.v_b_proj.weight", Role::latent_up, Shape{heads * spec.v_dim, spec.rank});
    program_.states.push_back({.kind = StateSpec::Kind::latent,
                               .layer = layer_,
                               .n_kv_heads = 1,
                               .head_dim = spec.rank + spec.rope});
    program_.latents.push_back(spec);
    Op& op = push(OpKind::latent_attention);
    op.out = out;
    op.a = q;
    op.b = kv;
    op.weight = weight;
    op.state = static_cast<StateId>(program_.states.size() - 1);
    op.n_heads = n_heads;
    op.spec = static_cast<int>(program_.latents.size() - 1);
    op.value = static_cast<float>(scale);
    return out;
}

ValueId ProgramBuilder::attention(std::string_view out_name, ValueId q, ValueId k, ValueId v,
                                  const AttentionShape& shape, std::string_view sinks) {
    const ValueId out = value(out_name, shape.q_width());
    const TensorId sink = sinks.empty() ? kNone : tensor(sinks, Role::attn_sinks, Shape{shape.n_heads});
    program_.states.push_back({.kind = StateSpec::Kind::paged_kv,
                               .layer = layer_,
                               .n_kv_heads = shape.n_kv_heads,
                               .head_dim = shape.head_dim,
                               .window = shape.causal ? shape.window : 0});
    program_.bidirectional |= !shape.causal;
    Op& op = push(OpKind::attention);
    op.causal = shape.causal;
    op.reach = shape.window;
    op.out = out;
    op.a = q;
    op.b = k;
    op.c = v;
    op.state = static_cast<StateId>(program_.states.size() - 1);
    op.head_dim = shape.head_dim;
    op.n_heads = shape.n_heads;
    op.value = shape.scale > 0 ? shape.scale : 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
    op.sinks = sink;
    return out;
}

ValueId ProgramBuilder::attention(std::string_view out_name, ValueId q, StateId state,
                                  const AttentionShape& shape) {
    const ValueId out = value(out_name, shape.q_width());
    Op& op = push(OpKind::attention);
    op.out = out;
    op.a = q;
    op.state = state;
    op.head_dim = shape.head_dim;
    op.n_heads = shape.n_heads;
    op.value = shape.scale > 0 ? shape.scale : 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
    return out;
}

StateId ProgramBuilder::state_of(int layer) const {
    for (std::size_t i = 0; i < program_.states.size(); ++i)
        if (program_.states[i].layer == layer) return static_cast<StateId>(i);
    HEARTH_CHECK(false, "an earlier layer keeps something");
    return kNone;
}

ValueId ProgramBuilder::named(std::string_view name) const {
    for (std::size_t i = 0; i < program_.values.size(); ++i)
        if (program_.values[i].name == name) return static_cast<ValueId>(i);
    HEARTH_CHECK(false, "a value is made before it is named");
    return kNone;
}

ValueId ProgramBuilder::copy(std::string_view out_name, ValueId x) {
    const ValueId out = value(out_name, width(x));
    Op& op = push(OpKind::copy);
    op.out = out;
    op.a = x;
    return out;
}

void ProgramBuilder::scale(ValueId x, double factor) {
    Op& op = push(OpKind::scale);
    op.out = op.a = x;
    op.value = static_cast<float>(factor);
}

void ProgramBuilder::scale(ValueId x, std::string_view name) {
    const TensorId weight = tensor(name, Role::scale, Shape{1});
    Op& op = push(OpKind::scale);
    op.out = op.a = x;
    op.weight = weight;
}

void ProgramBuilder::softcap(ValueId x, double cap) {
    Op& op = push(OpKind::softcap);
    op.out = op.a = x;
    op.value = static_cast<float>(cap);
}

ValueId ProgramBuilder::swiglu(std::string_view out_name, ValueId gate, ValueId up, Activation activation,
                               float limit) {
    const ValueId out = value(out_name, width(gate));
    Op& op = push(OpKind::swiglu);
    op.out = out;
    op.a = gate;
    op.b = up;
    op.activation = activation;
    op.limit = limit;
    return out;
}

void ProgramBuilder::gate(ValueId x, ValueId scores) {
    Op& op = push(OpKind::gate);
    op.out = x;
    op.a = scores;
}

ValueId ProgramBuilder::delta_rule(std::string_view out_name, ValueId u, ValueId b, ValueId a,
                                   const DeltaSpec& spec) {
    const ValueId mixed = value("mixed", spec.channels()), out = value(out_name, spec.v_width());
    const TensorId taps = tensor("linear_attn.conv1d.weight", Role::conv, Shape{spec.channels(), spec.taps});
    const TensorId decay = tensor("linear_attn.A_log", Role::decay, Shape{spec.v_heads});
    const TensorId bias = tensor("linear_attn.dt_bias", Role::decay, Shape{spec.v_heads});
    program_.states.push_back(
        {.kind = StateSpec::Kind::recurrent, .layer = layer_, .floats = spec.state_floats()});
    program_.deltas.push_back(spec);
    const auto state = static_cast<StateId>(program_.states.size() - 1);
    Op& convolve = push(OpKind::convolve);
    convolve.out = mixed;
    convolve.a = u;
    convolve.weight = taps;
    convolve.state = state;
    convolve.spec = static_cast<int>(program_.deltas.size() - 1);
    Op& op = push(OpKind::delta_rule);
    op.out = out;
    op.a = mixed;
    op.b = b;
    op.c = a;
    op.weight = decay;
    op.bias = bias;
    op.state = state;
    op.spec = static_cast<int>(program_.deltas.size() - 1);
    return out;
}

void ProgramBuilder::reorder_rows(std::vector<std::int32_t> order) {
    TensorSpec& last = program_.tensors.back();
    HEARTH_CHECK(static_cast<std::int64_t>(order.size()) == last.shape[0], "an order names every row");
    last.row_order = std::make_shared<const std::vector<std::int32_t>>(std::move(order));
}

void ProgramBuilder::scale_queries(ValueId q, double beta, double period) {
    Op& op = push(OpKind::scale_queries);
    op.out = op.a = q;
    op.value = static_cast<float>(beta);
    op.period = static_cast<float>(period);
}

ValueId ProgramBuilder::experts(std::string_view out_name, ValueId x, ValueId scores, std::string_view name,
                                ExpertsSpec spec, std::string_view router_bias,
                                std::string_view expert_scale) {
    const std::int64_t d_model = width(x);
    const ValueId chosen = value("chosen", 2 * std::int64_t{spec.router.top_k});
    const ValueId out = value(out_name, d_model);
    if (!router_bias.empty())
        spec.router_bias = tensor(router_bias, Role::router_bias, Shape{spec.router.n_experts});
    if (!expert_scale.empty())
        spec.expert_scale = tensor(expert_scale, Role::scale, Shape{spec.router.n_experts});
    spec.first = static_cast<TensorId>(program_.tensors.size());
    spec.stride = spec.n_matrices() * (spec.has_bias ? 2 : 1);
    const double used = static_cast<double>(spec.router.top_k) / spec.router.n_experts;
    for (int e = 0; e < spec.router.n_experts; ++e) {
        const int gate_up = new_fused_group();
        const auto part = [&](std::string_view which) { return fmt::format("{}.{}.{}", name, e, which); };
        if (spec.gated) tensor(part("gate_proj.weight"), Role::ffn_gate, Shape{spec.d_ff, d_model}, gate_up);
        tensor(part("up_proj.weight"), Role::ffn_up, Shape{spec.d_ff, d_model}, gate_up);
        tensor(part("down_proj.weight"), Role::ffn_down, Shape{d_model, spec.d_ff});
        if (spec.has_bias) {
            if (spec.gated) tensor(part("gate_proj.bias"), Role::bias, Shape{spec.d_ff});
            tensor(part("up_proj.bias"), Role::bias, Shape{spec.d_ff});
            tensor(part("down_proj.bias"), Role::bias, Shape{d_model});
        }
        for (int i = 0; i < spec.stride; ++i)
            program_.tensors[static_cast<std::size_t>(spec.first + e * spec.stride + i)].used = used;
    }
    program_.experts.push_back(spec);
    const int row = static_cast<int>(program_.experts.size() - 1);
    Op& route = push(OpKind::route);
    route.out = chosen;
    route.a = scores;
    route.spec = row;
    Op& op = push(OpKind::experts);
    op.out = out;
    op.a = x;
    op.b = chosen;
    op.spec = row;
    return out;
}

void ProgramBuilder::add(ValueId x, ValueId y) {
    Op& op = push(OpKind::add);
    op.out = x;
    op.a = y;
}

ValueId ProgramBuilder::select_rows(std::string_view out_name, ValueId x) {
    const ValueId out = value(out_name, width(x));
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
    if (config_.final_softcap > 0) softcap(program_.logits, config_.final_softcap);
    return std::move(program_);
}

}  // namespace hearth::models
