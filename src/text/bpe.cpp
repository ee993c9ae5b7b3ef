// text/bpe.cpp - the hash table and the heap behind bpe.h.
#include "text/bpe.h"

#include <algorithm>
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

namespace {
// For std::push_heap: the worst of two has the higher rank, then the place further right.
constexpr auto kWorse = [](const auto& a, const auto& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
};
}  // namespace

void WordMerger::consider(const MergeTable& table, std::int32_t left) {
    const Symbol& a = symbols_[static_cast<std::size_t>(left)];
    if (a.next < 0) return;
    const Merge* merge = table.find(a.id, symbols_[static_cast<std::size_t>(a.next)].id);
    if (merge == nullptr) return;
    heap_.push_back({merge->rank, left, merge->id});
    std::push_heap(heap_.begin(), heap_.end(), kWorse);
}

void WordMerger::merge(const MergeTable& table, std::vector<Part>& parts) {
    if (parts.size() < 2) return;
    symbols_.clear();
    heap_.clear();
    const auto n = static_cast<std::int32_t>(parts.size());
    for (std::int32_t i = 0; i < n; ++i) {
        const Part& part = parts[static_cast<std::size_t>(i)];
        symbols_.push_back({part.id, part.bytes, i - 1, i + 1 < n ? i + 1 : -1});
    }
    for (std::int32_t i = 0; i + 1 < n; ++i) consider(table, i);
    while (!heap_.empty()) {
        std::pop_heap(heap_.begin(), heap_.end(), kWorse);
        const Candidate best = heap_.back();
        heap_.pop_back();
        Symbol& left = symbols_[static_cast<std::size_t>(best.at)];
        if (left.bytes == 0 || left.next < 0) continue;
        Symbol& right = symbols_[static_cast<std::size_t>(left.next)];
        const Merge* merge = table.find(left.id, right.id);
        if (merge == nullptr || merge->id != best.id) continue;  // the pair has changed since
        left.id = best.id;
        left.bytes += right.bytes;
        right.bytes = 0;
        left.next = right.next;
        if (left.next >= 0) symbols_[static_cast<std::size_t>(left.next)].prev = best.at;
        if (left.prev >= 0) consider(table, left.prev);
        consider(table, best.at);
    }
    parts.clear();
    for (const Symbol& symbol : symbols_)
        if (symbol.bytes > 0) parts.push_back({symbol.id, symbol.bytes});
}

}  // namespace hearth::text
