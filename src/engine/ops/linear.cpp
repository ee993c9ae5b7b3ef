// engine/ops/linear.cpp - a matrix times the rows of an activation, and its bias.
#include "engine/executor.h"
#include "kernels/pack.h"

namespace hearth::engine {

void Executor::linear(const models::Op& op, std::int64_t n_rows) {
    const Buffer &x = buffer(op.a), &y = buffer(op.out);
    kernels::linear(*kernels_, model_->tensors[static_cast<std::size_t>(op.weight)].matrix, x.data.data(),
                    x.stride, y.data.data(), y.stride, n_rows, scratch_.data(), scratch_per_worker_, *pool_);
    if (op.bias == models::kNone) return;
    const float* bias = model_->tensors[static_cast<std::size_t>(op.bias)].vector.data();
    for (std::int64_t row = 0; row < n_rows; ++row) kernels_->add(y.row(row), bias, y.width);
}

}  // namespace hearth::engine
