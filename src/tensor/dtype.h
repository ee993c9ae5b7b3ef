// tensor/dtype.h - every element and block type that a file can hold, with its size and its names elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hearth {

// Block types (q*, iq*, mxfp4, nvfp4) are GGUF's: bytes mean nothing below a block.
enum class DType : std::uint8_t {
    f64,
    f32,
    f16,
    bf16,
    f8_e4m3,
    f8_e5m2,
    f8_e8m0,
    i64,
    i32,
    i16,
    i8,
    u64,
    u32,
    u16,
    u8,
    boolean,
    q4_0,
    q4_1,
    q5_0,
    q5_1,
    q8_0,
    q2_k,
    q3_k,
    q4_k,
    q5_k,
    q6_k,
    iq4_nl,
    iq4_xs,
    mxfp4,
    nvfp4,
};
inline constexpr int kDTypeCount = static_cast<int>(DType::nvfp4) + 1;

struct DTypeInfo {
    DType dtype;
    std::string_view name;         // ours, as printed and as --type takes it: "nvfp4"
    std::string_view safetensors;  // "BF16"; empty when the format has none
    int gguf_id;                   // ggml_type; -1 when GGUF has none
    int block_elems;               // 1 for plain types
    int block_bytes;
};
const DTypeInfo& info(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);
std::optional<DType> dtype_from_safetensors(std::string_view name);
std::optional<DType> dtype_from_gguf(std::int64_t id);

// Bytes of n elements; nothing when n is negative, no whole number of blocks, or the product overflows.
std::optional<std::uint64_t> bytes_of(DType dtype, std::int64_t n_elems);

}  // namespace hearth
