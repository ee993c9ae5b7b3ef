// text/bpe.cpp - the hash table behind bpe.h.
#include "text/bpe.h"

#include <bit>

namespace hearth::text {
namespace {
std::uint64_t pair_key(int left, int right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}
}  // namespace

MergeTable::MergeTable(std::size_t n_merges) {
    const std::size_t n_slots = std::bit_ceil(std::max<std::size_t>(n_merges * 2, 2));
    slots_.resize(n_slots);
    shift_ = 64 - std::countr_zero(n_slots);
}

std::size_t MergeTable::slot_of(std::uint64_t key) const {
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio: Fibonacci hashing
    std::size_t slot = static_cast<std::size_t>((key * kGolden) >> shift_);
    while (slots_[slot].key != key && slots_[slot].key != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
    return slot;
}

void MergeTable::insert(int left, int right, Merge merge) {
    const std::uint64_t key = pair_key(left, right);
    slots_[slot_of(key)] = {key, merge};
}

const Merge* MergeTable::find(int left, int right) const {
    const Slot& slot = slots_[slot_of(pair_key(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.merge;
}

}  // namespace hearth::text
