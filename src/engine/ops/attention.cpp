// engine/ops/attention.cpp - new keys and values go to their blocks, then every query looks back over them.
#include <algorithm>
#include <cstring>

#include "engine/executor.h"

namespace hearth::engine {

void Executor::append_kv(const models::Op& op, std::span<const StepPart> parts) {
    const models::StateSpec& spec = model_->program.states[static_cast<std::size_t>(op.state)];
    const std::int64_t head_dim_pad = round_up(spec.head_dim, kernels::kLanes);
    const std::size_t pool = blocks_->pool_of(op.state);
    for (std::size_t row = 0; row < places_.size(); ++row) {
        const Place& place = places_[row];
        const BlockId block = parts[static_cast<std::size_t>(place.part)].state->block_ids(
            pool)[static_cast<std::size_t>(place.position / kernels::kKvBlockTokens)];
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

void Executor::attention(const models::Op& op, std::span<const StepPart> parts) {
    const models::StateSpec& spec = model_->program.states[static_cast<std::size_t>(op.state)];
    const int heads_per_kv = op.n_heads / spec.n_kv_heads;
    const auto n_rows = static_cast<std::int64_t>(places_.size());
    const std::size_t pool = blocks_->pool_of(op.state);
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
            const auto ids = parts[static_cast<std::size_t>(place.part)].state->block_ids(pool);
            const StepPart& part = parts[static_cast<std::size_t>(place.part)];
            const std::int64_t n_filled =
                part.state->length() + static_cast<std::int64_t>(part.tokens.size());
            const std::int64_t reach = op.reach > 0 ? op.reach : n_filled;
            const std::int64_t end =
                op.causal ? place.position + 1 : std::min(n_filled, place.position + 1 + reach);
            for (; n_known * kernels::kKvBlockTokens < end; ++n_known) {
                const BlockId id = ids[static_cast<std::size_t>(n_known)];
                if (id == kNoBlock) continue;  // it left the window: not read
                key_rows[n_known] = blocks_->keys(op.state, id, head);
                value_rows[n_known] = blocks_->values(op.state, id, head);
            }
            const std::int64_t behind = !op.causal ? reach + 1 : spec.window > 0 ? spec.window : end;
            const std::int64_t first = std::max<std::int64_t>(0, place.position + 1 - behind);
            const std::int64_t at = std::int64_t{head} * heads_per_kv * spec.head_dim;
            const kernels::AttendArgs args{
                buffer(op.a).row(row) + at,
                buffer(op.out).row(row) + at,
                key_rows,
                value_rows,
                first,
                end,
                heads_per_kv,
                spec.head_dim,
                static_cast<int>(round_up(spec.head_dim, kernels::kLanes)),
                op.value,
                op.sinks == models::kNone ? nullptr : vector(op.sinks) + head * heads_per_kv,
                scratch_.data() + worker * scratch_per_worker_};
            kernels_->attend(&args);
        }
    });
}

}  // namespace hearth::engine
