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

std::optional<TensorView> with_or_without_weight(const FindTensor& find, const std::string& module) {
    if (auto view = find(module + ".weight")) return view;
    return find(module);
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
    const std::string own = name.module + "." + name.part;
    if (const auto stack = with_or_without_weight(find, own)) {
        HEARTH_TRY_STATUS(expect(own, *stack, Shape{n, rows, cols}));
        return rows_of(*stack, name.expert * rows, rows);
    }
    const std::string fused = name.module + ".gate_up_proj";
    if (name.part == "down_proj") return Found();
    if (const auto stack = with_or_without_weight(find, fused)) {
        HEARTH_TRY_STATUS(expect(fused, *stack, Shape{n, 2 * rows, cols}));
        return rows_of(*stack, (2 * name.expert + (name.part == "up_proj" ? 1 : 0)) * rows, rows);
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
    return Found();
}

}  // namespace hearth::models
