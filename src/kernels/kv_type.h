// kernels/kv_type.h - the names of the types that keys and values can be kept in: f32, bf16, fp8, q8.
#pragma once

#include <optional>
#include <string_view>

#include "kernels/table.h"

namespace hearth::kernels {

std::string_view name(KvType type);
std::optional<KvType> kv_type_named(std::string_view name);
// One block of 16 positions of `n_kv_heads` heads, keys and values.
std::int64_t kv_block_bytes(KvType type, int n_kv_heads, int head_dim);

}  // namespace hearth::kernels
