// engine/executor.cpp - the CPU executor: one pass over the program's operations, one fork and join each.
#include "engine/executor.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/pack.h"
#include "kernels/select.h"

namespace hearth::engine {
namespace {

using models::Op;
using models::OpKind;

// Rows that pass through the head together: its outputs are as wide as the vocabulary.
constexpr std::int64_t kHeadRows = 32;

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

}  // namespace

Executor::Executor(std::shared_ptr<const models::Model> model, KvBlocks& blocks, ThreadPool& pool)
    : model_(std::move(model)), blocks_(&blocks), pool_(&pool), kernels_(&kernels::best()) {}

Result<std::unique_ptr<Executor>> Executor::make(std::shared_ptr<const models::Model> model, KvBlocks& blocks,
                                                 ThreadPool& pool, std::int64_t tokens_max,
                                                 std::int64_t context_max) {
    std::unique_ptr<Executor> executor(new Executor(std::move(model), blocks, pool));
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
    std::int64_t cols_max = 1;
    for (const models::LoadedTensor& tensor : model_->tensors)
        cols_max = std::max(cols_max, tensor.matrix.cols_padded);
    for (std::size_t i = 0; i < program.values.size(); ++i) {
        const std::int64_t width = program.values[i].width, stride = round_up(width, kernels::kLanes);
        HEARTH_TRY(const auto data,
                   arena_.take<float>(static_cast<std::uint64_t>(rows[i] * stride), "activations"));
        buffers_.push_back({data, width, stride});
    }
    const int head_dim = model_->config().head_dim;
    const std::int64_t attend_floats =
        round_up(context_max, kernels::kKvBlockTokens) + round_up(head_dim, kernels::kLanes);
    scratch_per_worker_ =
        round_up(std::max(kernels::linear_scratch_floats(cols_max), attend_floats), kernels::kLanes);
    const auto n_workers = static_cast<std::uint64_t>(pool_->size());
    HEARTH_TRY(scratch_,
               arena_.take<float>(static_cast<std::uint64_t>(scratch_per_worker_) * n_workers, "scratch"));
    const auto angles = static_cast<std::uint64_t>(tokens_max * (head_dim / 2));
    HEARTH_TRY(cos_, arena_.take<float>(angles, "RoPE angles"));
    HEARTH_TRY(sin_, arena_.take<float>(angles, "RoPE angles"));
    context_blocks_ = round_up(context_max, kernels::kKvBlockTokens) / kernels::kKvBlockTokens;
    key_rows_.resize(static_cast<std::size_t>(context_blocks_) * n_workers);
    value_rows_.resize(key_rows_.size());
    places_.reserve(static_cast<std::size_t>(tokens_max));
    selected_.reserve(static_cast<std::size_t>(tokens_max));
    return {};
}

template <class Body>
void Executor::each_row(std::int64_t n, Body&& body) {
    // Below this many rows a fork costs more than it shares out.
    constexpr std::int64_t kRowsToFork = 8;
    if (n < kRowsToFork) {
        for (std::int64_t row = 0; row < n; ++row) body(row);
        return;
    }
    pool_->split(n, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) body(row);
    });
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
    // Angles in float32, then their cosine in double: what transformers computes, to the last bits.
    const auto& frequencies = model_->rope_frequencies;
    const auto n_pairs = static_cast<std::int64_t>(frequencies.size());
    for (std::size_t row = 0; row < places_.size(); ++row)
        for (std::int64_t i = 0; i < n_pairs; ++i) {
            const float angle =
                static_cast<float>(places_[row].position) * frequencies[static_cast<std::size_t>(i)];
            const auto at = row * static_cast<std::size_t>(n_pairs) + static_cast<std::size_t>(i);
            cos_[at] = static_cast<float>(std::cos(static_cast<double>(angle)));
            sin_[at] = static_cast<float>(std::sin(static_cast<double>(angle)));
        }
}

