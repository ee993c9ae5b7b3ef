// kernels/kv_layout.h - how keys and values of one KV head lie in a block of 16 positions, in each type. For
// those who size blocks and for the kernels: internal linkage, so that no instruction set's copy gets out.
//
//   keys    element [head_dim][16]: one load brings one dimension of 16 positions; Q8: then float32
//           scale[groups][16]
//   values  element [16][head_dim rounded up to 16]; Q8: then float32 scale[16][groups]
//
// Q8's groups are 32 dimensions of one position.
#pragma once

#include <stdint.h>

#include "kernels/table.h"

namespace hearth::kernels {

#define KV_FN [[maybe_unused]] static constexpr inline __attribute__((always_inline))

KV_FN int64_t kv_element_bytes(KvType type) { return type == kKvF32 ? 4 : type == kKvBf16 ? 2 : 1; }
KV_FN int64_t kv_groups(int64_t head_dim) { return (head_dim + 31) / 32; }
KV_FN int64_t kv_head_dim_padded(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }
KV_FN int64_t kv_key_scales_at(int64_t head_dim) { return head_dim * kKvBlockTokens; }  // Q8 alone
KV_FN int64_t kv_value_scales_at(int64_t head_dim) { return kv_head_dim_padded(head_dim) * kKvBlockTokens; }
KV_FN int64_t kv_scales_bytes(KvType type, int64_t head_dim) {
    return type == kKvQ8 ? kv_groups(head_dim) * kKvBlockTokens * 4 : 0;
}
KV_FN int64_t kv_keys_bytes(KvType type, int64_t head_dim) {
    return head_dim * kKvBlockTokens * kv_element_bytes(type) + kv_scales_bytes(type, head_dim);
}
KV_FN int64_t kv_values_bytes(KvType type, int64_t head_dim) {
    return kv_head_dim_padded(head_dim) * kKvBlockTokens * kv_element_bytes(type) +
           kv_scales_bytes(type, head_dim);
}

#undef KV_FN

}  // namespace hearth::kernels
