// tensor/arena.cpp - blocks from mmap: zeroed lazily by the kernel, refused instead of aborted.
#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

namespace hearth {
namespace {
// Blocks grow with what was taken, so that a model's matrices lie side by side in few of them: a page of 2
// MiB needs a whole aligned one, and matrices of some MiB in mappings of their own left a quarter of their
// bytes on small pages. What nobody touches costs no memory.
constexpr std::size_t kBlockBytesMin = 1u << 20, kBlockBytesMax = 64u << 20, kHugePage = 2u << 20;

std::size_t round_up(std::size_t size, std::size_t to) { return (size + to - 1) / to * to; }

// Big blocks begin on a page of 2 MiB and ask for such: fewer TLB misses while weights stream past. Null: no
// memory.
std::byte* map_block(std::size_t size) {
    const bool is_big = size >= 2 * kHugePage;
    const std::size_t spare = is_big ? kHugePage : 0;
    void* mapped = ::mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    auto* data = static_cast<std::byte*>(mapped);
    if (!is_big) return data;
    const std::size_t before =
        round_up(reinterpret_cast<std::uintptr_t>(data), kHugePage) - reinterpret_cast<std::uintptr_t>(data);
    if (before > 0) ::munmap(data, before);
    data += before;
    if (spare > before) ::munmap(data + size, spare - before);
    ::madvise(data, size, MADV_HUGEPAGE);
    return data;
}
}  // namespace

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
    const std::size_t rounded = round_up(static_cast<std::size_t>(bytes), kAlignment);
    if (blocks_.empty() || blocks_.back().size - used_ < rounded) {
        const std::size_t grown = std::clamp<std::size_t>(taken_, kBlockBytesMin, kBlockBytesMax);
        std::size_t size = std::max(rounded, grown);
        if (size >= 2 * kHugePage) size = round_up(size, kHugePage);
        std::byte* data = map_block(size);
        if (data == nullptr) return fail(Fault::no_memory, "{}: no memory for {} bytes", what, bytes);
        blocks_.push_back({data, size});
        used_ = 0;
    }
    std::byte* begin = blocks_.back().data + used_;
    used_ += rounded;
    taken_ += rounded;
    return std::span(begin, static_cast<std::size_t>(bytes));
}

}  // namespace hearth
