// engine/ops/delta_rule.cpp - layers with a recurrent state: the convolution over the last tokens, and the
// gated delta rule in chunks of positions (kernels/cpu/delta_rule.inl). Chunks are counted from the start of
// the sequence, whatever a step brings of them, so that steps of any length take the same sums.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/executor.h"

namespace hearth::engine {
namespace {

using models::DeltaSpec;

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
    const float* taps = vector(op.weight);
    const std::size_t pool = blocks_->pool_of(op.state);
    pool_->split(channels, kernels::kLanes, [&](std::int64_t begin, std::int64_t end) {
        std::int64_t row = 0;
        for (const StepPart& part : parts) {
            float* kept = blocks_->data(op.state, part.state->block_ids(pool).front());  // [tail, channels]
            const std::int64_t n = std::ssize(part.tokens);
            const kernels::ConvolveArgs args{in.row(row), in.stride, kept,     taps,     out.row(row),
                                             out.stride,  n,         channels, spec.taps};
            kernels_->convolve(&args, begin, end);
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

// What a worker holds of one chunk and one key head, then of one of its value heads.
struct Executor::DeltaScratch {
    float *q, *k, *query_scores, *key_scores;  // as kernels::DeltaKeysArgs
    float *v, *out, *log_decays, *rates;       // as kernels::DeltaArgs
    DeltaScratch(float* floats, const DeltaSpec& spec) {
        constexpr std::int64_t kChunk = kernels::kDeltaChunk;
        const auto take = [&](std::int64_t width) { return std::exchange(floats, floats + kChunk * width); };
        q = take(spec.k_dim);
        k = take(spec.k_dim);
        query_scores = take(kChunk);
        key_scores = take(kChunk);
        v = take(spec.v_pad());
        out = take(spec.v_pad());
        log_decays = take(1);
        rates = take(1);
    }
};

std::int64_t Executor::delta_scratch_floats(const DeltaSpec& spec) {
    return 2 * kernels::kDeltaChunk * (spec.k_dim + kernels::kDeltaChunk + spec.v_pad() + 1);
}

// One task is a sequence and a key head with its value heads, which share what keys and queries give.
void Executor::delta_rule(const models::Op& op, std::span<const StepPart> parts) {
    const DeltaSpec& spec = model_->program.deltas[static_cast<std::size_t>(op.spec)];
    const Buffer& mixed = buffer(op.a);
    const std::size_t pool = blocks_->pool_of(op.state);
    const std::int64_t k_width = std::int64_t{spec.k_heads} * spec.k_dim, per_k = spec.v_heads / spec.k_heads;
    pool_->claim(std::ssize(parts) * spec.k_heads, 1, [&](int worker, std::int64_t task, std::int64_t) {
        const StepPart& part = parts[static_cast<std::size_t>(task / spec.k_heads)];
        const std::int64_t k_head = task % spec.k_heads, n = std::ssize(part.tokens);
        std::int64_t row = 0;
        for (const StepPart* before = parts.data(); before != &part; ++before)
            row += std::ssize(before->tokens);
        float* kept = blocks_->data(op.state, part.state->block_ids(pool).front()) + spec.tail_floats();
        const DeltaScratch own(scratch_.data() + worker * scratch_per_worker_, spec);
        kernels::DeltaKeysArgs keys{};
        keys.in_stride = mixed.stride;
        keys.k_dim = spec.k_dim;
        keys.keys = kept + k_head * spec.k_head_floats();
        keys.q = own.q;
        keys.k = own.k;
        keys.query_scores = own.query_scores;
        keys.key_scores = own.key_scores;
        for (std::int64_t done = 0; done < n; done += keys.n_tokens) {
            keys.first = (part.state->length() + done) % kernels::kDeltaChunk;
            keys.n_tokens = std::min(kernels::kDeltaChunk - keys.first, n - done);
            keys.queries_in = mixed.row(row + done) + k_head * spec.k_dim;
            keys.keys_in = keys.queries_in + k_width;
            kernels_->delta_keys(&keys);
            for (std::int64_t i = 0; i < per_k; ++i) {
                const std::int64_t head = spec.tiled ? i * spec.k_heads + k_head : k_head * per_k + i;
                float* state = kept + spec.k_heads * spec.k_head_floats() + head * spec.v_head_floats();
                delta_head(op, keys, own, state, head, row + done);
            }
        }
    });
}

// The tokens of `keys`, rows from `row` of the step, for one value head.
void Executor::delta_head(const models::Op& op, const kernels::DeltaKeysArgs& keys, const DeltaScratch& own,
                          float* state, std::int64_t head, std::int64_t row) {
    const DeltaSpec& spec = model_->program.deltas[static_cast<std::size_t>(op.spec)];
    const std::int64_t v_at = 2LL * spec.k_heads * spec.k_dim + head * spec.v_dim, v_pad = spec.v_pad();
    const auto v_bytes = static_cast<std::size_t>(spec.v_dim) * sizeof(float);
    const auto a_log = static_cast<double>(vector(op.weight)[head]);
    const double rate_of_decay = spec.decay_is_ready ? a_log : -std::exp(a_log);
    const float bias = vector(op.bias)[head];
    for (std::int64_t t = 0; t < keys.n_tokens; ++t) {
        const auto a = static_cast<double>(buffer(op.c).row(row + t)[head] + bias);
        const auto b = static_cast<double>(buffer(op.b).row(row + t)[head]);
        own.log_decays[t] = static_cast<float>(rate_of_decay * softplus(a));
        own.rates[t] = static_cast<float>(1 / (1 + std::exp(-b)));
        std::fill(own.v + t * v_pad + spec.v_dim, own.v + (t + 1) * v_pad, 0.0f);
        std::memcpy(own.v + t * v_pad, buffer(op.a).row(row + t) + v_at, v_bytes);
    }
    kernels::DeltaArgs args{};
    args.state = state;
    args.changes = state + spec.k_dim * v_pad;
    args.ages = args.changes + kernels::kDeltaChunk * v_pad;
    args.keys = keys.keys;
    args.q = own.q;
    args.k = own.k;
    args.query_scores = own.query_scores;
    args.key_scores = own.key_scores;
    args.v = own.v;
    args.out = own.out;
    args.log_decays = own.log_decays;
    args.rates = own.rates;
    args.first = keys.first;
    args.n_tokens = keys.n_tokens;
    args.k_dim = spec.k_dim;
    args.v_pad = v_pad;
    kernels_->delta_rule(&args);
    for (std::int64_t t = 0; t < keys.n_tokens; ++t)
        std::memcpy(buffer(op.out).row(row + t) + head * spec.v_dim, own.out + t * v_pad, v_bytes);
}

}  // namespace hearth::engine
