// base/hash.h - content hashes for caches and records: XXH3, 128 bits. Not for secrets.
#pragma once

#include <fmt/format.h>
#include <xxhash.h>

#include <cstddef>
#include <span>
#include <string>

namespace hearth {
inline std::string hash_hex(std::span<const std::byte> bytes) {
    const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
    return fmt::format("{:016x}{:016x}", h.high64, h.low64);
}
}  // namespace hearth
