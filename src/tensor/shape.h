// tensor/shape.h - dimensions, outermost first (row-major, as safetensors): a weight is [out, in].
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "base/limits.h"

namespace hearth {

class Shape {
  public:
    Shape() = default;  // a scalar: no dimensions, one element
    Shape(std::initializer_list<std::int64_t> dims);
    // Nothing when there are too many dimensions, a negative one, or the product overflows.
    static std::optional<Shape> make(std::span<const std::int64_t> dims);

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
    [[nodiscard]] std::int64_t back() const { return rank_ == 0 ? 1 : (*this)[rank_ - 1]; }  // contiguous
    [[nodiscard]] std::int64_t n_elems() const;
    [[nodiscard]] std::int64_t n_rows() const { return back() == 0 ? 0 : n_elems() / back(); }
    [[nodiscard]] std::span<const std::int64_t> dims() const {
        return {dims_.data(), static_cast<std::size_t>(rank_)};
    }
    [[nodiscard]] std::string text() const;  // "[2048, 256]"
    bool operator==(const Shape& other) const = default;

  private:
    std::array<std::int64_t, kTensorDimsMax> dims_{};
    int rank_ = 0;
};

}  // namespace hearth
