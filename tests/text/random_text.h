// tests/text/random_text.h - the random strings of tools/fixtures/random_text.py, made again from the same
// counters.
#pragma once

#include <cstdint>
#include <string>

#include "base/rng.h"
#include "text/utf8.h"

namespace hearth::tests {

inline std::string random_text(std::uint64_t i) {
    static const std::string words[] = {"'s",
                                        "'LL",
                                        "'\u017f",
                                        "'re",
                                        "don't",
                                        " the",
                                        "Hearth",
                                        "<|im_start|>",
                                        "<|im_end|>",
                                        "<tool_call>",
                                        "</tool_call>",
                                        "<|endoftext|>",
                                        "<|im_",
                                        "\r\n",
                                        "\n\n",
                                        "  ",
                                        "\t",
                                        "123",
                                        "4567",
                                        "\u0661\u0662\u0663",
                                        "na\u00efve",
                                        "e\u0301",
                                        "\u0928\u092e\u0938\u094d\u0924\u0947",
                                        "\u4f60\u597d",
                                        "\U0001f469\u200d\U0001f680",
                                        "\uac00\u1112\u1161\u11ab",
                                        "\u00bd\u2167",
                                        "...",
                                        "!?",
                                        " {\"a\": 1}",
                                        "\u3000",
                                        "\u00a0"};
    static constexpr char32_t spaces[] = {0x20, 0x20, 0x20,   0x0A,   0x0D,   0x09,   0x0B,   0x0C,
                                          0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x202F, 0x3000, 0x180E};
    static constexpr char32_t marks[] = {0x300, 0x301, 0x327, 0x323,  0x93C,
                                         0x94D, 0x5B0, 0x64B, 0xFE0F, 0x20DD};
    Philox rng(1, i);
    const auto in = [&rng](char32_t first, std::uint64_t n) {
        return first + static_cast<char32_t>(rng.below(n));
    };
    std::string out;
    for (std::uint64_t left = rng.below(20); left > 0; --left) {
        const std::uint64_t kind = rng.below(10);
        if (kind < 3)
            text::append_code_point(out, in(0x20, 0x5F));
        else if (kind == 3)
            out += words[rng.below(std::size(words))];
        else if (kind == 4)
            text::append_code_point(out, spaces[rng.below(std::size(spaces))]);
        else if (kind == 5)
            text::append_code_point(out, marks[rng.below(std::size(marks))]);
        else if (kind == 6)
            text::append_code_point(out, in(0xA1, 0x250));
        else if (kind == 7)
            text::append_code_point(out, in(0x300, 0x2D00));
        else if (kind == 8)
            text::append_code_point(out, in(0, 0xD800));
        else
            text::append_code_point(out, in(0xE000, 0x110000 - 0xE000));
    }
    return out;
}

}  // namespace hearth::tests
