// kernels/linear.h - y = x W^T over packed matrices, shared out among workers: exact with float32
// activations, or fast with activations quantized once per row.
#pragma once

#include <algorithm>
#include <span>

#include "kernels/pack.h"

namespace hearth::kernels {

// What a product with `weight` reads. float32 when `exact`, or where this instruction set has no dot products
// for the weights' format.
ActivationKind activation_kind(const CpuKernels& kernels, const PackedMatrix& weight, bool exact);

// Bytes of one row of `cols` columns in blocks of a kind; 0 for float32.
std::int64_t activation_row_bytes(ActivationKind kind, std::int64_t cols);

// Rows of activations in the form that a kind of weights reads.
struct Activations {
    ActivationKind kind = kActivationF32;
    const void* rows = nullptr;  // [n_tokens, stride]: float32, ActivationBlock or Bf16Block
    std::int64_t stride = 0;     // in floats, or in blocks of 32 columns
};

// Rows [begin, end) of x[n_tokens, x_stride] into `blocks`; x is zero from the width up to a multiple of 32.
void quantize_rows(const CpuKernels& kernels, ActivationKind kind, const float* x, std::int64_t x_stride,
                   std::int64_t cols, std::int64_t begin, std::int64_t end, void* blocks);

// One product: y[n_tokens, y_stride] = x W^T. Both are padded: y's rows up to 16, x's columns up to
// cols_padded and 32.
struct LinearJob {
    const PackedMatrix* weight;
    Activations x;
    float* y;
    std::int64_t y_stride;
};
// Products of the same tokens in one fork. `scratch`: linear_scratch_floats() of the widest a worker.
void linear(const CpuKernels& kernels, std::span<const LinearJob> jobs, std::int64_t n_tokens, float* scratch,
            std::int64_t scratch_floats_per_worker, ThreadPool& pool);
// Panels [panel_begin, panel_end) of one product on this worker, for callers that share out work themselves.
void linear_alone(const CpuKernels& kernels, const LinearJob& job, std::int64_t n_tokens, float* scratch,
                  std::int64_t scratch_floats, std::int64_t panel_begin, std::int64_t panel_end);
inline std::int64_t linear_scratch_floats(std::int64_t cols_padded) {
    constexpr auto kDotFloats = kDotScratchBytes / static_cast<std::int64_t>(sizeof(float));
    return std::max({kLanes * cols_padded, kLinearScratchFloats, kDotFloats});
}

}  // namespace hearth::kernels
