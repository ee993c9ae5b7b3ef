// kernels/pack.h - weights as kernels want them: panels of 16 rows, made once from the formats of files.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "tensor/arena.h"
#include "tensor/view.h"

namespace hearth::kernels {

// A matrix [rows, cols] ready to multiply. The panels live in the arena that it was packed into.
struct PackedMatrix {
    PanelKind kind = kPanelF32;
    DType source = DType::f32;  // the format of the file
    std::int64_t rows = 0, cols = 0;
    std::int64_t cols_padded = 0;  // to whole blocks; the input must be zero there
    std::int64_t n_panels = 0, panel_bytes = 0;
    const std::uint8_t* panels = nullptr;
    float scale = 1;  // multiplies every output: NVFP4's tensor scale, FP8's

    [[nodiscard]] std::int64_t bytes() const { return n_panels * panel_bytes; }
};

// Packs a tensor of two dimensions [rows, cols] of any type that quant can decode; types without panels of
// their own become float32. `row_order`, when not empty, says which source row each packed row takes. Errors:
// unsupported (no reference decode), corrupt (shape, a scale that is no number), no_memory.
Result<PackedMatrix> pack(const TensorView& tensor, float scale, std::span<const std::int32_t> row_order,
                          Arena& arena, ThreadPool& pool);

// NVFP4 as Hugging Face checkpoints hold it: codes U8 [rows, cols / 2] with the even column in the low
// nibble, scales F8_E4M3 [rows, cols / 16], and the tensor scale as a multiplier.
Result<PackedMatrix> pack_nvfp4(const TensorView& codes, const TensorView& scales, float tensor_scale,
                                std::span<const std::int32_t> row_order, Arena& arena, ThreadPool& pool);

// A scale for each block of rows x cols; blocks at the ends may be cut.
struct BlockScales {
    std::span<const float> values;  // [ceil(rows / block_rows), ceil(cols / block_cols)]
    std::int64_t block_rows = 1, block_cols = 1;
};
// FP8 E4M3 with scales of blocks, as DeepSeek ships it (128 x 128), or of rows. Blocks of other widths than
// whole 128s become float32. Errors: corrupt (sizes that do not fit, a NaN among codes), no_memory.
Result<PackedMatrix> pack_fp8(const TensorView& codes, const BlockScales& scales,
                              std::span<const std::int32_t> row_order, Arena& arena, ThreadPool& pool);

// A matrix whose panels were packed before and lie elsewhere, aligned as an arena's: its kind, source, rows,
// cols and scale are given, the sizes follow. Errors: corrupt (sides or bytes that do not fit).
Result<PackedMatrix> packed_before(PackedMatrix matrix, std::span<const std::byte> panels);

}  // namespace hearth::kernels
