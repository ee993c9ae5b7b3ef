// compress/encode.h - one tensor into another type, row by row over the threads; the same bytes for any
// number.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "compress/source.h"

namespace hearth::compress {

// Row r of the output is row order[r] of the source; empty: as they are.
using RowOrder = std::vector<std::int32_t>;

struct Encoded {
    std::vector<std::byte> bytes;      // blocks, plain elements, or NVFP4 codes [out, in / 2]
    std::vector<std::uint8_t> scales;  // NVFP4: E4M3 [out, in / 16]
    double squared_error = 0;          // of all weights, against the source
    double squared_sum = 0;            // of the source's weights
};

// Tensors of floats are those of FP8 with scales too: each weight is its code times its scale in float32.

// The largest magnitude of a float tensor. Errors: corrupt when it holds an infinity or NaN.
Result<float> largest_magnitude(ThreadPool& pool, const SourceTensor& tensor);

// Float tensors to NVFP4 codes and scales (squared-error search) with this tensor scale.
Encoded encode_nvfp4(ThreadPool& pool, const SourceTensor& tensor, float tensor_scale, const RowOrder& order);

// Float tensors to a block format or another float type; rows are whole blocks. Errors: corrupt when the
// tensor holds an infinity or NaN; unsupported when a weight is beyond the type's range.
Result<Encoded> encode_blocks(ThreadPool& pool, const SourceTensor& tensor, DType to, const RowOrder& order);

// Rows (or, of vectors, elements) in another order, bytes as they are.
std::vector<std::byte> reordered(const TensorView& view, const RowOrder& order);

// An NVFP4 linear of any source in the Hugging Face layout. Errors: corrupt.
Result<Encoded> nvfp4_codes(const SourceTensor& tensor, const RowOrder& order);

}  // namespace hearth::compress
