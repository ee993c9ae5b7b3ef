// engine/ops/norm.cpp - RMS norms of rows and of heads.
#include "engine/executor.h"

namespace hearth::engine {

void Executor::rms_norm(const models::Op& op, std::int64_t n_rows) {
    const Buffer &x = buffer(op.a), &out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        kernels_->rms_norm(out.row(row), x.row(row), gain(op.weight), out.width, op.eps);
    });
}

void Executor::head_norm(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        for (std::int64_t at = 0; at < out.width; at += op.head_dim)
            kernels_->rms_norm(out.row(row) + at, out.row(row) + at, gain(op.weight), op.head_dim, op.eps);
    });
}

}  // namespace hearth::engine
