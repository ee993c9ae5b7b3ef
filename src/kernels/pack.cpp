// kernels/pack.cpp - from the block layouts of files to panels. panels.inl describes what is written here.
#include "kernels/pack.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "quant/formats.h"

namespace hearth::kernels {
namespace {

using Byte = std::uint8_t;

// A panel's block: how many columns and bytes, and how 16 source blocks become it. A source may be null:
// padding.
struct Layout {
    PanelKind kind;
    int block_cols, block_bytes;  // of the panel
    void (*interleave)(const Byte* const* source, Byte* out);
};

// Plain elements of kSize bytes, four columns a block.
template <int kSize>
void interleave_plain(const Byte* const* source, Byte* out) {
    for (int k = 0; k < 4; ++k)
        for (int row = 0; row < kLanes; ++row)
            if (source[row] != nullptr)
                std::memcpy(out + (k * kLanes + row) * kSize, source[row] + k * kSize, kSize);
}

void put_nibble(Byte* pairs, int k, int row, int code) {
    Byte& both = pairs[(k / 2) * kLanes + row];
    both = static_cast<Byte>(k % 2 == 0 ? (both & 0xf0) | code : (both & 0x0f) | code << 4);
}

void interleave_q8_0(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        std::memcpy(out + 2 * row, source[row], 2);
        for (int k = 0; k < 32; ++k) out[32 + k * kLanes + row] = source[row][2 + k];
    }
}

// 32 columns of nibbles, low ones first, after kScale bytes of scale (Q4_0, MXFP4).
template <int kScale>
void interleave_nibbles32(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        std::memcpy(out + kScale * row, source[row], kScale);
        const Byte* codes = source[row] + kScale;
        for (int j = 0; j < 16; ++j) {
            put_nibble(out + kScale * kLanes, j, row, codes[j] & 15);
            put_nibble(out + kScale * kLanes, j + 16, row, codes[j] >> 4);
        }
    }
}

// GGUF's NVFP4: one source block is 64 columns, four panel blocks. Its scales are unsigned, and 0x7f means 0.
void interleave_nvfp4(const Byte* const* source, Byte* out) {
    constexpr int kPanelBlock = 16 + 8 * kLanes;
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        for (int sub = 0; sub < 4; ++sub) {
            Byte* block = out + sub * kPanelBlock;
            const int scale = source[row][sub] & 0x7f;
            block[row] = static_cast<Byte>(scale == 0x7f ? 0 : scale);
            for (int j = 0; j < 8; ++j) {
                const Byte both = source[row][4 + 8 * sub + j];
                put_nibble(block + 16, j, row, both & 15);
                put_nibble(block + 16, j + 8, row, both >> 4);
            }
        }
    }
}

void interleave_q4_k(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        const Byte* block = source[row];
        std::memcpy(out + 2 * row, block, 2);
        std::memcpy(out + 32 + 2 * row, block + 2, 2);
        const Byte* s = block + 4;  // twelve bytes hold eight 6-bit scales and eight 6-bit minima
        for (int j = 0; j < 8; ++j) {
            const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
            const int min = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
            out[64 + j * kLanes + row] = static_cast<Byte>(scale);
            out[192 + j * kLanes + row] = static_cast<Byte>(min);
        }
        for (int k = 0; k < 256; ++k) {
            const Byte both = block[16 + k / 64 * 32 + k % 32];
            put_nibble(out + 320, k, row, k % 64 < 32 ? both & 15 : both >> 4);
        }
    }
}

void interleave_q6_k(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        const Byte *low = source[row], *high = low + 128, *scales = high + 64;
        std::memcpy(out + 2 * row, scales + 16, 2);
        for (int j = 0; j < 16; ++j) out[32 + j * kLanes + row] = scales[j];
        for (int k = 0; k < 256; ++k) {
            const int half = k / 128, quarter = k % 128 / 32, l = k % 32;
            const Byte four = low[half * 64 + quarter % 2 * 32 + l];
            const int two = high[half * 32 + l] >> (2 * quarter) & 3;
            const int code = ((quarter < 2 ? four & 15 : four >> 4) | two << 4) - 32;
            out[288 + k * kLanes + row] = static_cast<Byte>(code);
        }
    }
}

