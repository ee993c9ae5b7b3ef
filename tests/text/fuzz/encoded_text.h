// tests/text/fuzz/encoded_text.h - what must hold for any tokenizer and any text.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace hearth::tests {

// Encodes the text, checks offsets and the streamed way back, and that a quoted text holds no control token.
// Gives the ids, where the text can be encoded.
inline std::optional<std::vector<int>> checked_ids(const text::Tokenizer& tokenizer, std::string_view text,
                                                   bool add_special) {
    const auto encoding =
        tokenizer.encode_with_offsets(text, {.parse_special = true, .add_special = add_special});
    if (!encoding) return std::nullopt;
    for (const auto& [begin, end] : encoding->offsets)
        if (begin > end || end > text.size()) std::abort();
    text::StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const int id : encoding->ids) streamed += stream.push(id);
    if (streamed + stream.flush() != tokenizer.decode(encoding->ids)) std::abort();
    const text::QuotedRange whole[] = {{0, text.size()}};
    if (const auto quoted = tokenizer.encode(text, {.parse_special = true, .quoted = whole}))
        for (const int id : *quoted)
            if (tokenizer.is_special(id) && id != tokenizer.unk()) std::abort();
    return encoding->ids;
}

}  // namespace hearth::tests
