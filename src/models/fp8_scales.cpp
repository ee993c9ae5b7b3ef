// models/fp8_scales.cpp - recognises how scales are shared by their shape, and applies them.
#include "models/fp8_scales.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "models/config_keys.h"
#include "quant/formats.h"

namespace hearth::models {
namespace {

Result<ScaleBlock> read_sizes(const JsonCursor& list) {
    HEARTH_TRY(const std::size_t n, list.array_size());
    if (n != 2) return fail(Fault::corrupt, "{}: expected two sizes, saw {}", list.where(), n);
    HEARTH_TRY(const JsonCursor rows, list.at(std::size_t{0}));
    HEARTH_TRY(const JsonCursor cols, list.at(std::size_t{1}));
    ScaleBlock block;
    HEARTH_TRY(block.rows, rows.integer(1, kWidthMax));
    HEARTH_TRY(block.cols, cols.integer(1, kWidthMax));
    return block;
}

std::int64_t n_blocks(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

bool is_scale_type(DType dtype) {
    return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16 || dtype == DType::f8_e8m0;
}

}  // namespace

Result<ScaleBlock> read_scale_block(const JsonCursor& quantization) {
    if (const auto block = quantization.find("weight_block_size")) return read_sizes(*block);
    const auto groups = quantization.find("config_groups");
    std::optional<ScaleBlock> seen;
    if (groups && groups->value().is_object())
        for (const auto& [name, group] : groups->value().get_object()) {
            const JsonCursor at(group, fmt::format("{}/{}", groups->where(), std::string_view(name)));
            const auto weights = at.find("weights");
            const auto structure = weights ? weights->find("block_structure") : std::nullopt;
            if (!structure) continue;
            HEARTH_TRY(const ScaleBlock block, read_sizes(*structure));
            if (seen && *seen != block)
                return fail(Fault::unsupported, "{}: expected blocks of one size in all groups, saw two",
                            structure->where());
            seen = block;
        }
    return seen.value_or(ScaleBlock());
}

Result<ScaleBlock> scale_block_of(std::string_view name, const TensorView& scales, const Shape& weight,
                                  ScaleBlock configured) {
    HEARTH_CHECK(weight.rank() >= 2, "codes are a matrix or a stack of them");
    const std::int64_t rows = weight[weight.rank() - 2], cols = weight.back();
    if (!is_scale_type(scales.dtype))
        return fail(Fault::corrupt, "{}: expected scales of type F32, BF16, F16 or F8_E8M0, saw {}", name,
                    info(scales.dtype).name);
    // The stack's dimensions, then these two; the last may be left out when it is 1.
    const auto fits = [&](std::int64_t down, std::int64_t across) {
        const int own = weight.rank() - 2, extra = scales.shape.rank() - own;
        if (extra < 0 || extra > 2) return false;
        for (int axis = 0; axis < own; ++axis)
            if (scales.shape[axis] != weight[axis]) return false;
        return (extra > 0 ? scales.shape[own] : 1) == down &&
               (extra > 1 ? scales.shape[own + 1] : 1) == across;
    };
    if (scales.shape.n_elems() == 1 || fits(1, 1)) return ScaleBlock{rows, cols};
    if (fits(rows, 1)) return ScaleBlock{1, cols};
    const std::int64_t down = n_blocks(rows, configured.rows), across = n_blocks(cols, configured.cols);
    if (fits(down, across)) return configured;
    return fail(Fault::corrupt, "{}: expected one scale, {} of rows or {} x {} of blocks, saw {}", name, rows,
                down, across, scales.shape.text());
}

Fp8Scales scale_numbers(const TensorView& scales, ScaleBlock block) {
    Fp8Scales out{std::vector<float>(static_cast<std::size_t>(scales.shape.n_elems())), block};
    if (scales.dtype == DType::f8_e8m0) {
        for (std::size_t i = 0; i < out.values.size(); ++i)
            out.values[i] = std::ldexp(1.0f, static_cast<int>(scales.bytes[i]) - 127);  // 255: infinity
        return out;
    }
    const auto done = quant::decode(scales, out.values);
    HEARTH_CHECK(done.has_value(), "scale_block_of has seen the type");
    return out;
}

Result<Fp8Scales> read_fp8_scales(std::string_view name, const TensorView& scales, const Shape& weight,
                                  ScaleBlock configured) {
    HEARTH_TRY(const ScaleBlock block, scale_block_of(name, scales, weight, configured));
    Fp8Scales out = scale_numbers(scales, block);
    for (const float value : out.values)
        if (!std::isfinite(value) || value < 0)
            return fail(Fault::corrupt, "{}: expected finite scales, saw {}", name, value);
    return out;
}

void multiply_row(const Fp8Scales& scales, const Shape& weight, std::int64_t row, std::span<float> codes) {
    const std::int64_t rows = weight[weight.rank() - 2];
    const std::int64_t across = n_blocks(weight.back(), scales.block.cols);
    const std::int64_t line = row / rows * n_blocks(rows, scales.block.rows) + row % rows / scales.block.rows;
    const bool one = scales.values.size() == 1;
    const float* of_row = scales.values.data() + (one ? 0 : line * across);
    for (std::size_t at = 0; at < codes.size(); ++of_row) {
        const std::size_t end =
            one ? codes.size() : std::min(codes.size(), at + static_cast<std::size_t>(scales.block.cols));
        for (; at < end; ++at) codes[at] *= *of_row;
    }
}

}  // namespace hearth::models
