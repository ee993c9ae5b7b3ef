// engine/prefix_cache.h - what ended sequences computed, kept for prompts that begin alike.
#pragma once

#include <list>
#include <span>
#include <vector>

#include "engine/kv_blocks.h"

namespace hearth::engine {

// Holds blocks that nobody was promised: whoever lacks one calls drop_oldest. States do not depend on how
// their tokens were cut into steps, so an answer has the same bits with the cache and without.
class PrefixCache {
  public:
    explicit PrefixCache(std::size_t entries_max) : entries_max_(entries_max) {}

    // `state` is what `tokens` made: as many as its length. Beginnings of it that truncation can reach go.
    void keep(std::vector<int> tokens, SequenceState state);
    // A state that holds the most of `prompt` found here, but not all: the last token's logits are wanted.
    // Empty where nothing begins alike.
    [[nodiscard]] SequenceState begin(KvBlocks& blocks, std::span<const int> prompt);
    bool drop_oldest();  // false: there was none
    void clear() { entries_.clear(); }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        std::vector<int> tokens;
        SequenceState state;
    };
    std::size_t entries_max_;
    std::list<Entry> entries_;  // the latest used first
};

}  // namespace hearth::engine
