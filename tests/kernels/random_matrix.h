// tests/kernels/random_matrix.h - gaussian matrices in every format, and gaussian activations.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "quant/formats.h"
#include "tensor/view.h"

namespace hearth::kernels {

struct Matrix {
    std::vector<std::byte> bytes;
    TensorView view;
    std::vector<float> decoded;  // by the format's reference
};

inline Matrix random_matrix(DType dtype, std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Philox random(seed);
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (float& x : values) x = static_cast<float>(random.normal());
    Matrix m;
    const auto* format = quant::block_format(dtype);
    m.bytes.resize(static_cast<std::size_t>(*bytes_of(dtype, rows * cols)));
    format->encode_row(values.data(), m.bytes.data(), rows * cols);
    m.view = {dtype, Shape{rows, cols}, m.bytes};
    m.decoded.resize(values.size());
    format->decode_row(m.bytes.data(), m.decoded.data(), rows * cols);
    return m;
}

inline std::vector<float> gaussian(std::int64_t n, std::uint64_t seed) {
    Philox random(seed);
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float& v : x) v = static_cast<float>(random.normal());
    return x;
}

}  // namespace hearth::kernels
