// text/bpe.h - the merge table of byte-pair encoding and the merging of one word, in n log n.
#pragma once

#include <cstdint>
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

// A part of a word: a token id and how many of the word's bytes it covers.
struct Part {
    int id;
    std::uint32_t bytes;
};

// Merges within one word. Keeps its buffers: one per call of encode, not shared by threads.
class WordMerger {
  public:
    // `parts` holds a token for each byte; on return the merged tokens. Merges go by lowest rank, then
    // leftmost; an entry whose pair has changed counts still when the new pair gives the same token, as in
    // `tokenizers` (models/bpe/word.rs).
    void merge(const MergeTable& table, std::vector<Part>& parts);

  private:
    struct Symbol {
        int id;
        std::uint32_t bytes;  // 0: merged into the symbol before
        std::int32_t prev, next;
    };
    struct Candidate {
        std::uint32_t rank;
        std::int32_t at;
        int id;
    };
    void consider(const MergeTable& table, std::int32_t left);
    std::vector<Symbol> symbols_;
    std::vector<Candidate> heap_;
};

}  // namespace hearth::text
