// models/expert_tensors.cpp - slices where rows are whole, copies where a stack is transposed or interleaved.
#include "models/expert_tensors.h"

#include <charconv>
#include <cstring>

namespace hearth::models {
namespace {

using Found = std::optional<LinearSource>;

Status expect(std::string_view name, const TensorView& view, const Shape& shape) {
    if (view.shape == shape) return {};
    return fail(Fault::corrupt, "{}: expected shape {}, saw {}", name, shape.text(), view.shape.text());
}

// Rows [first, first + n) of a stack seen as one matrix of rows.
Found rows_of(const TensorView& stack, std::int64_t first, std::int64_t n) {
    const std::size_t row_bytes = stack.bytes.size() / static_cast<std::size_t>(stack.shape.n_rows());
    LinearSource source;
    source.weight = {stack.dtype, Shape{n, stack.shape.back()},
                     stack.bytes.subspan(static_cast<std::size_t>(first) * row_bytes,
                                         static_cast<std::size_t>(n) * row_bytes)};
    return source;
}

// The scales of FP8 rows [first, first + n) of expert e, in a stack [E, blocks of rows, blocks of columns].
Status add_scales(const FindTensor& find, const std::string& stack, std::int64_t e, std::int64_t first,
                  const ModelConfig& config, LinearSource& to) {
    if (to.weight.dtype != DType::f8_e4m3) return {};
    auto scales = find(stack + ".weight_scale_inv");
    if (!scales) scales = find(stack + "_scale_inv");
    if (!scales) return {};
    const std::int64_t step = config.scale_block.rows, n = (to.weight.shape[0] + step - 1) / step;
    const Shape& shape = scales->shape;
    if (shape.rank() != 3 || shape[0] != config.router.n_experts || first % step != 0 ||
        first / step + n > shape[1])
        return fail(Fault::corrupt, "{}: expected scales of {} experts and blocks of {} rows, saw {}", stack,
                    config.router.n_experts, step, shape.text());
    to.scales = rows_of(*scales, e * shape[1] + first / step, n)->weight;
    return {};
}

std::optional<TensorView> with_or_without_weight(const FindTensor& find, const std::string& module) {
    if (auto view = find(module + ".weight")) return view;
    return find(module);
}

// gpt-oss: which row of the fused matrix is row r of this part.
std::int64_t interleaved_row(const ExpertName& name, std::int64_t r) {
    return name.part == "down_proj" ? r : 2 * r + (name.part == "up_proj" ? 1 : 0);
}

LinearSource owning(DType dtype, const Shape& shape, std::vector<std::byte> bytes) {
    auto owned = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    LinearSource source;
    source.weight = {dtype, shape, *owned};
    source.owned = std::move(owned);
    return source;
}

// A plain stack [E, in, out] of an expert's matrix [out, in].
Result<Found> transposed(const ExpertName& name, const TensorView& stack, const ModelConfig& config,
                         const Shape& shape) {
    const std::int64_t rows = shape[0], cols = shape[1], wide = name.part == "down_proj" ? rows : 2 * rows;
    HEARTH_TRY_STATUS(
        expect(name.module + "." + name.part, stack, Shape{config.router.n_experts, cols, wide}));
    if (info(stack.dtype).block_elems != 1)
        return fail(Fault::unsupported, "{}.{}: expected plain numbers, saw {}", name.module, name.part,
                    info(stack.dtype).name);
    const auto size = static_cast<std::size_t>(info(stack.dtype).block_bytes);
    std::vector<std::byte> bytes(static_cast<std::size_t>(rows * cols) * size);
    std::byte* out = bytes.data();
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c, out += size) {
            const std::int64_t at = (name.expert * cols + c) * wide + interleaved_row(name, r);
            std::memcpy(out, stack.bytes.data() + static_cast<std::size_t>(at) * size, size);
        }
    return owning(stack.dtype, shape, std::move(bytes));
}

// gpt-oss's MXFP4: blocks U8 [E, out, in / 32, 16] with the even column in the low nibble, scales U8 E8M0
// [E, out, in / 32]. GGUF's block, which quant knows, has the scale first and columns j and j + 16 in byte j.
Result<Found> mxfp4(const ExpertName& name, const TensorView& blocks, const TensorView& scales,
                    const ModelConfig& config, const Shape& shape) {
    constexpr std::int64_t kCols = 32, kCodes = 16;
    const std::int64_t rows = shape[0], groups = shape[1] / kCols, n = config.router.n_experts;
    const std::int64_t wide = name.part == "down_proj" ? rows : 2 * rows;
    const std::string where = name.module + "." + name.part;
    HEARTH_TRY_STATUS(expect(where + "_blocks", blocks, Shape{n, wide, groups, kCodes}));
    HEARTH_TRY_STATUS(expect(where + "_scales", scales, Shape{n, wide, groups}));
    if (blocks.dtype != DType::u8 || scales.dtype != DType::u8 || shape[1] % kCols != 0)
        return fail(Fault::corrupt, "{}: expected U8 blocks of 32 columns, saw {} and {} for a width of {}",
                    where, info(blocks.dtype).name, info(scales.dtype).name, shape[1]);
    std::vector<std::byte> bytes(static_cast<std::size_t>(rows * groups * (1 + kCodes)));
    std::byte* out = bytes.data();
    for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t row = (name.expert * wide + interleaved_row(name, r)) * groups;
        for (std::int64_t g = 0; g < groups; ++g, out += 1 + kCodes) {
            const std::byte* codes = blocks.bytes.data() + (row + g) * kCodes;
            const auto code = [&](std::int64_t k) {
                return (codes[k / 2] >> (k % 2 == 0 ? 0 : 4)) & std::byte{15};
            };
            out[0] = scales.bytes[static_cast<std::size_t>(row + g)];
            for (std::int64_t j = 0; j < kCodes; ++j) out[1 + j] = code(j) | code(j + kCodes) << 4;
        }
    }
    return owning(DType::mxfp4, shape, std::move(bytes));
}

