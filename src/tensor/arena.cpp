// tensor/arena.cpp - blocks of at least 1 MiB from mmap: zeroed lazily by the kernel, refused instead of
// aborted.
#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

namespace hearth {
namespace {
constexpr std::size_t kBlockBytesMin = 1u << 20;
}

Arena& Arena::operator=(Arena&& other) noexcept {
    std::swap(blocks_, other.blocks_);
    std::swap(used_, other.used_);
    std::swap(taken_, other.taken_);
    return *this;
}

Arena::~Arena() {
    for (const Block& block : blocks_) ::munmap(block.data, block.size);
}

Result<std::span<std::byte>> Arena::take_bytes(std::uint64_t bytes, const char* what) {
    if (bytes > std::uint64_t{1} << 46)
        return fail(Fault::no_memory, "{}: {} bytes are beyond any machine", what, bytes);
    const std::size_t rounded = (static_cast<std::size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
    if (blocks_.empty() || blocks_.back().size - used_ < rounded) {
        const std::size_t size = std::max(rounded, kBlockBytesMin);
        void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (data == MAP_FAILED) return fail(Fault::no_memory, "{}: no memory for {} bytes", what, bytes);
        // Big blocks on 2 MiB pages: fewer TLB misses while weights stream past.
        if (size >= (4u << 20)) ::madvise(data, size, MADV_HUGEPAGE);
        blocks_.push_back({static_cast<std::byte*>(data), size});
        used_ = 0;
    }
    std::byte* begin = blocks_.back().data + used_;
    used_ += rounded;
    taken_ += rounded;
    return std::span(begin, static_cast<std::size_t>(bytes));
}

}  // namespace hearth
