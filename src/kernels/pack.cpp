// kernels/pack.cpp - from the block layouts of files to panels. panels.inl describes what is written here.
#include "kernels/pack.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "kernels/interleave.h"
#include "kernels/panel_layout.h"
#include "quant/formats.h"

namespace hearth::kernels {
namespace {

using Byte = std::uint8_t;

constexpr std::int64_t kSideMax = std::int64_t{1} << 40;  // rows or columns: beyond any memory

bool is_e4m3_nan(Byte code) { return (code & 0x7f) == 0x7f; }

// Sizes of a matrix's panels, from its rows and columns.
Status set_sizes(PackedMatrix& matrix, const PanelLayout& layout) {
    matrix.kind = layout.kind;
    matrix.cols_padded = (matrix.cols + layout.block_cols - 1) / layout.block_cols * layout.block_cols;
    matrix.n_panels = (matrix.rows + kLanes - 1) / kLanes;
    std::int64_t bytes = 0, n_scales = 0, scale_bytes = 0;
    if (layout.scale_cols > 0) n_scales = (matrix.cols_padded + layout.scale_cols - 1) / layout.scale_cols;
    if (__builtin_mul_overflow(matrix.cols_padded / layout.block_cols, layout.block_bytes,
                               &matrix.panel_bytes) ||
        __builtin_mul_overflow(n_scales, layout.scale_bytes, &scale_bytes) ||
        __builtin_add_overflow(matrix.panel_bytes, scale_bytes, &matrix.panel_bytes) ||
        __builtin_mul_overflow(matrix.n_panels, matrix.panel_bytes, &bytes))
        return fail(Fault::no_memory, "weights of {} x {} overflow the address space", matrix.rows,
                    matrix.cols);
    return {};
}

Result<Byte*> take_panels(PackedMatrix& matrix, const PanelLayout& layout, Arena& arena) {
    HEARTH_TRY_STATUS(set_sizes(matrix, layout));
    HEARTH_TRY(const auto panels,
               arena.take<Byte>(static_cast<std::uint64_t>(matrix.bytes()), "packed weights"));
    matrix.panels = panels.data();
    return panels.data();
}

// The source rows of a panel, null beyond the last.
void panel_rows(const PackedMatrix& matrix, std::span<const std::int32_t> row_order, std::int64_t panel,
                std::int64_t* rows) {
    for (int i = 0; i < kLanes; ++i) {
        const std::int64_t row = panel * kLanes + i;
        rows[i] = row >= matrix.rows  ? -1
                  : row_order.empty() ? row
                                      : row_order[static_cast<std::size_t>(row)];
    }
}

void pack_panels(const PackedMatrix& matrix, const PanelLayout& layout, const TensorView& tensor,
                 std::span<const std::int32_t> row_order, Byte* panels, ThreadPool& pool) {
    const DTypeInfo& type = info(tensor.dtype);
    const auto* data = reinterpret_cast<const Byte*>(tensor.bytes.data());
    const std::int64_t row_bytes = matrix.cols / type.block_elems * type.block_bytes;
    const int out_bytes = layout.source_cols / layout.block_cols * layout.block_bytes;
    pool.claim(matrix.n_panels, 1, [&](int, std::int64_t panel, std::int64_t) {
        std::int64_t rows[kLanes];
        panel_rows(matrix, row_order, panel, rows);
        Byte* out = panels + panel * matrix.panel_bytes;
        for (std::int64_t at = 0; at < row_bytes; at += layout.source_bytes, out += out_bytes) {
            const Byte* source[kLanes];
            Byte rest[kLanes][16] = {};
            for (int i = 0; i < kLanes; ++i) {
                source[i] = rows[i] < 0 ? nullptr : data + rows[i] * row_bytes + at;
                // A last short block of a plain type is copied out, so that nothing past it is read.
                if (source[i] == nullptr || at + layout.source_bytes <= row_bytes) continue;
                std::memcpy(rest[i], source[i], static_cast<std::size_t>(row_bytes - at));
                source[i] = rest[i];
            }
            layout.interleave(source, out);
        }
    });
}

Status check_matrix(const TensorView& tensor, std::span<const std::int32_t> row_order) {
    if (tensor.shape.rank() != 2)
        return fail(Fault::corrupt, "expected a matrix, saw shape {}", tensor.shape.text());
    const auto bytes = bytes_of(tensor.dtype, tensor.shape.n_elems());
    if (!bytes || *bytes != tensor.bytes.size() || tensor.shape.back() % info(tensor.dtype).block_elems != 0)
        return fail(Fault::corrupt, "expected whole {} blocks for shape {}, saw {} bytes",
                    info(tensor.dtype).name, tensor.shape.text(), tensor.bytes.size());
    HEARTH_CHECK(row_order.empty() || static_cast<std::int64_t>(row_order.size()) == tensor.shape[0],
                 "a row order names every row");
    return {};
}

Status check_fp8(const TensorView& codes) {
    for (const std::byte code : codes.bytes)
        if (is_e4m3_nan(static_cast<Byte>(code)))
            return fail(Fault::corrupt, "expected numbers, saw an FP8 NaN");
    return {};
}

}  // namespace

Result<PackedMatrix> pack(const TensorView& tensor, float scale, std::span<const std::int32_t> row_order,
                          Arena& arena, ThreadPool& pool) {
    HEARTH_TRY_STATUS(check_matrix(tensor, row_order));
    PackedMatrix matrix;
    matrix.source = tensor.dtype;
    matrix.rows = tensor.shape[0];
    matrix.cols = tensor.shape[1];
    matrix.scale = scale;
    if (tensor.dtype == DType::f8_e4m3) HEARTH_TRY_STATUS(check_fp8(tensor));
    if (const PanelLayout* layout = panel_layout(tensor.dtype)) {
        HEARTH_TRY(Byte * panels, take_panels(matrix, *layout, arena));
        pack_panels(matrix, *layout, tensor, row_order, panels, pool);
        return matrix;
    }
    // No panels of its own: correct first, through the reference decode.
    const PanelLayout& layout = *panel_layout(DType::f32);
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.n_elems()));
    HEARTH_TRY_STATUS(quant::decode(tensor, values));
    const TensorView plain{DType::f32, tensor.shape, std::as_bytes(std::span(values))};
    HEARTH_TRY(Byte * panels, take_panels(matrix, layout, arena));
    pack_panels(matrix, layout, plain, row_order, panels, pool);
    return matrix;
}

