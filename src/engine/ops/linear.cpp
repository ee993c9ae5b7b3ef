// engine/ops/linear.cpp - a matrix times the rows of an activation, and its bias.
#include "kernels/linear.h"

#include "engine/executor.h"

namespace hearth::engine {

kernels::Activations Executor::activations(models::ValueId id, const kernels::PackedMatrix& weight,
                                           std::int64_t n_rows) {
    Buffer& x = buffers_[static_cast<std::size_t>(id)];
    const kernels::ActivationKind kind = kernels::activation_kind(*kernels_, weight, exact_);
    if (kind == kernels::kActivationF32) return {kind, x.data.data(), x.stride};
    std::byte* blocks = x.quantized[kind].data();
    if (!x.is_fresh[kind]) {
        // Below this many rows a fork costs more than it shares out.
        constexpr std::int64_t kRowsToFork = 4;
        const auto quantize = [&](std::int64_t begin, std::int64_t end) {
            kernels::quantize_rows(*kernels_, kind, x.data.data(), x.stride, x.width, begin, end, blocks);
        };
        if (n_rows < kRowsToFork)
            quantize(0, n_rows);
        else
            pool_->split(n_rows, 1, quantize);
        x.is_fresh[kind] = true;
    }
    return {kind, blocks, (x.width + kernels::kActivationCols - 1) / kernels::kActivationCols};
}

void Executor::linear(const models::Op& op, std::int64_t n_rows) {
    const Buffer& y = buffer(op.out);
    const kernels::PackedMatrix& weight = model_->tensors[static_cast<std::size_t>(op.weight)].matrix;
    kernels::linear(*kernels_, weight, activations(op.a, weight, n_rows), y.data.data(), y.stride, n_rows,
                    scratch_.data(), scratch_per_worker_, *pool_);
    if (op.bias == models::kNone) return;
    const float* bias = model_->tensors[static_cast<std::size_t>(op.bias)].vector.data();
    for (std::int64_t row = 0; row < n_rows; ++row) kernels_->add(y.row(row), bias, y.width);
}

}  // namespace hearth::engine
