// kernels/linear.cpp - chooses the exact or the fast kernel and cuts a product into pieces of panels.
#include "kernels/linear.h"

#include <algorithm>

#include "base/check.h"

namespace hearth::kernels {
namespace {

ActivationKind kind_of(PanelKind panel) {
    switch (panel) {
        case kPanelF32:
        case kPanelF16:
            return kActivationF32;
        case kPanelBf16:
        case kPanelFp8:
        case kPanelFp8Scaled:
            return kActivationBf16;
        default:
            return kActivationInt8;
    }
}

}  // namespace

ActivationKind activation_kind(const CpuKernels& kernels, const PackedMatrix& weight, bool exact) {
    if (exact || kernels.dots == nullptr || kernels.dots->dot[weight.kind] == nullptr) return kActivationF32;
    return kind_of(weight.kind);
}

std::int64_t activation_row_bytes(ActivationKind kind, std::int64_t cols) {
    const std::int64_t blocks = (cols + kActivationCols - 1) / kActivationCols;
    return kind == kActivationInt8   ? blocks * static_cast<std::int64_t>(sizeof(ActivationBlock))
           : kind == kActivationBf16 ? blocks * static_cast<std::int64_t>(sizeof(Bf16Block))
                                     : 0;
}

void quantize_rows(const CpuKernels& kernels, ActivationKind kind, const float* x, std::int64_t x_stride,
                   std::int64_t cols, std::int64_t begin, std::int64_t end, void* blocks) {
    const std::int64_t row_bytes = activation_row_bytes(kind, cols);
    const std::int64_t padded = (cols + kActivationCols - 1) / kActivationCols * kActivationCols;
    HEARTH_DCHECK(x_stride >= padded, "rows are padded");
    for (std::int64_t row = begin; row < end; ++row)
        kernels.dots->quantize[kind](x + row * x_stride, padded,
                                     static_cast<char*>(blocks) + row * row_bytes);
}

void linear_alone(const CpuKernels& kernels, const LinearJob& job, std::int64_t n_tokens, float* scratch,
                  std::int64_t scratch_floats, std::int64_t panel_begin, std::int64_t panel_end) {
    const PackedMatrix& weight = *job.weight;
    HEARTH_DCHECK(job.y_stride >= weight.n_panels * kLanes, "rows are padded");
    HEARTH_CHECK(scratch_floats >= linear_scratch_floats(weight.cols_padded), "scratch fits");
    if (job.x.kind == kActivationF32) {
        HEARTH_DCHECK(job.x.stride >= weight.cols_padded, "rows are padded");
        const LinearArgs args{job.y,
                              job.y_stride,
                              static_cast<const float*>(job.x.rows),
                              job.x.stride,
                              n_tokens,
                              weight.panels,
                              weight.panel_bytes,
                              weight.cols_padded,
                              weight.scale,
                              scratch};
        kernels.linear[weight.kind](&args, panel_begin, panel_end);
        return;
    }
    const DotArgs args{job.y,
                       job.y_stride,
                       job.x.rows,
                       job.x.stride,
                       n_tokens,
                       weight.panels,
                       weight.panel_bytes,
                       weight.cols_padded,
                       weight.scale,
                       reinterpret_cast<std::uint8_t*>(scratch)};
    kernels.dots->dot[weight.kind](&args, panel_begin, panel_end);
}

void linear(const CpuKernels& kernels, std::span<const LinearJob> jobs, std::int64_t n_tokens, float* scratch,
            std::int64_t scratch_floats_per_worker, ThreadPool& pool) {
    // Few tokens: a few long streams a worker. Many: as little as kernels take at once, twos or threes of
    // panels, so that nobody waits long for the last piece.
    constexpr std::int64_t kPiecesPerWorker = 8, kGrain = 6;
    std::int64_t n_panels = 0, n_pieces = 0;
    for (const LinearJob& job : jobs) n_panels += job.weight->n_panels;
    std::int64_t piece = n_panels;
    if (pool.size() > 1 && n_tokens > kDotFewTokens) piece = kGrain;
    if (pool.size() > 1 && n_tokens <= kDotFewTokens) {
        const std::int64_t wanted = pool.size() * kPiecesPerWorker;
        piece = (n_panels + wanted - 1) / wanted;
    }
    const auto pieces_of = [&](const LinearJob& job) { return (job.weight->n_panels + piece - 1) / piece; };
    for (const LinearJob& job : jobs) n_pieces += pieces_of(job);
    pool.claim(n_pieces, 1, [&](int worker, std::int64_t i, std::int64_t) {
        auto job = jobs.begin();
        for (; i >= pieces_of(*job); ++job) i -= pieces_of(*job);
        linear_alone(kernels, *job, n_tokens, scratch + worker * scratch_floats_per_worker,
                     scratch_floats_per_worker, i * piece, std::min(job->weight->n_panels, (i + 1) * piece));
    });
}

}  // namespace hearth::kernels