Result<Found> interleaved(const ExpertName& name, const FindTensor& find, const ModelConfig& config,
                          const Shape& shape) {
    const std::string stack = name.module + (name.part == "down_proj" ? ".down_proj" : ".gate_up_proj");
    if (const auto plain = find(stack)) return transposed(name, *plain, config, shape);
    const auto blocks = find(stack + "_blocks"), scales = find(stack + "_scales");
    if (!blocks || !scales) return Found();
    return mxfp4(name, *blocks, *scales, config, shape);
}

}  // namespace

std::optional<ExpertName> expert_of(std::string_view tensor) {
    const std::size_t suffix = tensor.rfind('.');
    if (suffix == std::string_view::npos || suffix == 0) return std::nullopt;
    const std::size_t part = tensor.rfind('.', suffix - 1);
    if (part == std::string_view::npos || part == 0) return std::nullopt;
    const std::size_t number = tensor.rfind('.', part - 1);
    if (number == std::string_view::npos) return std::nullopt;
    ExpertName name;
    const char *begin = tensor.data() + number + 1, *end = tensor.data() + part;
    const auto read = std::from_chars(begin, end, name.expert);
    if (read.ec != std::errc() || read.ptr != end || name.expert < 0) return std::nullopt;
    name.module = tensor.substr(0, number);
    name.part = tensor.substr(part + 1, suffix - part - 1);
    name.suffix = tensor.substr(suffix + 1);
    return name;
}

Result<Found> expert_matrix(const ExpertName& name, const FindTensor& find, const ModelConfig& config,
                            const Shape& shape) {
    const std::int64_t n = config.router.n_experts, rows = shape[0], cols = shape[1];
    if (name.expert >= n || name.suffix != "weight") return Found();
    if (config.experts_interleaved) return interleaved(name, find, config, shape);
    const std::string own = name.module + "." + name.part;
    if (const auto stack = with_or_without_weight(find, own)) {
        HEARTH_TRY_STATUS(expect(own, *stack, Shape{n, rows, cols}));
        Found found = rows_of(*stack, name.expert * rows, rows);
        HEARTH_TRY_STATUS(add_scales(find, own, name.expert, 0, config, *found));
        return found;
    }
    const std::string fused = name.module + ".gate_up_proj";
    if (name.part == "down_proj") return Found();
    if (const auto stack = with_or_without_weight(find, fused)) {
        HEARTH_TRY_STATUS(expect(fused, *stack, Shape{n, 2 * rows, cols}));
        const bool up = name.part == "up_proj";
        Found found = rows_of(*stack, (2 * name.expert + (up ? 1 : 0)) * rows, rows);
        HEARTH_TRY_STATUS(add_scales(find, fused, name.expert, up ? rows : 0, config, *found));
        return found;
    }
    return Found();
}

Result<Found> expert_bias(const ExpertName& name, const FindTensor& find, const ModelConfig& config,
                          const Shape& shape) {
    const std::int64_t n = config.router.n_experts;
    if (name.expert >= n || name.suffix != "bias") return Found();
    const std::string own = name.module + "." + name.part + ".bias";
    if (const auto stack = find(own)) {
        HEARTH_TRY_STATUS(expect(own, *stack, Shape{n, shape[0]}));
        return rows_of(*stack, name.expert, 1);
    }
    if (!config.experts_interleaved) return Found();
    const bool down = name.part == "down_proj";
    const std::string fused = name.module + (down ? ".down_proj_bias" : ".gate_up_proj_bias");
    const auto stack = find(fused);
    if (!stack) return Found();
    const std::int64_t wide = down ? shape[0] : 2 * shape[0];
    HEARTH_TRY_STATUS(expect(fused, *stack, Shape{n, wide}));
    const auto size = static_cast<std::size_t>(info(stack->dtype).block_bytes);
    std::vector<std::byte> bytes(static_cast<std::size_t>(shape[0]) * size);
    for (std::int64_t r = 0; r < shape[0]; ++r) {
        const auto at = static_cast<std::size_t>(name.expert * wide + interleaved_row(name, r));
        std::memcpy(bytes.data() + static_cast<std::size_t>(r) * size, stack->bytes.data() + at * size, size);
    }
    return owning(stack->dtype, shape, std::move(bytes));
}

}  // namespace hearth::models
