// tensor/dtype.cpp - the table of types. Sizes: ggml-common.h (block structs) and the safetensors README.
#include "tensor/dtype.h"

#include <iterator>

#include "base/check.h"

namespace hearth {
namespace {
constexpr DTypeInfo kTypes[] = {
    {DType::f64, "f64", "F64", 28, 1, 8},
    {DType::f32, "f32", "F32", 0, 1, 4},
    {DType::f16, "f16", "F16", 1, 1, 2},
    {DType::bf16, "bf16", "BF16", 30, 1, 2},
    {DType::f8_e4m3, "fp8_e4m3", "F8_E4M3", -1, 1, 1},
    {DType::f8_e5m2, "fp8_e5m2", "F8_E5M2", -1, 1, 1},
    {DType::f8_e8m0, "fp8_e8m0", "F8_E8M0", -1, 1, 1},
    {DType::i64, "i64", "I64", 27, 1, 8},
    {DType::i32, "i32", "I32", 26, 1, 4},
    {DType::i16, "i16", "I16", 25, 1, 2},
    {DType::i8, "i8", "I8", 24, 1, 1},
    {DType::u64, "u64", "U64", -1, 1, 8},
    {DType::u32, "u32", "U32", -1, 1, 4},
    {DType::u16, "u16", "U16", -1, 1, 2},
    {DType::u8, "u8", "U8", -1, 1, 1},
    {DType::boolean, "bool", "BOOL", -1, 1, 1},
    {DType::q4_0, "q4_0", "", 2, 32, 18},
    {DType::q4_1, "q4_1", "", 3, 32, 20},
    {DType::q5_0, "q5_0", "", 6, 32, 22},
    {DType::q5_1, "q5_1", "", 7, 32, 24},
    {DType::q8_0, "q8_0", "", 8, 32, 34},
    {DType::q2_k, "q2_k", "", 10, 256, 84},
    {DType::q3_k, "q3_k", "", 11, 256, 110},
    {DType::q4_k, "q4_k", "", 12, 256, 144},
    {DType::q5_k, "q5_k", "", 13, 256, 176},
    {DType::q6_k, "q6_k", "", 14, 256, 210},
    {DType::iq4_nl, "iq4_nl", "", 20, 32, 18},
    {DType::iq4_xs, "iq4_xs", "", 23, 256, 136},
    {DType::mxfp4, "mxfp4", "", 39, 32, 17},
    {DType::nvfp4, "nvfp4", "", 40, 64, 36},
};
static_assert(std::size(kTypes) == kDTypeCount);

template <class Match>
std::optional<DType> find(Match&& match) {
    for (const DTypeInfo& row : kTypes)
        if (match(row)) return row.dtype;
    return std::nullopt;
}
}  // namespace

const DTypeInfo& info(DType dtype) {
    const auto row = static_cast<std::size_t>(dtype);
    HEARTH_CHECK(row < std::size(kTypes) && kTypes[row].dtype == dtype, "the type table is in enum order");
    return kTypes[row];
}

std::optional<DType> dtype_from_name(std::string_view name) {
    return find([&](const DTypeInfo& row) { return row.name == name; });
}
std::optional<DType> dtype_from_safetensors(std::string_view name) {
    if (name.empty()) return std::nullopt;
    return find([&](const DTypeInfo& row) { return row.safetensors == name; });
}
std::optional<DType> dtype_from_gguf(std::int64_t id) {
    if (id < 0) return std::nullopt;
    return find([&](const DTypeInfo& row) { return row.gguf_id == id; });
}

std::optional<std::uint64_t> bytes_of(DType dtype, std::int64_t n_elems) {
    const DTypeInfo& type = info(dtype);
    if (n_elems < 0 || n_elems % type.block_elems != 0) return std::nullopt;
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(n_elems / type.block_elems),
                               static_cast<std::uint64_t>(type.block_bytes), &bytes))
        return std::nullopt;
    return bytes;
}

}  // namespace hearth
