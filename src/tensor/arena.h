// tensor/arena.h - big aligned buffers that are taken once and given back together; running out is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace hearth {

// Memory from mmap, zeroed, 64-byte aligned (a cache line and a 512-bit vector). Moves; pointers stay valid.
class Arena {
  public:
    Arena() = default;
    Arena(Arena&& other) noexcept { *this = static_cast<Arena&&>(other); }
    Arena& operator=(Arena&& other) noexcept;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena();

    static constexpr std::size_t kAlignment = 64;

    // Errors: no_memory, naming what was wanted.
    Result<std::span<std::byte>> take_bytes(std::uint64_t bytes, const char* what);
    template <class T>
    Result<std::span<T>> take(std::uint64_t n, const char* what) {
        std::uint64_t bytes = 0;
        if (__builtin_mul_overflow(n, static_cast<std::uint64_t>(sizeof(T)), &bytes))
            return fail(Fault::no_memory, "{}: {} elements overflow the address space", what, n);
        HEARTH_TRY(const auto raw, take_bytes(bytes, what));
        return std::span<T>(reinterpret_cast<T*>(raw.data()), static_cast<std::size_t>(n));
    }
    [[nodiscard]] std::uint64_t bytes_taken() const { return taken_; }

  private:
    struct Block {
        std::byte* data;
        std::size_t size;
    };
    std::vector<Block> blocks_;
    std::size_t used_ = 0;  // of the last block
    std::uint64_t taken_ = 0;
};

}  // namespace hearth
