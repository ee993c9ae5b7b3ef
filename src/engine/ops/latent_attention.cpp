// engine/ops/latent_attention.cpp - attention over latents in its absorbed form: queries go through a head's
// key matrix, meet the latents, and what they gather goes through its value matrix. The same form in prefill
// and in decode, so that both give the same bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/executor.h"

namespace hearth::engine {
namespace {
using models::LatentSpec;
constexpr std::int64_t kPanelsATask = 8;
}  // namespace

void Executor::append_latents(const models::Op& op, std::span<const StepPart> parts) {
    const std::int64_t width = model_->program.states[static_cast<std::size_t>(op.state)].head_dim;
    const std::size_t pool = blocks_->pool_of(op.state);
    for (std::size_t row = 0; row < places_.size(); ++row) {
        const Place& place = places_[row];
        const auto ids = parts[static_cast<std::size_t>(place.part)].state->block_ids(pool);
        const BlockId block = ids[static_cast<std::size_t>(place.position / kernels::kKvBlockTokens)];
        float* to = blocks_->data(op.state, block) + place.position % kernels::kKvBlockTokens;
        const float* from = buffer(op.b).row(static_cast<std::int64_t>(row));
        for (std::int64_t d = 0; d < width; ++d) to[d * kernels::kKvBlockTokens] = from[d];
    }
}

// y_h = x_h W_h^T for every head, in one fork. Float32 activations: the heads' matrices are small.
void Executor::multiply_heads(std::span<const kernels::PackedMatrix> heads, const Buffer& x,
                              std::int64_t x_head, const Buffer& y, std::int64_t y_head,
                              std::int64_t n_rows) {
    const std::int64_t tasks_a_head = (heads.front().n_panels + kPanelsATask - 1) / kPanelsATask;
    const auto n_heads = static_cast<std::int64_t>(heads.size());
    pool_->claim(n_heads * tasks_a_head, 1, [&](int worker, std::int64_t i, std::int64_t) {
        const std::int64_t head = i / tasks_a_head, panel = i % tasks_a_head * kPanelsATask;
        const kernels::PackedMatrix& matrix = heads[static_cast<std::size_t>(head)];
        const kernels::Activations rows{kernels::kActivationF32, x.data.data() + head * x_head, x.stride};
        const kernels::LinearJob job{&matrix, rows, y.data.data() + head * y_head, y.stride};
        kernels::linear_alone(*kernels_, job, n_rows, scratch_.data() + worker * scratch_per_worker_,
                              scratch_per_worker_, panel, std::min(matrix.n_panels, panel + kPanelsATask));
    });
}

void Executor::index_positions(const models::Op& op, std::span<const StepPart> parts) {
    append_latents(op, parts);
    const std::size_t pool = blocks_->pool_of(op.state);
    const auto n_rows = static_cast<std::int64_t>(places_.size());
    pool_->run([&](int worker) {
        float* weights = scratch_.data() + worker * scratch_per_worker_;
        float* scores = weights + LatentSpec::padded(op.n_heads);
        const float** blocks = &latent_rows_[static_cast<std::size_t>(worker * context_blocks_)];
        std::vector<std::int32_t> order;
        for (std::int64_t row = worker; row < n_rows; row += pool_->size()) {
            const Place& place = places_[static_cast<std::size_t>(row)];
            const std::int64_t end = place.position + 1;
            auto& n_chosen = n_selected_positions_[static_cast<std::size_t>(row)];
            n_chosen = -1;
            if (end <= op.top_k) continue;  // all are seen
            const auto ids = parts[static_cast<std::size_t>(place.part)].state->block_ids(pool);
            for (std::int64_t b = 0; b * kernels::kKvBlockTokens < end; ++b)
                blocks[b] = blocks_->data(op.state, ids[static_cast<std::size_t>(b)]);
            for (int head = 0; head < op.n_heads; ++head)
                weights[head] = buffer(op.c).row(row)[head] * op.value;
            const kernels::IndexArgs args{buffer(op.a).row(row), weights, blocks, end, op.n_heads,
                                          op.head_dim,           scores};
            kernels_->index_scores(&args);
            order.resize(static_cast<std::size_t>(end));
            std::iota(order.begin(), order.end(), 0);
            const auto better = [&](std::int32_t a, std::int32_t b) {
                return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
            };
            std::nth_element(order.begin(), order.begin() + op.top_k, order.end(), better);
            std::copy_n(order.begin(), op.top_k, selection_.begin() + row * selection_width_);
            n_chosen = op.top_k;
        }
    });
}

void Executor::latent_attention(const models::Op& op, std::span<const StepPart> parts) {
    const LatentSpec& spec = model_->program.latents[static_cast<std::size_t>(op.spec)];
    const models::LoadedTensor& weight = model_->tensors[static_cast<std::size_t>(op.weight)];
    const Buffer &q = buffer(op.a), &absorbed = buffer(spec.absorbed), &unpacked = buffer(spec.unpacked);
    const auto n_rows = static_cast<std::int64_t>(places_.size());
    const std::int64_t rank_pad = LatentSpec::padded(spec.rank), v_pad = LatentSpec::padded(spec.v_dim);
    const std::int64_t q_head = spec.nope + spec.rope, width = spec.rank + spec.rope;
    const std::size_t pool = blocks_->pool_of(op.state);
    append_latents(op, parts);
    multiply_heads(weight.key_heads, q, q_head, absorbed, rank_pad, n_rows);
    pool_->run([&](int worker) {
        float* query = scratch_.data() + worker * scratch_per_worker_;
        float* scores = query + LatentSpec::padded(static_cast<int>(width));
        float* mask = scores + context_blocks_ * kernels::kKvBlockTokens;
        const float** blocks = &latent_rows_[static_cast<std::size_t>(worker * context_blocks_)];
        int last_part = -1;
        std::int64_t n_known = 0, masked_row = -1;
        for (std::int64_t item = worker; item < n_rows * op.n_heads; item += pool_->size()) {
            const std::int64_t row = item / op.n_heads, head = item % op.n_heads;
            const Place& place = places_[static_cast<std::size_t>(row)];
            if (place.part != last_part) n_known = 0;
            last_part = place.part;
            const auto ids = parts[static_cast<std::size_t>(place.part)].state->block_ids(pool);
            for (; n_known * kernels::kKvBlockTokens <= place.position; ++n_known)
                blocks[n_known] = blocks_->data(op.state, ids[static_cast<std::size_t>(n_known)]);
            const std::int32_t n_chosen =
                spec.top_k > 0 ? n_selected_positions_[static_cast<std::size_t>(row)] : -1;
            if (n_chosen >= 0 && row != masked_row) {
                std::fill_n(mask, round_up(place.position + 1, kernels::kKvBlockTokens), -INFINITY);
                for (std::int32_t i = 0; i < n_chosen; ++i)
                    mask[selection_[static_cast<std::size_t>(row * selection_width_ + i)]] = 0;
                masked_row = row;
            }
            float* of_head = absorbed.row(row) + head * rank_pad;
            std::memcpy(query, of_head, static_cast<std::size_t>(spec.rank) * sizeof(float));
            std::memcpy(query + spec.rank, q.row(row) + head * q_head + spec.nope,
                        static_cast<std::size_t>(spec.rope) * sizeof(float));
            const kernels::LatentArgs args{query,
                                           of_head,
                                           blocks,
                                           place.position + 1,
                                           n_chosen >= 0 ? mask : nullptr,
                                           static_cast<int>(width),
                                           spec.rank,
                                           op.value,
                                           scores};
            kernels_->attend_latent(&args);
        }
    });
    multiply_heads(weight.value_heads, absorbed, rank_pad, unpacked, v_pad, n_rows);
    const Buffer& out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        for (std::int64_t head = 0; head < op.n_heads; ++head)
            std::memcpy(out.row(row) + head * spec.v_dim, unpacked.row(row) + head * v_pad,
                        static_cast<std::size_t>(spec.v_dim) * sizeof(float));
    });
}

}  // namespace hearth::engine
