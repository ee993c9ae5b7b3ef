// text/quoted_text.h - text that remembers who wrote which bytes of it: what others wrote is never read as a
// control token.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::text {

// From the freest to the strictest.
enum class Author : std::uint8_t {
    trusted,    // the template: every token that it spells is read
    assistant,  // the model's own earlier turns: no control token is read in them
    outside,    // everybody else: no token to which the template gives a meaning either
};
constexpr Author stricter(Author a, Author b) { return std::max(a, b); }

// A stretch of a text that was not written by the template.
struct QuotedRange {
    std::size_t begin, end;
    Author author = Author::outside;
};
using QuotedRanges = std::vector<QuotedRange>;  // in order, none empty, none overlapping another

// Text as it is put together.
struct QuotedText {
    std::string text;
    QuotedRanges ranges;

    void append(std::string_view piece, Author author = Author::trusted) {
        const std::size_t begin = text.size();
        text += piece;
        if (author == Author::trusted || piece.empty()) return;
        if (!ranges.empty() && ranges.back().end == begin && ranges.back().author == author)
            ranges.back().end = text.size();
        else
            ranges.push_back({begin, text.size(), author});
    }
    // text[begin, end) of a text with these ranges.
    void append_part(std::string_view from, const QuotedRanges& of, std::size_t begin, std::size_t end) {
        auto range = std::partition_point(of.begin(), of.end(),
                                          [begin](const QuotedRange& r) { return r.end <= begin; });
        while (begin < end) {
            if (range == of.end() || range->begin >= end) return append(from.substr(begin, end - begin));
            if (range->begin > begin) append(from.substr(begin, range->begin - begin));
            const std::size_t from_here = std::max(begin, range->begin), stop = std::min(end, range->end);
            append(from.substr(from_here, stop - from_here), range->author);
            begin = stop;
            ++range;
        }
    }
    void append(const QuotedText& other) { append_part(other.text, other.ranges, 0, other.text.size()); }
};

}  // namespace hearth::text
