// engine/prefix_cache.cpp - the longest common beginning among the states kept, the least used dropped first.
#include "engine/prefix_cache.h"

#include <algorithm>

#include "base/check.h"

namespace hearth::engine {
namespace {

std::int64_t common_beginning(std::span<const int> a, std::span<const int> b) {
    return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

}  // namespace

void PrefixCache::keep(std::vector<int> tokens, SequenceState state) {
    HEARTH_CHECK(std::ssize(tokens) == state.length(), "a state is of its tokens");
    if (tokens.empty() || entries_max_ == 0) return;
    std::erase_if(entries_, [&](const Entry& entry) {
        const std::int64_t n = std::ssize(entry.tokens);
        return common_beginning(entry.tokens, tokens) == n && state.reachable(n) == n;
    });
    entries_.push_front({std::move(tokens), std::move(state)});
    while (entries_.size() > entries_max_) drop_oldest();
}

SequenceState PrefixCache::begin(KvBlocks& blocks, std::span<const int> prompt) {
    auto best = entries_.end();
    std::int64_t most = 0;
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        const std::int64_t n =
            entry->state.reachable(common_beginning(prompt.first(prompt.size() - 1), entry->tokens));
        if (n > most) {
            most = n;
            best = entry;
        }
    }
    if (best == entries_.end()) return SequenceState(blocks);
    entries_.splice(entries_.begin(), entries_, best);
    SequenceState state = best->state.fork();
    state.truncate(most);
    return state;
}

bool PrefixCache::drop_oldest() {
    if (entries_.empty()) return false;
    entries_.pop_back();
    return true;
}

}  // namespace hearth::engine
