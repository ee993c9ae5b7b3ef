// text/bpe.h - byte-pair encoding: the table of merges, and the merging of one word in n log n.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace hearth::text {

struct Merge {
    std::uint32_t rank = 0;
    int id = 0;  // of the merged token
};

// (left id, right id) -> merge. Open addressing: lookups are the inner loop of encoding.
class MergeTable {
  public:
    explicit MergeTable(std::size_t n_merges = 0);
    void insert(int left, int right, Merge merge);  // a later insert of the same pair wins
    [[nodiscard]] const Merge* find(int left, int right) const;

  private:
    struct Slot {
        std::uint64_t key = kEmpty;
        Merge merge;
    };
    static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
    [[nodiscard]] std::size_t slot_of(std::uint64_t key) const;
    std::vector<Slot> slots_;  // a power of two, at most half full
    int shift_ = 63;
};

// A part of a word: a token id (kNoToken: it has none) and the word's bytes that it covers.
inline constexpr int kNoToken = -1;
struct Part {
    int id;
    std::uint32_t begin, bytes;
};

// Merges within one word. Keeps its buffers: one per call of encode, not shared by threads.
class WordMerger {
  public:
    // `parts` covers the word; on return the merged tokens do. `find(left, right)` gives the merge of two
    // neighbours as std::optional<Merge>. Merges go by lowest rank, then leftmost; an entry whose pair has
    // changed counts still when the new pair gives the same token, as in `tokenizers` (models/bpe/word.rs).
    template <class Find>
    void merge(std::vector<Part>& parts, Find&& find);

  private:
    struct Symbol {
        Part part;  // no bytes: merged into the symbol before
        std::int32_t prev, next;
    };
    struct Candidate {
        std::uint32_t rank;
        std::int32_t at;
        int id;
    };
    // For std::push_heap: the worst of two has the higher rank, then the place further right.
    static bool worse(const Candidate& a, const Candidate& b) {
        return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    }
    template <class Find>
    void consider(std::int32_t left, Find&& find);
    Symbol& at(std::int32_t i) { return symbols_[static_cast<std::size_t>(i)]; }
    std::vector<Symbol> symbols_;
    std::vector<Candidate> heap_;
};

template <class Find>
void WordMerger::consider(std::int32_t left, Find&& find) {
    const Symbol& a = at(left);
    if (a.next < 0) return;
    const std::optional<Merge> merge = find(a.part, at(a.next).part);
    if (!merge) return;
    heap_.push_back({merge->rank, left, merge->id});
    std::push_heap(heap_.begin(), heap_.end(), worse);
}

template <class Find>
void WordMerger::merge(std::vector<Part>& parts, Find&& find) {
    if (parts.size() < 2) return;
    symbols_.clear();
    heap_.clear();
    const auto n = static_cast<std::int32_t>(parts.size());
    for (std::int32_t i = 0; i < n; ++i)
        symbols_.push_back({parts[static_cast<std::size_t>(i)], i - 1, i + 1 < n ? i + 1 : -1});
    for (std::int32_t i = 0; i + 1 < n; ++i) consider(i, find);
    while (!heap_.empty()) {
        std::pop_heap(heap_.begin(), heap_.end(), worse);
        const Candidate best = heap_.back();
        heap_.pop_back();
        Symbol& left = at(best.at);
        if (left.part.bytes == 0 || left.next < 0) continue;
        Symbol& right = at(left.next);
        const std::optional<Merge> merge = find(left.part, right.part);
        if (!merge || merge->id != best.id) continue;  // the pair has changed since
        left.part.id = best.id;
        left.part.bytes += right.part.bytes;
        right.part.bytes = 0;
        left.next = right.next;
        if (left.next >= 0) at(left.next).prev = best.at;
        if (left.prev >= 0) consider(left.prev, find);
        consider(best.at, find);
    }
    parts.clear();
    for (const Symbol& symbol : symbols_)
        if (symbol.part.bytes > 0) parts.push_back(symbol.part);
}

}  // namespace hearth::text
