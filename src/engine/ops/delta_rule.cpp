// engine/ops/delta_rule.cpp - layers with a recurrent state: the convolution over the last tokens, and the
// gated delta rule, token by token. A form in chunks would give other bits for other chunks, so there is
// none.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/executor.h"

namespace hearth::engine {
namespace {

using models::DeltaSpec;

// x / sqrt(sum x^2 + 1e-6) * factor. transformers, l2norm of modeling_qwen3_next.py.
void normalize(const float* x, std::int64_t n, double factor, float* out) {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double scale = factor / std::sqrt(sum + 1e-6);
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(static_cast<double>(x[i]) * scale);
}

double softplus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }

}  // namespace

void Executor::gate(const models::Op& op, std::int64_t n_rows) {
    const Buffer &scores = buffer(op.a), &out = buffer(op.out);
    const std::int64_t part = out.width / scores.width;
    each_row(n_rows, [&](std::int64_t row) {
        float* y = out.row(row);
        for (std::int64_t i = 0; i < scores.width; ++i) {
            const double open = 1 / (1 + std::exp(-static_cast<double>(scores.row(row)[i])));
            for (std::int64_t j = 0; j < part; ++j) *y++ *= static_cast<float>(open);
        }
    });
}

void Executor::convolve(const models::Op& op, std::span<const StepPart> parts) {
    const DeltaSpec& spec = model_->program.deltas[static_cast<std::size_t>(op.spec)];
    const Buffer &in = buffer(op.a), &out = buffer(op.out);
    const std::int64_t channels = spec.channels(), tail = spec.taps - 1;
    const float* taps = vector(op.weight);  // [channels, taps], the last one for the token itself
    const std::size_t pool = blocks_->pool_of(op.state);
    pool_->split(channels, kernels::kLanes, [&](std::int64_t begin, std::int64_t end) {
        std::int64_t row = 0;
        for (const StepPart& part : parts) {
            float* kept = blocks_->data(op.state, part.state->block_ids(pool).front());  // [tail, channels]
            const auto n = static_cast<std::int64_t>(part.tokens.size());
            for (std::int64_t t = 0; t < n; ++t) {
                float* y = out.row(row + t);
                for (std::int64_t c = begin; c < end; ++c) {
                    float sum = 0;
                    for (std::int64_t j = 0; j <= tail; ++j) {
                        const std::int64_t at = t + j - tail;  // of the step; before it: kept
                        const float u = at >= 0 ? in.row(row + at)[c] : kept[(tail + at) * channels + c];
                        sum += taps[c * spec.taps + j] * u;
                    }
                    y[c] = sum;
                }
                kernels_->glu[kernels::kGluSilu](y + begin, y + begin, nullptr, end - begin, 0);
            }
            for (std::int64_t i = 0; i < tail; ++i) {
                const std::int64_t at = n + i - tail;
                const float* from = at >= 0 ? in.row(row + at) : kept + (tail + at) * channels;
                std::memmove(kept + i * channels + begin, from + begin,
                             static_cast<std::size_t>(end - begin) * sizeof(float));
            }
            row += n;
        }
    });
}

void Executor::delta_rule(const models::Op& op, std::span<const StepPart> parts) {
    const DeltaSpec& spec = model_->program.deltas[static_cast<std::size_t>(op.spec)];
    const Buffer &mixed = buffer(op.a), &out = buffer(op.out);
    const float *decays = vector(op.weight), *biases = vector(op.bias);
    const std::size_t pool = blocks_->pool_of(op.state);
    const std::int64_t k_width = std::int64_t{spec.k_heads} * spec.k_dim, v_pad = spec.v_pad();
    const auto n_parts = static_cast<std::int64_t>(parts.size());
    std::vector<std::int64_t> first_row(parts.size());
    for (std::size_t p = 1; p < parts.size(); ++p)
        first_row[p] = first_row[p - 1] + static_cast<std::int64_t>(parts[p - 1].tokens.size());
    pool_->run([&](int worker) {
        float* q = scratch_.data() + worker * scratch_per_worker_;
        float *k = q + spec.k_dim, *v = k + spec.k_dim, *o = v + v_pad;
        for (std::int64_t item = worker; item < n_parts * spec.v_heads; item += pool_->size()) {
            const auto p = static_cast<std::size_t>(item / spec.v_heads);
            const std::int64_t head = item % spec.v_heads;
            const std::int64_t k_head =
                spec.tiled ? head % spec.k_heads : head / (spec.v_heads / spec.k_heads);
            float* state = blocks_->data(op.state, parts[p].state->block_ids(pool).front()) +
                           spec.tail_floats() + head * spec.k_dim * v_pad;
            const auto a_log = static_cast<double>(decays[head]);
            const double rate_of_decay = spec.decay_is_ready ? a_log : -std::exp(a_log);
            std::fill_n(v, v_pad, 0.0f);
            const auto n = static_cast<std::int64_t>(parts[p].tokens.size());
            for (std::int64_t row = first_row[p]; row < first_row[p] + n; ++row) {
                const float* x = mixed.row(row);
                normalize(x + k_head * spec.k_dim, spec.k_dim, 1 / std::sqrt(static_cast<double>(spec.k_dim)),
                          q);
                normalize(x + k_width + k_head * spec.k_dim, spec.k_dim, 1, k);
                std::memcpy(v, x + 2 * k_width + head * spec.v_dim,
                            static_cast<std::size_t>(spec.v_dim) * sizeof(float));
                const double b = static_cast<double>(buffer(op.b).row(row)[head]);
                const double a = static_cast<double>(buffer(op.c).row(row)[head] + biases[head]);
                const kernels::DeltaArgs args{state,
                                              q,
                                              k,
                                              v,
                                              o,
                                              spec.k_dim,
                                              v_pad,
                                              static_cast<float>(std::exp(rate_of_decay * softplus(a))),
                                              static_cast<float>(1 / (1 + std::exp(-b)))};
                kernels_->delta_step(&args);
                std::memcpy(out.row(row) + head * spec.v_dim, o,
                            static_cast<std::size_t>(spec.v_dim) * sizeof(float));
            }
        }
    });
}

}  // namespace hearth::engine