// The type of a file, and the panel layout it becomes. NVFP4's source block makes four panel blocks at once.
const Layout* layout_of(DType dtype) {
    static constexpr Layout kF32{kPanelF32, 4, 256, interleave_plain<4>};
    static constexpr Layout kBf16{kPanelBf16, 4, 128, interleave_plain<2>};
    static constexpr Layout kF16{kPanelF16, 4, 128, interleave_plain<2>};
    static constexpr Layout kFp8{kPanelFp8, 4, 64, interleave_plain<1>};
    static constexpr Layout kQ8_0{kPanelQ8_0, 32, 32 + 512, interleave_q8_0};
    static constexpr Layout kQ4_0{kPanelQ4_0, 32, 32 + 256, interleave_nibbles32<2>};
    static constexpr Layout kMxfp4{kPanelMxfp4, 32, 16 + 256, interleave_nibbles32<1>};
    static constexpr Layout kNvfp4{kPanelNvfp4, 64, 4 * (16 + 128), interleave_nvfp4};
    static constexpr Layout kQ4_K{kPanelQ4_K, 256, 320 + 2048, interleave_q4_k};
    static constexpr Layout kQ6_K{kPanelQ6_K, 256, 288 + 4096, interleave_q6_k};
    switch (dtype) {
        case DType::f32:
            return &kF32;
        case DType::bf16:
            return &kBf16;
        case DType::f16:
            return &kF16;
        case DType::f8_e4m3:
            return &kFp8;
        case DType::q8_0:
            return &kQ8_0;
        case DType::q4_0:
            return &kQ4_0;
        case DType::mxfp4:
            return &kMxfp4;
        case DType::nvfp4:
            return &kNvfp4;
        case DType::q4_k:
            return &kQ4_K;
        case DType::q6_k:
            return &kQ6_K;
        default:
            return nullptr;
    }
}

bool is_e4m3_nan(Byte code) { return (code & 0x7f) == 0x7f; }

Result<Byte*> take_panels(PackedMatrix& matrix, const Layout& layout, Arena& arena) {
    matrix.kind = layout.kind;
    matrix.cols_padded = (matrix.cols + layout.block_cols - 1) / layout.block_cols * layout.block_cols;
    matrix.n_panels = (matrix.rows + kLanes - 1) / kLanes;
    matrix.panel_bytes = matrix.cols_padded / layout.block_cols * layout.block_bytes;
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(matrix.n_panels),
                               static_cast<std::uint64_t>(matrix.panel_bytes), &bytes))
        return fail(Fault::no_memory, "weights of {} x {} overflow the address space", matrix.rows,
                    matrix.cols);
    HEARTH_TRY(const auto panels, arena.take<Byte>(bytes, "packed weights"));
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

