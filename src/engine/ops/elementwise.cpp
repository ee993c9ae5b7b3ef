// engine/ops/elementwise.cpp - what touches each element of a row once.
#include "engine/executor.h"

namespace hearth::engine {

void Executor::rope(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    const std::int64_t n_pairs = op.head_dim / 2;
    each_row(n_rows, [&](std::int64_t row) {
        for (std::int64_t at = 0; at < out.width; at += op.head_dim)
            kernels_->rope(out.row(row) + at, &cos_[static_cast<std::size_t>(row * n_pairs)],
                           &sin_[static_cast<std::size_t>(row * n_pairs)], n_pairs, 0);
    });
}

void Executor::swiglu(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        kernels_->swiglu(out.row(row), buffer(op.a).row(row), buffer(op.b).row(row), out.width);
    });
}

void Executor::add(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows,
             [&](std::int64_t row) { kernels_->add(out.row(row), buffer(op.a).row(row), out.width); });
}

}  // namespace hearth::engine
