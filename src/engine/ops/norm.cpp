// engine/ops/norm.cpp - norms of rows and of heads.
#include <cmath>

#include "engine/executor.h"

namespace hearth::engine {

void Executor::rms_norm(const models::Op& op, std::int64_t n_rows) {
    const Buffer &x = buffer(op.a), &out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        kernels_->rms_norm(out.row(row), x.row(row), gain(op.weight), out.width, op.eps);
        quantize_row(op.out, row);
    });
    keep_quantized(op.out);
}

void Executor::head_norm(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    each_row(n_rows, [&](std::int64_t row) {
        for (std::int64_t at = 0; at < out.width; at += op.head_dim)
            kernels_->rms_norm(out.row(row) + at, out.row(row) + at, gain(op.weight), op.head_dim, op.eps);
    });
}

// Sums in double, in order: encoders are small, and a mean close to the values costs digits.
void Executor::layer_norm(const models::Op& op, std::int64_t n_rows) {
    const Buffer &x = buffer(op.a), &out = buffer(op.out);
    const float *weight = vector(op.weight), *bias = op.bias == models::kNone ? nullptr : vector(op.bias);
    each_row(n_rows, [&](std::int64_t row) {
        const float* from = x.row(row);
        const auto n = static_cast<double>(out.width);
        double mean = 0, variance = 0;
        for (std::int64_t i = 0; i < out.width; ++i) mean += static_cast<double>(from[i]);
        mean /= n;
        for (std::int64_t i = 0; i < out.width; ++i) {
            const double d = static_cast<double>(from[i]) - mean;
            variance += d * d;
        }
        const double scale = 1 / std::sqrt(variance / n + static_cast<double>(op.eps));
        for (std::int64_t i = 0; i < out.width; ++i) {
            const auto normed = static_cast<float>((static_cast<double>(from[i]) - mean) * scale);
            out.row(row)[i] = normed * weight[i] + (bias == nullptr ? 0.0f : bias[i]);
        }
    });
}

}  // namespace hearth::engine