void Executor::run(std::span<const StepPart> parts, const Sink& sink) {
    place_tokens(parts);
    const auto& ops = model_->program.ops;
    const auto n_rows = static_cast<std::int64_t>(places_.size());
    const auto head =
        std::find_if(ops.begin(), ops.end(), [](const Op& op) { return op.kind == OpKind::select_rows; });
    for (auto op = ops.begin(); op != head; ++op) run_op(*op, parts, n_rows);
    const auto n_selected = static_cast<std::int64_t>(selected_.size());
    const Buffer& logits = buffer(model_->program.logits);
    for (select_begin_ = 0; select_begin_ < n_selected; select_begin_ += kHeadRows) {
        const std::int64_t n = std::min(kHeadRows, n_selected - select_begin_);
        for (auto op = head; op != ops.end(); ++op) run_op(*op, parts, n);
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

void Executor::run_op(const Op& op, std::span<const StepPart> parts, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    const auto vector = [&](models::TensorId id) {
        return model_->tensors[static_cast<std::size_t>(id)].vector.data();
    };
    const float eps = static_cast<float>(model_->config().rms_eps);
    switch (op.kind) {
        case OpKind::embed:
            embed(op, parts);
            return;
        case OpKind::linear:
            linear(op, n_rows);
            return;
        case OpKind::attention:
            append_kv(op, parts);
            attention(op, parts);
            return;
        case OpKind::rms_norm:
            each_row(n_rows, [&](std::int64_t row) {
                kernels_->rms_norm(out.row(row), buffer(op.a).row(row), vector(op.weight), out.width, eps);
            });
            return;
        case OpKind::head_norm:
            each_row(n_rows, [&](std::int64_t row) {
                for (std::int64_t at = 0; at < out.width; at += op.head_dim)
                    kernels_->rms_norm(out.row(row) + at, out.row(row) + at, vector(op.weight), op.head_dim,
                                       eps);
            });
            return;
        case OpKind::rope: {
            const std::int64_t n_pairs = op.head_dim / 2;
            each_row(n_rows, [&](std::int64_t row) {
                for (std::int64_t at = 0; at < out.width; at += op.head_dim)
                    kernels_->rope(out.row(row) + at, &cos_[static_cast<std::size_t>(row * n_pairs)],
                                   &sin_[static_cast<std::size_t>(row * n_pairs)], n_pairs, 0);
            });
            return;
        }
        case OpKind::swiglu:
            each_row(n_rows, [&](std::int64_t row) {
                kernels_->swiglu(out.row(row), buffer(op.a).row(row), buffer(op.b).row(row), out.width);
            });
            return;
        case OpKind::add:
            each_row(n_rows, [&](std::int64_t row) {
                kernels_->add(out.row(row), buffer(op.a).row(row), out.width);
            });
            return;
        case OpKind::select_rows:
            for (std::int64_t row = 0; row < n_rows; ++row)
                std::memcpy(out.row(row),
                            buffer(op.a).row(selected_[static_cast<std::size_t>(select_begin_ + row)]),
                            static_cast<std::size_t>(out.width) * sizeof(float));
            return;
    }
}

void Executor::embed(const Op& op, std::span<const StepPart> parts) {
    const Buffer& out = buffer(op.out);
    const models::LoadedTensor& table = model_->tensors[static_cast<std::size_t>(op.weight)];
    std::int64_t row = 0;
    for (const StepPart& part : parts)
        for (const int id : part.tokens)
            models::embedding_row(table, id, {out.row(row++), static_cast<std::size_t>(out.width)});
}

void Executor::linear(const Op& op, std::int64_t n_rows) {
    const Buffer &x = buffer(op.a), &y = buffer(op.out);
    kernels::linear(*kernels_, model_->tensors[static_cast<std::size_t>(op.weight)].matrix, x.data.data(),
                    x.stride, y.data.data(), y.stride, n_rows, scratch_.data(), scratch_per_worker_, *pool_);
    if (op.bias == models::kNone) return;
    const float* bias = model_->tensors[static_cast<std::size_t>(op.bias)].vector.data();
    for (std::int64_t row = 0; row < n_rows; ++row) kernels_->add(y.row(row), bias, y.width);
}

void Executor::append_kv(const Op& op, std::span<const StepPart> parts) {
    const models::StateSpec& spec = model_->program.states[static_cast<std::size_t>(op.state)];
    const std::int64_t head_dim_pad = round_up(spec.head_dim, kernels::kLanes);
    for (std::size_t row = 0; row < places_.size(); ++row) {
        const Place& place = places_[row];
        const BlockId block =
            parts[static_cast<std::size_t>(place.part)]
                .state->block_ids()[static_cast<std::size_t>(place.position / kernels::kKvBlockTokens)];
        const std::int64_t slot = place.position % kernels::kKvBlockTokens;
        for (int head = 0; head < spec.n_kv_heads; ++head) {
            const float* k = buffer(op.b).row(static_cast<std::int64_t>(row)) + head * spec.head_dim;
            const float* v = buffer(op.c).row(static_cast<std::int64_t>(row)) + head * spec.head_dim;
            float* keys = blocks_->keys(op.state, block, head) + slot;
            for (int d = 0; d < spec.head_dim; ++d) keys[d * kernels::kKvBlockTokens] = k[d];
            std::memcpy(blocks_->values(op.state, block, head) + slot * head_dim_pad, v,
                        static_cast<std::size_t>(spec.head_dim) * sizeof(float));
        }
    }
}

void Executor::attention(const Op& op, std::span<const StepPart> parts) {
    const models::StateSpec& spec = model_->program.states[static_cast<std::size_t>(op.state)];
    const int heads_per_kv = model_->config().n_heads / spec.n_kv_heads;
    const auto n_rows = static_cast<std::int64_t>(places_.size());
    const int n_workers = pool_->size();
    // Items are (KV head, token); neighbours differ in cost by one position, so every n-th item is a fair
    // share.
    const std::int64_t n_items = n_rows * spec.n_kv_heads;
    pool_->run([&](int worker) {
        const float** key_rows = &key_rows_[static_cast<std::size_t>(worker * context_blocks_)];
        const float** value_rows = &value_rows_[static_cast<std::size_t>(worker * context_blocks_)];
        int last_part = -1, last_head = -1;
        std::int64_t n_known = 0;
        for (std::int64_t item = worker; item < n_items; item += n_workers) {
            const int head = static_cast<int>(item / n_rows);
            const std::int64_t row = item % n_rows;
            const Place& place = places_[static_cast<std::size_t>(row)];
            if (place.part != last_part || head != last_head) n_known = 0;
            last_part = place.part;
            last_head = head;
            const auto ids = parts[static_cast<std::size_t>(place.part)].state->block_ids();
            for (; n_known * kernels::kKvBlockTokens <= place.position; ++n_known) {
                key_rows[n_known] = blocks_->keys(op.state, ids[static_cast<std::size_t>(n_known)], head);
                value_rows[n_known] = blocks_->values(op.state, ids[static_cast<std::size_t>(n_known)], head);
            }
            const std::int64_t first =
                spec.window > 0 ? std::max<std::int64_t>(0, place.position + 1 - spec.window) : 0;
            const std::int64_t at = std::int64_t{head} * heads_per_kv * spec.head_dim;
            const kernels::AttendArgs args{buffer(op.a).row(row) + at,
                                           buffer(op.out).row(row) + at,
                                           key_rows,
                                           value_rows,
                                           first,
                                           place.position + 1,
                                           heads_per_kv,
                                           spec.head_dim,
                                           static_cast<int>(round_up(spec.head_dim, kernels::kLanes)),
                                           1.0f / std::sqrt(static_cast<float>(spec.head_dim)),
                                           scratch_.data() + worker * scratch_per_worker_};
            kernels_->attend(&args);
        }
    });
}

}  // namespace hearth::engine
