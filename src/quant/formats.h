// quant/formats.h - the table of block formats at run time: by type, their reference encode and decode over
// rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "tensor/view.h"

namespace hearth::quant {

struct BlockFormat {
    DType dtype;
    int elems, bytes;                                                           // a block
    void (*decode_row)(const std::byte* in, float* out, std::int64_t n_elems);  // n_elems: whole blocks
    void (*encode_row)(const float* in, std::byte* out, std::int64_t n_elems);
};

// Nothing when there is no reference for the type (integers, K-quants not written yet).
const BlockFormat* block_format(DType dtype);
std::span<const BlockFormat> block_formats();

// A whole tensor as float32. Errors: unsupported (no reference), corrupt (bytes do not fit the shape).
Status decode(const TensorView& tensor, std::span<float> out);

}  // namespace hearth::quant
