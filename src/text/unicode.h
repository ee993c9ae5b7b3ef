// text/unicode.h - what a character is: classes from generated tables, and case mapping as Python does it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::text {

// Bits of a character's classes; general categories of Unicode. Made by tools/make_unicode_tables.py.
using Classes = std::uint16_t;
inline constexpr Classes kUpper = 1 << 0, kLower = 1 << 1, kTitle = 1 << 2, kModifier = 1 << 3;
inline constexpr Classes kOtherLetter = 1 << 4, kMark = 1 << 5, kNumber = 1 << 6, kPunctuation = 1 << 7;
inline constexpr Classes kSymbol = 1 << 8, kSpace = 1 << 9, kWord = 1 << 10;
// What the reference's Bert parts single out: marks that strip_accents removes, characters that clean_text
// removes, and punctuation, which stands alone. kCombining is what StripAccents removes.
inline constexpr Classes kAccent = 1 << 11, kRemovedByBert = 1 << 12, kBertPunctuation = 1 << 13;
inline constexpr Classes kCombining = 1 << 14;
// The reference's \p{Han}: the one script that patterns in use name.
inline constexpr Classes kHan = 1 << 15;
inline constexpr Classes kLetter = kUpper | kLower | kTitle | kModifier | kOtherLetter;

// Any value is allowed; what is no code point has no class.
Classes classes(char32_t c);

// The script of a character, by number. It tells scripts apart as the reference's UnicodeScripts does:
// Hiragana, Katakana and U+30FC count as Han; spaces, and what is no assigned character there, as any script.
using Script = std::uint8_t;
inline constexpr Script kAnyScript = 0;
Script script(char32_t c);

// Full case mapping of UTF-8 text (one character may become several), final sigma included in lower.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);        // Python's str.title
std::string to_capitalized(std::string_view text);  // Python's str.capitalize

// Python's str.isprintable for one character: what repr leaves unescaped.
bool is_printable(char32_t c);

}  // namespace hearth::text
