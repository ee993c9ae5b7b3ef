// text/charsmap.cpp - walks the double array, never outside it.
#include "text/charsmap.h"

#include <cstring>

namespace hearth::text {

Result<Charsmap> Charsmap::make(std::string bytes, std::string_view where) {
    std::uint32_t trie_bytes = 0;
    if (bytes.size() < sizeof trie_bytes)
        return fail(Fault::corrupt, "{}: expected a character map, saw {} bytes", where, bytes.size());
    std::memcpy(&trie_bytes, bytes.data(), sizeof trie_bytes);
    if (trie_bytes % 4 != 0 || trie_bytes < 4 || trie_bytes > bytes.size() - sizeof trie_bytes)
        return fail(Fault::corrupt, "{}: expected a trie of whole units within {} bytes, saw one of {}",
                    where, bytes.size(), trie_bytes);
    if (bytes.back() != '\0' && bytes.size() > sizeof trie_bytes + trie_bytes)
        return fail(Fault::corrupt, "{}: expected replacements that end in a zero byte", where);
    Charsmap map;
    map.units_.resize(trie_bytes / 4);
    std::memcpy(map.units_.data(), bytes.data() + sizeof trie_bytes, trie_bytes);
    map.replacements_ = bytes.substr(sizeof trie_bytes + trie_bytes);
    return map;
}

// A unit: bit 31 with bits 0-30 a value; else bits 0-7 its label, bit 8 whether a value hangs below it, bit 9
// and bits 10-30 the offset to its children.
template <class Each>
void Charsmap::for_each_prefix(std::string_view text, Each&& each) const {
    const auto offset = [](std::uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); };
    std::size_t at = offset(units_[0]);
    for (std::size_t depth = 0; depth < text.size(); ++depth) {
        const auto label = static_cast<unsigned char>(text[depth]);
        if (label == 0) return;
        at ^= label;
        if (at >= units_.size()) return;
        const std::uint32_t unit = units_[at];
        if ((unit & (1u << 31 | 0xFF)) != label) return;
        at ^= offset(unit);
        if ((unit >> 8 & 1) == 0) continue;
        if (at >= units_.size()) return;
        const std::uint32_t value = units_[at] & ~(1u << 31);
        if (value >= replacements_.size()) return;
        if (!each(Match{depth + 1, std::string_view(replacements_.c_str() + value)})) return;
    }
}

std::optional<Charsmap::Match> Charsmap::longest(std::string_view text) const {
    std::optional<Match> found;
    for_each_prefix(text, [&](const Match& match) {
        found = match;
        return true;
    });
    return found;
}

std::optional<Charsmap::Match> Charsmap::shortest(std::string_view text) const {
    std::optional<Match> found;
    for_each_prefix(text, [&](const Match& match) {
        found = match;
        return false;
    });
    return found;
}

}  // namespace hearth::text
