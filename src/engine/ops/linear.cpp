// engine/ops/linear.cpp - a matrix times the rows of an activation, and its bias.
#include "kernels/linear.h"

#include <array>

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

// Products that read one activation, one after another in the program: q, k and v; gate and up.
void Executor::linear(std::span<const models::Op> ops, std::int64_t n_rows) {
    std::array<kernels::LinearJob, kLinearsTogether> jobs;
    for (std::size_t i = 0; i < ops.size(); ++i) {
        const Buffer& y = buffer(ops[i].out);
        const auto& weight = model_->tensors[static_cast<std::size_t>(ops[i].weight)].matrix;
        jobs[i] = {&weight, activations(ops[i].a, weight, n_rows), y.data.data(), y.stride};
    }
    kernels::linear(*kernels_, std::span(jobs).first(ops.size()), n_rows, scratch_.data(),
                    scratch_per_worker_, *pool_);
    for (const models::Op& op : ops) {
        if (op.bias == models::kNone) continue;
        each_row(n_rows, [&](std::int64_t row) {
            kernels_->add(buffer(op.out).row(row), vector(op.bias), buffer(op.out).width);
        });
    }
}

}  // namespace hearth::engine
