// quant/formats.cpp - the run-time table over the reference formats.
#include "quant/formats.h"

#include "quant/formats/bf16.h"
#include "quant/formats/f16.h"
#include "quant/formats/f32.h"
#include "quant/formats/fp8_e4m3.h"
#include "quant/formats/iq4_nl.h"
#include "quant/formats/iq4_xs.h"
#include "quant/formats/mxfp4.h"
#include "quant/formats/nvfp4.h"
#include "quant/formats/q4_0.h"
#include "quant/formats/q4_k.h"
#include "quant/formats/q5_0.h"
#include "quant/formats/q5_1.h"
#include "quant/formats/q5_k.h"
#include "quant/formats/q6_k.h"
#include "quant/formats/q8_0.h"

namespace hearth::quant {
namespace {

template <int Id>
void decode_row(const std::byte* in, float* out, std::int64_t n_elems) {
    using F = Format<Id>;
    const auto* block = reinterpret_cast<const std::uint8_t*>(in);
    for (std::int64_t i = 0; i < n_elems; i += F::kElems, block += F::kBytes) F::decode(block, out + i);
}
template <int Id>
void encode_row(const float* in, std::byte* out, std::int64_t n_elems) {
    using F = Format<Id>;
    auto* block = reinterpret_cast<std::uint8_t*>(out);
    for (std::int64_t i = 0; i < n_elems; i += F::kElems, block += F::kBytes) F::encode(in + i, block);
}
template <int Id>
constexpr BlockFormat row(DType dtype) {
    return {dtype, Format<Id>::kElems, Format<Id>::kBytes, &decode_row<Id>, &encode_row<Id>};
}

constexpr BlockFormat kFormats[] = {
    row<0>(DType::f32),    row<1>(DType::f16),     row<30>(DType::bf16),   row<kFp8E4M3>(DType::f8_e4m3),
    row<8>(DType::q8_0),   row<2>(DType::q4_0),    row<12>(DType::q4_k),   row<14>(DType::q6_k),
    row<13>(DType::q5_k),  row<20>(DType::iq4_nl), row<23>(DType::iq4_xs), row<39>(DType::mxfp4),
    row<40>(DType::nvfp4), row<6>(DType::q5_0),    row<7>(DType::q5_1),
};

}  // namespace

const BlockFormat* block_format(DType dtype) {
    for (const BlockFormat& format : kFormats)
        if (format.dtype == dtype) return &format;
    return nullptr;
}

std::span<const BlockFormat> block_formats() { return kFormats; }

Status decode(const TensorView& tensor, std::span<float> out) {
    const BlockFormat* format = block_format(tensor.dtype);
    if (format == nullptr)
        return fail(Fault::unsupported, "expected a type with a decoder, saw {}", info(tensor.dtype).name);
    const std::int64_t n_elems = tensor.shape.n_elems();
    const auto bytes = bytes_of(tensor.dtype, n_elems);
    if (!bytes || *bytes != tensor.bytes.size() || (n_elems > 0 && tensor.shape.back() % format->elems != 0))
        return fail(Fault::corrupt, "a tensor {} of type {} cannot have {} bytes", tensor.shape.text(),
                    info(tensor.dtype).name, tensor.bytes.size());
    if (out.size() != static_cast<std::size_t>(n_elems))
        return fail(Fault::internal, "expected room for {} elements, saw {}", n_elems, out.size());
    format->decode_row(tensor.bytes.data(), out.data(), n_elems);
    return {};
}

}  // namespace hearth::quant
