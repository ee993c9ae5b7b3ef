// engine/executor.cpp - the CPU executor: memory for a step, and one pass over the program's operations
// (ops/).
#include "engine/executor.h"

#include <algorithm>
#include <cmath>

#include "kernels/pack.h"
#include "kernels/select.h"

namespace hearth::engine {
namespace {

using models::Op;
using models::OpKind;

// Rows that pass through the head together: its outputs are as wide as the vocabulary.
constexpr std::int64_t kHeadRows = 32;

}  // namespace

Executor::Executor(std::shared_ptr<const models::Network> model, KvBlocks& blocks, ThreadPool& pool,
                   bool exact)
    : model_(std::move(model)), blocks_(&blocks), pool_(&pool), kernels_(&kernels::best()), exact_(exact) {}

Result<std::unique_ptr<Executor>> Executor::make(std::shared_ptr<const models::Network> model,
                                                 KvBlocks& blocks, ThreadPool& pool, std::int64_t tokens_max,
                                                 std::int64_t context_max, bool exact) {
    std::unique_ptr<Executor> executor(new Executor(std::move(model), blocks, pool, exact));
    HEARTH_TRY_STATUS(executor->allocate(tokens_max, context_max));
    return executor;
}

Status Executor::allocate(std::int64_t tokens_max, std::int64_t context_max) {
    const models::Program& program = model_->program;
    std::vector<std::int64_t> rows(program.values.size(), tokens_max);
    bool in_head = false;
    for (const Op& op : program.ops) {
        in_head |= op.kind == OpKind::select_rows;
        if (in_head) rows[static_cast<std::size_t>(op.out)] = std::min(tokens_max, kHeadRows);
    }
    std::int64_t cols_max = 1, width_max = 1;
    for (const models::Value& v : program.values) width_max = std::max(width_max, v.width);
    HEARTH_TRY(ones_, arena_.take<float>(static_cast<std::uint64_t>(width_max), "ones"));
    std::fill(ones_.begin(), ones_.end(), 1.0f);
    for (const models::LoadedTensor& tensor : model_->tensors)
        cols_max = std::max(cols_max, tensor.matrix.cols_padded);
    for (const models::LatentSpec& spec : program.latents)
        cols_max = std::max<std::int64_t>({cols_max, round_up(spec.rank, 32), round_up(spec.nope, 32)});
    for (std::size_t i = 0; i < program.values.size(); ++i) {
        const std::int64_t width = program.values[i].width,
                           stride = round_up(width, kernels::kActivationCols);
        if (const models::Value& v = program.values[i]; v.of != models::kNone) {
            const Buffer& of = buffer(v.of);  // views come after what they look at
            buffers_.push_back({of.data.subspan(static_cast<std::size_t>(v.offset)), width, of.stride, {}});
            continue;
        }
        HEARTH_TRY(const auto data,
                   arena_.take<float>(static_cast<std::uint64_t>(rows[i] * stride), "activations"));
        buffers_.push_back({data, width, stride, {}});
    }
    HEARTH_TRY_STATUS(allocate_quantized(rows));
    int head_dim = 0;
    for (const models::StateSpec& state : program.states) head_dim = std::max(head_dim, state.head_dim);
    std::int64_t attend_floats = kAttendScratchFloats(head_dim);
    // Latent attention keeps scores and a mask of the whole context, and an indexer's queries with their
    // weights.
    if (!program.latents.empty())
        attend_floats = std::max(attend_floats, 2 * round_up(context_max, kernels::kKvBlockTokens) +
                                                    round_up(head_dim, kernels::kLanes) + 64);
    std::int64_t delta_floats = 0;
    for (const models::DeltaSpec& spec : program.deltas)
        delta_floats = std::max(delta_floats, delta_scratch_floats(spec));
    scratch_per_worker_ = round_up(
        std::max({kernels::linear_scratch_floats(cols_max), attend_floats, delta_floats}), kernels::kLanes);
    const auto n_workers = static_cast<std::uint64_t>(pool_->size());
    HEARTH_TRY(scratch_,
               arena_.take<float>(static_cast<std::uint64_t>(scratch_per_worker_) * n_workers, "scratch"));
    for (const models::RopeSpec& rope : program.ropes) {
        Rotation rotation;
        rotation.frequencies = models::rope_frequencies(rope.config, rope.head_dim, context_max);
        rotation.n_pairs = static_cast<std::int64_t>(rotation.frequencies.size());
        const auto angles = static_cast<std::uint64_t>(tokens_max * rotation.n_pairs);
        HEARTH_TRY(rotation.cos, arena_.take<float>(angles, "RoPE angles"));
        HEARTH_TRY(rotation.sin, arena_.take<float>(angles, "RoPE angles"));
        rotations_.push_back(rotation);
    }
    HEARTH_TRY_STATUS(allocate_experts(tokens_max));
    for (const Op& op : program.ops)
        if (op.kind == OpKind::index_positions)
            selection_width_ = std::max(selection_width_, std::min<std::int64_t>(op.top_k, context_max));
    selection_.resize(static_cast<std::size_t>(tokens_max * selection_width_));
    n_selected_positions_.assign(static_cast<std::size_t>(tokens_max), -1);
    context_blocks_ = round_up(context_max, kernels::kKvBlockTokens) / kernels::kKvBlockTokens;
    key_rows_.resize(static_cast<std::size_t>(context_blocks_) * n_workers);
    value_rows_.resize(key_rows_.size());
    if (!program.latents.empty()) latent_rows_.resize(key_rows_.size());
    places_.reserve(static_cast<std::size_t>(tokens_max));
    selected_.reserve(static_cast<std::size_t>(tokens_max));
    return {};
}

Status Executor::allocate_quantized(std::span<const std::int64_t> rows) {
    for (const Op& op : model_->program.ops) {
        if (op.kind != OpKind::linear) continue;
        const kernels::ActivationKind kind = kernels::activation_kind(
            *kernels_, model_->tensors[static_cast<std::size_t>(op.weight)].matrix, exact_);
        Buffer& x = buffers_[static_cast<std::size_t>(op.a)];
        if (kind == kernels::kActivationF32 || !x.quantized[kind].empty()) continue;
        const auto bytes =
            kernels::activation_row_bytes(kind, x.width) * rows[static_cast<std::size_t>(op.a)];
        HEARTH_TRY(x.quantized[kind],
                   arena_.take_bytes(static_cast<std::uint64_t>(bytes), "quantized activations"));
    }
    const auto owner = [&](std::size_t value) {
        const models::ValueId of = model_->program.values[value].of;
        return of == models::kNone ? value : static_cast<std::size_t>(of);
    };
    quantized_of_.resize(buffers_.size());
    for (std::size_t i = 0; i < buffers_.size(); ++i)
        for (std::size_t sharer = 0; sharer < buffers_.size(); ++sharer)
            if (owner(sharer) == owner(i) &&
                std::any_of(std::begin(buffers_[sharer].quantized), std::end(buffers_[sharer].quantized),
                            [](const auto& blocks) { return !blocks.empty(); }))
                quantized_of_[i].push_back(static_cast<models::ValueId>(sharer));
    return {};
}

void Executor::place_tokens(std::span<const StepPart> parts) {
    places_.clear();
    selected_.clear();
    for (std::size_t p = 0; p < parts.size(); ++p)
        for (std::size_t t = 0; t < parts[p].tokens.size(); ++t) {
            if (static_cast<std::int64_t>(t) >= parts[p].logits_from)
                selected_.push_back(static_cast<std::int64_t>(places_.size()));
            places_.push_back({static_cast<int>(p), parts[p].state->length() + static_cast<std::int64_t>(t)});
        }
    find_angles();
}

// Angles in float32, then their cosine in double: what transformers computes, to the last bits.
void Executor::find_angles() {
    for (std::size_t r = 0; r < rotations_.size(); ++r) {
        const double factor = model_->program.ropes[r].config.attention_factor;
        std::size_t at = 0;
        for (const Place& place : places_)
            for (const float frequency : rotations_[r].frequencies) {
                const auto angle = static_cast<double>(static_cast<float>(place.position) * frequency);
                rotations_[r].cos[at] = static_cast<float>(std::cos(angle) * factor);
                rotations_[r].sin[at++] = static_cast<float>(std::sin(angle) * factor);
            }
    }
}

void Executor::run(std::span<const StepPart> parts, const Sink& sink) {
    place_tokens(parts);
    const auto& ops = model_->program.ops;
    const auto n_rows = static_cast<std::int64_t>(places_.size());
    const auto head =
        std::find_if(ops.begin(), ops.end(), [](const Op& op) { return op.kind == OpKind::select_rows; });
    run_ops({ops.begin(), head}, parts, n_rows);
    const auto n_selected = static_cast<std::int64_t>(selected_.size());
    const Buffer& logits = buffer(model_->program.logits);
    for (select_begin_ = 0; select_begin_ < n_selected; select_begin_ += kHeadRows) {
        const std::int64_t n = std::min(kHeadRows, n_selected - select_begin_);
        run_ops({head, ops.end()}, parts, n);
        for (std::int64_t i = 0; i < n; ++i) {
            const Place& place =
                places_[static_cast<std::size_t>(selected_[static_cast<std::size_t>(select_begin_ + i)])];
            const auto part = static_cast<std::size_t>(place.part);
            sink(part, place.position - parts[part].state->length(),
                 {logits.row(i), static_cast<std::size_t>(logits.width)});
        }
    }
    for (const StepPart& part : parts) part.state->advance(static_cast<std::int64_t>(part.tokens.size()));
}

// What was quantized of a value, and of all that share its rows, is out of date.
void Executor::forget_quantized(models::ValueId id) {
    for (const models::ValueId sharer : quantized_of_[static_cast<std::size_t>(id)])
        for (bool& fresh : buffers_[static_cast<std::size_t>(sharer)].is_fresh) fresh = false;
}

void Executor::quantize_row(models::ValueId id, std::int64_t row) {
    const Buffer& x = buffer(id);
    for (int kind = 0; kind < kernels::kActivationKinds; ++kind)
        if (!x.quantized[kind].empty())
            kernels::quantize_rows(*kernels_, static_cast<kernels::ActivationKind>(kind), x.data.data(),
                                   x.stride, x.width, row, row + 1, x.quantized[kind].data());
}

void Executor::keep_quantized(models::ValueId id) {
    Buffer& x = buffers_[static_cast<std::size_t>(id)];
    for (int kind = 0; kind < kernels::kActivationKinds; ++kind)
        x.is_fresh[kind] = !x.quantized[kind].empty();
}

void Executor::run_ops(std::span<const Op> ops, std::span<const StepPart> parts, std::int64_t n_rows) {
    while (!ops.empty()) {
        std::size_t n = 1;
        if (ops[0].kind == OpKind::linear) {
            while (n < ops.size() && n < kLinearsTogether && ops[n].kind == OpKind::linear &&
                   ops[n].a == ops[0].a && ops[n - 1].out != ops[0].a)
                ++n;
            for (const Op& op : ops.first(n)) forget_quantized(op.out);
            linear(ops.first(n), n_rows);
        } else {
            run_op(ops[0], parts, n_rows);
        }
        ops = ops.subspan(n);
    }
}

void Executor::run_op(const Op& op, std::span<const StepPart> parts, std::int64_t n_rows) {
    forget_quantized(op.out);
    switch (op.kind) {
        case OpKind::embed:
            return embed(op, parts);
        case OpKind::given:
            return given(op, parts);
        case OpKind::linear:
            return linear({&op, 1}, n_rows);
        case OpKind::attention:
            if (op.b != models::kNone) append_kv(op, parts);
            return attention(op, parts);
        case OpKind::index_positions:
            return index_positions(op, parts);
        case OpKind::latent_attention:
            return latent_attention(op, parts);
        case OpKind::embed_positions:
            return embed_positions(op);
        case OpKind::add_row:
            return add_row(op, n_rows);
        case OpKind::layer_norm:
            return layer_norm(op, n_rows);
        case OpKind::activate:
            return activate(op, n_rows);
        case OpKind::rms_norm:
            return rms_norm(op, n_rows);
        case OpKind::head_norm:
            return head_norm(op, n_rows);
        case OpKind::rope:
            return rope(op, n_rows);
        case OpKind::swiglu:
            return swiglu(op, n_rows);
        case OpKind::add:
            return add(op, n_rows);
        case OpKind::copy:
            return copy(op, n_rows);
        case OpKind::scale:
            return scale(op, n_rows);
        case OpKind::softcap:
            return softcap(op, n_rows);
        case OpKind::gate:
            return gate(op, n_rows);
        case OpKind::convolve:
            return convolve(op, parts);
        case OpKind::delta_rule:
            return delta_rule(op, parts);
        case OpKind::scale_queries:
            return scale_queries(op, n_rows);
        case OpKind::route:
            return route(op, n_rows);
        case OpKind::experts:
            return experts(op, n_rows);
        case OpKind::select_rows:
            return select_rows(op, n_rows);
    }
}

}  // namespace hearth::engine
