// tensor/shape.cpp - checked products.
#include "tensor/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"

namespace hearth {

std::optional<Shape> Shape::make(std::span<const std::int64_t> dims) {
    if (dims.size() > kTensorDimsMax) return std::nullopt;
    Shape shape;
    std::int64_t product = 1;
    for (const std::int64_t dim : dims) {
        if (dim < 0) return std::nullopt;
        shape.dims_[static_cast<std::size_t>(shape.rank_++)] = dim;
        // A zero elsewhere must not hide an overflow: the product skips it.
        if (dim != 0 && __builtin_mul_overflow(product, dim, &product)) return std::nullopt;
    }
    return shape;
}

Shape::Shape(std::initializer_list<std::int64_t> dims) {
    const auto made = make(std::span(dims.begin(), dims.size()));
    HEARTH_CHECK(made.has_value(), "a literal shape is valid");
    *this = *made;
}

std::int64_t Shape::n_elems() const {
    std::int64_t product = 1;
    for (const std::int64_t dim : dims()) product *= dim;
    return product;
}

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(dims(), ", ")); }

}  // namespace hearth
