// text/added_tokens.cpp - the trie behind added_tokens.h, and the rules for white space and words around a
// match.
#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

// The character that ends at `end`, which is on a character of valid UTF-8 and above 0.
std::size_t previous_character(std::string_view text, std::size_t end) {
    do {
        --end;
    } while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
    return end;
}

Classes classes_at(std::string_view text, std::size_t at) { return classes(read_code_point(text, at).value); }

std::size_t space_begin(std::string_view text, std::size_t end, std::size_t limit) {
    while (end > limit) {
        const std::size_t at = previous_character(text, end);
        if ((classes_at(text, at) & kSpace) == 0) break;
        end = at;
    }
    return std::max(end, limit);
}

std::size_t space_end(std::string_view text, std::size_t at) {
    while (at < text.size() && (classes_at(text, at) & kSpace) != 0) at += read_code_point(text, at).bytes;
    return at;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
    const bool word_before = begin > 0 && (classes_at(text, previous_character(text, begin)) & kWord) != 0;
    const bool word_after = end < text.size() && (classes_at(text, end) & kWord) != 0;
    return !word_before && !word_after;
}

}  // namespace

bool is_refused(const EncodeOptions& options, std::size_t begin, std::size_t end, int id, bool special) {
    const auto index = static_cast<std::size_t>(id);
    if (!special && (index >= options.marks.size() || options.marks[index] == 0)) return false;
    const auto& quoted = options.quoted;
    auto range = std::partition_point(quoted.begin(), quoted.end(),
                                      [begin](const QuotedRange& r) { return r.end <= begin; });
    for (; range != quoted.end() && range->begin < end; ++range)
        if (special || range->author == Author::outside) return true;
    return false;
}

void AddedTokenFinder::add(const TokenizerSpec::Added& token) {
    std::uint32_t node = 0;
    for (const char c : token.content) {
        const std::uint64_t edge = std::uint64_t{node} << 8 | static_cast<unsigned char>(c);
        const auto [found, is_new] = edges_.try_emplace(edge, static_cast<std::uint32_t>(token_at_.size()));
        if (is_new) token_at_.push_back(-1);
        node = found->second;
    }
    if (token.content.empty())
        std::fill(std::begin(starts_), std::end(starts_), true);
    else
        starts_[static_cast<unsigned char>(token.content.front())] = true;
    token_at_[node] = static_cast<std::int32_t>(tokens_.size());
    tokens_.push_back(token);
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::longest_at(const TracedText& traced, std::size_t at,
                                                                    const EncodeOptions& options) const {
    const std::string_view text = traced.text;
    std::optional<Match> best;
    // A content that normalization emptied stands before every character.
    const bool inside = (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
    if (token_at_[0] >= 0 && !inside) best = {at, &tokens_[static_cast<std::size_t>(token_at_[0])]};
    std::uint32_t node = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
        const auto edge = edges_.find(std::uint64_t{node} << 8 | static_cast<unsigned char>(text[i]));
        if (edge == edges_.end()) break;
        node = edge->second;
        if (token_at_[node] < 0) continue;
        const TokenizerSpec::Added& token = tokens_[static_cast<std::size_t>(token_at_[node])];
        if (!options.quoted.empty() &&
            is_refused(options, traced.origin_of(at), traced.origin_of(i + 1), token.id, token.special))
            continue;
        best = {i + 1, &token};
    }
    return best;
}

void AddedTokenFinder::cut(const TracedText& traced, const EncodeOptions& options,
                           std::vector<Stretch>& out) const {
    const std::string_view text = traced.text;
    std::size_t plain = 0;                     // where the text since the last match begins
    std::size_t space_from = 0, space_to = 0;  // white space that was looked through last
    for (std::size_t at = 0; at < text.size() && !tokens_.empty();) {
        const auto match =
            starts_[static_cast<unsigned char>(text[at])] ? longest_at(traced, at, options) : std::nullopt;
        if (!match) {
            ++at;
            continue;
        }
        std::size_t begin = at, end = match->end;
        at = std::max(match->end, at + 1);  // a match that is refused is passed over whole
        const TokenizerSpec::Added& token = *match->token;
        if (token.special && !options.parse_special) continue;
        if (token.single_word && !stands_alone(text, begin, end)) continue;
        if (token.lstrip) begin = space_begin(text, begin, plain);
        if (token.rstrip) {
            if (end < space_from || end >= space_to) {
                space_from = end;
                space_to = space_end(text, end);
            }
            end = std::max(end, space_to);
        }
        // As in `tokenizers`, a token may stand in the white space that the one before took along.
        if (plain < begin) out.push_back({{plain, begin}, std::nullopt});
        if (begin < end) out.push_back({{begin, end}, token.id});
        plain = end;
    }
    if (plain < text.size()) out.push_back({{plain, text.size()}, std::nullopt});
}

}  // namespace hearth::text
