// text/byte_alphabet.h - GPT-2's spelling of bytes as printable characters, used by byte-level vocabularies.
// Source: Radford et al. 2019, encoder.py of GPT-2: printable bytes of Latin-1 stand for themselves, the 68
// others for U+0100 and up, in order.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace hearth::text {

constexpr bool is_own_letter(unsigned byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

inline constexpr std::array<char32_t, 256> kLetterOfByte = [] {
    std::array<char32_t, 256> letters{};
    char32_t next = 0x100;
    for (unsigned b = 0; b < 256; ++b) letters[b] = is_own_letter(b) ? char32_t{b} : next++;
    return letters;
}();

// The byte that a letter stands for, or nothing.
constexpr std::optional<unsigned char> byte_of_letter(char32_t letter) {
    if (letter < 0x100)
        return is_own_letter(letter) ? std::optional(static_cast<unsigned char>(letter)) : std::nullopt;
    if (letter >= 0x100 + 68) return std::nullopt;
    for (unsigned b = 0; b < 256; ++b)
        if (kLetterOfByte[b] == letter) return static_cast<unsigned char>(b);
    return std::nullopt;
}

// The bytes that a token's spelling stands for; nothing when it has a character outside the alphabet.
inline std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
    std::string out;
    for (std::size_t at = 0; at < spelling.size();) {
        const CodePoint c = read_code_point(spelling, at);
        const auto byte = c.valid ? byte_of_letter(c.value) : std::nullopt;
        if (!byte) return std::nullopt;
        out.push_back(static_cast<char>(*byte));
        at += c.bytes;
    }
    return out;
}

}  // namespace hearth::text