Result<PackedMatrix> pack_nvfp4(const TensorView& codes, const TensorView& scales, float tensor_scale,
                                std::span<const std::int32_t> row_order, Arena& arena, ThreadPool& pool) {
    HEARTH_TRY_STATUS(check_matrix(codes, row_order));
    HEARTH_TRY_STATUS(check_matrix(scales, {}));
    const std::int64_t rows = codes.shape[0], cols = codes.shape[1] * 2;
    if (codes.dtype != DType::u8 || scales.dtype != DType::f8_e4m3 ||
        scales.shape != Shape{rows, cols / 16} || cols % 16 != 0)
        return fail(Fault::corrupt,
                    "expected U8 codes [n, k/2] and F8_E4M3 scales [n, k/16], saw {} {} and {} {}",
                    info(codes.dtype).name, codes.shape.text(), info(scales.dtype).name, scales.shape.text());
    for (const std::byte code : scales.bytes)
        if (is_e4m3_nan(static_cast<Byte>(code)))
            return fail(Fault::corrupt, "expected block scales, saw a NaN");
    PackedMatrix matrix;
    matrix.source = DType::nvfp4;
    matrix.rows = rows;
    matrix.cols = cols;
    matrix.scale = tensor_scale;
    HEARTH_TRY(Byte * panels, take_panels(matrix, *panel_layout(DType::nvfp4), arena));
    const auto* code_data = reinterpret_cast<const Byte*>(codes.bytes.data());
    const auto* scale_data = reinterpret_cast<const Byte*>(scales.bytes.data());
    pool.claim(matrix.n_panels, 1, [&](int, std::int64_t panel, std::int64_t) {
        std::int64_t rows_of[kLanes];
        panel_rows(matrix, row_order, panel, rows_of);
        Byte* out = panels + panel * matrix.panel_bytes;
        for (std::int64_t group = 0; group < cols / 16; group += 2, out += kNvfp4Bytes) {
            const Byte *row_codes[kLanes], *row_scales[kLanes];
            for (int i = 0; i < kLanes; ++i) {
                const std::int64_t at = rows_of[i] * (cols / 16) + group;
                row_codes[i] = rows_of[i] < 0 ? nullptr : code_data + at * 8;
                row_scales[i] = rows_of[i] < 0 ? nullptr : scale_data + at;
            }
            interleave_nvfp4_apart(row_codes, row_scales, cols / 16 - group > 1 ? 2 : 1, out);
        }
    });
    return matrix;
}

