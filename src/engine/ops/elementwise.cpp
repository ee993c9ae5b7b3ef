// engine/ops/elementwise.cpp - what touches each element of a row once.
#include <cmath>
#include <cstring>

#include "engine/executor.h"

namespace hearth::engine {

void Executor::rope(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    const Rotation& rotation = rotations_[static_cast<std::size_t>(op.spec)];
    const int interleaved = model_->program.ropes[static_cast<std::size_t>(op.spec)].interleaved ? 1 : 0;
    each_row(n_rows, [&](std::int64_t row) {
        const auto first = static_cast<std::size_t>(row * rotation.n_pairs);
        for (std::int64_t at = 0; at < out.width; at += op.head_dim)
            kernels_->rope(out.row(row) + at + op.offset, &rotation.cos[first], &rotation.sin[first],
                           rotation.n_pairs, interleaved);
    });
}

void Executor::copy(const models::Op& op, std::int64_t n_rows) {
    const Buffer &x = buffer(op.a), &out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        std::memcpy(out.row(row), x.row(row), static_cast<std::size_t>(out.width) * sizeof(float));
    });
}

void Executor::scale(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    const float factor = op.weight == models::kNone ? op.value : *vector(op.weight);
    each_row(n_rows, [&](std::int64_t row) {
        for (std::int64_t i = 0; i < out.width; ++i) out.row(row)[i] *= factor;
    });
}

// As wide as the vocabulary: columns are shared out, not rows.
void Executor::softcap(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    pool_->split(out.width, 1024, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = 0; row < n_rows; ++row)
            for (std::int64_t i = begin; i < end; ++i)
                out.row(row)[i] = op.value * std::tanh(out.row(row)[i] / op.value);
    });
}

void Executor::scale_queries(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        const auto position = static_cast<float>(places_[static_cast<std::size_t>(row)].position);
        const float factor = 1 + op.value * std::log(1 + std::floor(position / op.period));
        for (std::int64_t i = 0; i < out.width; ++i) out.row(row)[i] *= factor;
    });
}

void Executor::swiglu(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        kernels_->glu[glu_kind(op.activation)](out.row(row), buffer(op.a).row(row), buffer(op.b).row(row),
                                               out.width, op.limit);
        quantize_row(op.out, row);
    });
    keep_quantized(op.out);
}

void Executor::activate(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        kernels_->glu[glu_kind(op.activation)](out.row(row), buffer(op.a).row(row), nullptr, out.width, 0);
    });
}

void Executor::add(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows,
             [&](std::int64_t row) { kernels_->add(out.row(row), buffer(op.a).row(row), out.width); });
}

}  // namespace hearth::engine
