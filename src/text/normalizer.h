// text/normalizer.h - text on its way to tokens: made valid, normalized, and each byte's origin remembered.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace hearth::text {

// Text made from a part of the caller's text. `origin` maps each byte, and the end, to a byte offset of the
// caller's text; empty when the text is that part, byte for byte, and begins at `base`.
struct TracedText {
    std::string text;
    std::vector<std::size_t> origin;
    std::size_t base = 0;

    [[nodiscard]] std::size_t origin_of(std::size_t at) const {
        return origin.empty() ? base + at : origin[at];
    }
};

// Invalid UTF-8 becomes U+FFFD.
TracedText make_valid(std::string_view text);

// The normal form of from.text[begin, end), with origins in the caller's text.
TracedText normalize(const TracedText& from, std::size_t begin, std::size_t end,
                     TokenizerSpec::Normalization normalization);
// The same for a text alone.
std::string normalize(std::string_view text, TokenizerSpec::Normalization normalization);

}  // namespace hearth::text