Result<PackedMatrix> pack_fp8(const TensorView& codes, const BlockScales& scales,
                              std::span<const std::int32_t> row_order, Arena& arena, ThreadPool& pool) {
    HEARTH_TRY_STATUS(check_matrix(codes, row_order));
    PackedMatrix matrix;
    matrix.source = DType::f8_e4m3;
    matrix.rows = codes.shape[0];
    matrix.cols = codes.shape[1];
    const std::int64_t scale_cols = (matrix.cols + scales.block_cols - 1) / scales.block_cols;
    const std::int64_t scale_rows = (matrix.rows + scales.block_rows - 1) / scales.block_rows;
    if (codes.dtype != DType::f8_e4m3 ||
        scale_rows * scale_cols != static_cast<std::int64_t>(scales.values.size()))
        return fail(Fault::corrupt, "expected FP8 codes with {} x {} scales, saw {} with {}", scale_rows,
                    scale_cols, info(codes.dtype).name, scales.values.size());
    HEARTH_TRY_STATUS(check_fp8(codes));
    const auto scale_of = [&](std::int64_t row, std::int64_t col) {
        return scales
            .values[static_cast<std::size_t>(row / scales.block_rows * scale_cols + col / scales.block_cols)];
    };
    if (scale_cols > 1 && scales.block_cols % kFp8ScaledCols != 0) {
        std::vector<float> values(static_cast<std::size_t>(codes.shape.n_elems()));
        HEARTH_TRY_STATUS(quant::decode(codes, values));
        for (std::int64_t i = 0; i < codes.shape.n_elems(); ++i)
            values[static_cast<std::size_t>(i)] *= scale_of(i / matrix.cols, i % matrix.cols);
        return pack({DType::f32, codes.shape, std::as_bytes(std::span(values))}, 1, row_order, arena, pool);
    }
    HEARTH_TRY(Byte * panels, take_panels(matrix, fp8_scaled_layout(), arena));
    const auto* data = reinterpret_cast<const Byte*>(codes.bytes.data());
    pool.claim(matrix.n_panels, 1, [&](int, std::int64_t panel, std::int64_t) {
        std::int64_t rows[kLanes];
        panel_rows(matrix, row_order, panel, rows);
        Byte* out = panels + panel * matrix.panel_bytes;
        for (std::int64_t at = 0; at < matrix.cols; at += kFp8ScaledCols, out += kFp8ScaledBytes) {
            const Byte* source[kLanes];
            float scale[kLanes] = {};
            for (int i = 0; i < kLanes; ++i) {
                source[i] = rows[i] < 0 ? nullptr : data + rows[i] * matrix.cols + at;
                if (rows[i] >= 0) scale[i] = scale_of(rows[i], at);
            }
            interleave_fp8_scaled(source, scale, std::min<std::int64_t>(kFp8ScaledCols, matrix.cols - at),
                                  out);
        }
    });
    return matrix;
}

Result<PackedMatrix> packed_before(PackedMatrix matrix, std::span<const std::byte> panels) {
    if (matrix.kind < 0 || matrix.kind >= kPanelKinds || matrix.rows < 1 || matrix.cols < 1 ||
        matrix.rows > kSideMax || matrix.cols > kSideMax)
        return fail(Fault::corrupt, "expected a kind of panels and sides of 1 to {}, saw kind {} of {} x {}",
                    kSideMax, static_cast<int>(matrix.kind), matrix.rows, matrix.cols);
    HEARTH_TRY_STATUS(set_sizes(matrix, panel_layout_of(matrix.kind)));
    if (static_cast<std::uint64_t>(matrix.bytes()) > panels.size() ||
        reinterpret_cast<std::uintptr_t>(panels.data()) % Arena::kAlignment != 0)
        return fail(Fault::corrupt, "expected {} aligned bytes of panels, saw {}", matrix.bytes(),
                    panels.size());
    matrix.panels = reinterpret_cast<const Byte*>(panels.data());
    return matrix;
}

}  // namespace hearth::kernels
