// kernels/kv_type.cpp - names and sizes of the types of keys and values.
#include "kernels/kv_type.h"

#include <array>

#include "kernels/kv_layout.h"

namespace hearth::kernels {
namespace {
constexpr std::array<std::string_view, kKvTypes> kNames = {"f32", "bf16", "fp8", "q8"};
}

std::string_view name(KvType type) { return kNames[static_cast<std::size_t>(type)]; }

std::optional<KvType> kv_type_named(std::string_view name) {
    for (std::size_t i = 0; i < kNames.size(); ++i)
        if (kNames[i] == name) return static_cast<KvType>(i);
    return std::nullopt;
}

std::int64_t kv_block_bytes(KvType type, int n_kv_heads, int head_dim) {
    return n_kv_heads * (kv_keys_bytes(type, head_dim) + kv_values_bytes(type, head_dim));
}

}  // namespace hearth::kernels
