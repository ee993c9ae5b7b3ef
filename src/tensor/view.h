// tensor/view.h - a tensor that somebody else owns: type, shape and bytes.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace hearth {

struct TensorView {
    DType dtype = DType::f32;
    Shape shape;
    std::span<const std::byte> bytes;  // exactly bytes_of(dtype, shape.n_elems())
};

}  // namespace hearth
