// engine/ops/attention.cpp - new keys and values go to their blocks, then every query looks back over them.
#include <algorithm>

#include "engine/executor.h"

namespace hearth::engine {

void Executor::append_kv(const models::Op& op, std::span<const StepPart> parts) {
    const models::StateSpec& spec = model_->program.states[static_cast<std::size_t>(op.state)];
    const std::size_t pool = blocks_->pool_of(op.state);
    each_row(static_cast<std::int64_t>(places_.size()), [&](std::int64_t row) {
        const Place& place = places_[static_cast<std::size_t>(row)];
        const BlockId block = parts[static_cast<std::size_t>(place.part)].state->block_ids(
            pool)[static_cast<std::size_t>(place.position / kernels::kKvBlockTokens)];
        for (int head = 0; head < spec.n_kv_heads; ++head) {
            const kernels::KvStoreArgs args{buffer(op.b).row(row) + head * spec.head_dim,
                                            buffer(op.c).row(row) + head * spec.head_dim,
                                            blocks_->keys(op.state, block, head),
                                            blocks_->values(op.state, block, head),
                                            static_cast<int>(place.position % kernels::kKvBlockTokens),
                                            spec.head_dim};
            kernels_->kv_store[blocks_->kv_type()](&args);
        }
    });
}

void Executor::attention(const models::Op& op, std::span<const StepPart> parts) {
    const models::StateSpec& spec = model_->program.states[static_cast<std::size_t>(op.state)];
    const int heads_per_kv = op.n_heads / spec.n_kv_heads;
    const std::size_t pool = blocks_->pool_of(op.state);
    // A task is one KV head and a few neighbouring tokens of one sequence, which share its loads.
    constexpr std::int64_t kTokensATask = 16;
    attend_tasks_.clear();
    std::int64_t row = 0;
    for (const StepPart& part : parts)
        for (std::int64_t left = std::ssize(part.tokens); left > 0;) {
            const std::int64_t n = std::min(left, kTokensATask);
            attend_tasks_.push_back({&part, row, n});
            row += n;
            left -= n;
        }
    const std::int64_t n_tasks = std::ssize(attend_tasks_) * spec.n_kv_heads;
    pool_->claim(n_tasks, 1, [&](int worker, std::int64_t i, std::int64_t) {
        const AttendTask& task = attend_tasks_[static_cast<std::size_t>(i / spec.n_kv_heads)];
        const int head = static_cast<int>(i % spec.n_kv_heads);
        const std::int64_t position = places_[static_cast<std::size_t>(task.row)].position;
        const std::int64_t n_filled = task.part->state->length() + std::ssize(task.part->tokens);
        const std::int64_t reach = op.reach > 0 ? op.reach : n_filled;
        const std::int64_t behind = !op.causal ? reach + 1 : spec.window > 0 ? spec.window : n_filled;
        const std::int64_t ahead = op.causal ? 0 : reach;
        const std::int64_t first = std::max<std::int64_t>(0, position + 1 - behind);
        const std::int64_t end = std::min(n_filled, position + task.n_tokens + ahead);
        const std::uint8_t** key_rows = &key_rows_[static_cast<std::size_t>(worker * context_blocks_)];
        const std::uint8_t** value_rows = &value_rows_[static_cast<std::size_t>(worker * context_blocks_)];
        const auto ids = task.part->state->block_ids(pool);
        for (std::int64_t b = first / kernels::kKvBlockTokens; b * kernels::kKvBlockTokens < end; ++b) {
            const BlockId id = ids[static_cast<std::size_t>(b)];
            key_rows[b] = blocks_->keys(op.state, id, head);
            value_rows[b] = blocks_->values(op.state, id, head);
        }
        const Buffer &q = buffer(op.a), &out = buffer(op.out);
        const std::int64_t at = std::int64_t{head} * heads_per_kv * spec.head_dim;
        const kernels::AttendArgs args{
            q.row(task.row) + at,
            out.row(task.row) + at,
            q.stride,
            out.stride,
            key_rows,
            value_rows,
            position,
            task.n_tokens,
            n_filled,
            behind,
            ahead,
            heads_per_kv,
            spec.head_dim,
            op.value,
            op.sinks == models::kNone ? nullptr : vector(op.sinks) + head * heads_per_kv,
            scratch_.data() + worker * scratch_per_worker_};
        kernels_->attend[blocks_->kv_type()](&args);
    });
}

}  // namespace hearth::engine