void pack_panels(const PackedMatrix& matrix, const Layout& layout, const TensorView& tensor,
                 std::span<const std::int32_t> row_order, Byte* panels, ThreadPool& pool) {
    const DTypeInfo& type = info(tensor.dtype);
    const auto* data = reinterpret_cast<const Byte*>(tensor.bytes.data());
    const std::int64_t row_bytes = matrix.cols / type.block_elems * type.block_bytes;
    // Plain types: four elements a block, and a last short block is copied out so that nothing past it is
    // read.
    const std::int64_t source_cols = type.block_elems == 1 ? 4 : type.block_elems;
    const std::int64_t source_bytes = type.block_elems == 1 ? 4 * type.block_bytes : type.block_bytes;
    pool.split(matrix.n_panels, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t panel = begin; panel < end; ++panel) {
            std::int64_t rows[kLanes];
            panel_rows(matrix, row_order, panel, rows);
            Byte* out = panels + panel * matrix.panel_bytes;
            for (std::int64_t col = 0; col < matrix.cols; col += source_cols, out += layout.block_bytes) {
                const Byte* source[kLanes];
                Byte rest[kLanes][16] = {};
                const std::int64_t at = col / source_cols * source_bytes;
                for (int i = 0; i < kLanes; ++i) {
                    source[i] = rows[i] < 0 ? nullptr : data + rows[i] * row_bytes + at;
                    if (source[i] == nullptr || at + source_bytes <= row_bytes) continue;
                    std::memcpy(rest[i], source[i], static_cast<std::size_t>(row_bytes - at));
                    source[i] = rest[i];
                }
                layout.interleave(source, out);
            }
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

}  // namespace

Result<PackedMatrix> pack(const TensorView& tensor, float scale, std::span<const std::int32_t> row_order,
                          Arena& arena, ThreadPool& pool) {
    HEARTH_TRY_STATUS(check_matrix(tensor, row_order));
    PackedMatrix matrix;
    matrix.source = tensor.dtype;
    matrix.rows = tensor.shape[0];
    matrix.cols = tensor.shape[1];
    matrix.scale = scale;
    if (tensor.dtype == DType::f8_e4m3)
        for (const std::byte code : tensor.bytes)
            if (is_e4m3_nan(static_cast<Byte>(code)))
                return fail(Fault::corrupt, "expected numbers, saw an FP8 NaN");
    if (const Layout* layout = layout_of(tensor.dtype)) {
        HEARTH_TRY(Byte * panels, take_panels(matrix, *layout, arena));
        pack_panels(matrix, *layout, tensor, row_order, panels, pool);
        return matrix;
    }
    // No panels of its own: correct first, through the reference decode.
    const Layout& layout = *layout_of(DType::f32);
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
    constexpr int kBlockBytes = 16 + 8 * kLanes;
    const Layout layout{kPanelNvfp4, 16, kBlockBytes, nullptr};
    HEARTH_TRY(Byte * panels, take_panels(matrix, layout, arena));
    const auto* code_data = reinterpret_cast<const Byte*>(codes.bytes.data());
    const auto* scale_data = reinterpret_cast<const Byte*>(scales.bytes.data());
    pool.split(matrix.n_panels, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t panel = begin; panel < end; ++panel) {
            std::int64_t source[kLanes];
            panel_rows(matrix, row_order, panel, source);
            for (int i = 0; i < kLanes; ++i) {
                if (source[i] < 0) continue;
                Byte* block = panels + panel * matrix.panel_bytes;
                for (std::int64_t group = 0; group < cols / 16; ++group, block += kBlockBytes) {
                    block[i] = scale_data[source[i] * (cols / 16) + group];
                    // The file's pairs (even low, odd high) are the panel's pairs.
                    const Byte* pairs = code_data + source[i] * (cols / 2) + group * 8;
                    for (int j = 0; j < 8; ++j) block[16 + j * kLanes + i] = pairs[j];
                }
            }
        }
    });
    return matrix;
}

void linear(const CpuKernels& kernels, const PackedMatrix& weight, const float* x, std::int64_t x_stride,
            float* y, std::int64_t y_stride, std::int64_t n_tokens, float* scratch,
            std::int64_t scratch_floats_per_worker, ThreadPool& pool) {
    HEARTH_DCHECK(x_stride >= weight.cols_padded && y_stride >= weight.n_panels * kLanes, "rows are padded");
    HEARTH_DCHECK(scratch_floats_per_worker >= linear_scratch_floats(weight.cols_padded), "scratch fits");
    const std::int64_t n_workers = pool.size();
    auto body = [&](int worker) {
        LinearArgs args{y,
                        y_stride,
                        x,
                        x_stride,
                        n_tokens,
                        weight.panels,
                        weight.panel_bytes,
                        weight.cols_padded,
                        weight.scale,
                        scratch + worker * scratch_floats_per_worker};
        // Pairs of panels, so that no worker is left with half a pair.
        const std::int64_t pairs = (weight.n_panels + 1) / 2;
        const std::int64_t begin = pairs * worker / n_workers * 2;
        const std::int64_t end = std::min(weight.n_panels, pairs * (worker + 1) / n_workers * 2);
        if (begin < end) kernels.linear[weight.kind](&args, begin, end);
    };
    pool.run(body);
}

}  // namespace hearth::kernels
