// text/utf8.h - UTF-8: reading a code point, writing one, and replacing what is not valid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::text {

inline constexpr char32_t kReplacement = 0xFFFD;

// What stands at a position. For invalid bytes `valid` is false and `bytes` is the length of the maximal
// subpart: the longest start of a well-formed sequence, at least 1 (Unicode 15, section 3.9, table 3-8; the
// practice of Rust's from_utf8_lossy and of WHATWG). `truncated`: it ran into the end of the text and more
// bytes could have made it whole.
struct CodePoint {
    char32_t value = kReplacement;
    std::uint32_t bytes = 1;
    bool valid = false;
    bool truncated = false;
};
// `at` must be below text.size().
CodePoint read_code_point(std::string_view text, std::size_t at);

void append_code_point(std::string& out, char32_t c);

bool is_valid_utf8(std::string_view text);
// Invalid bytes become U+FFFD, one for each maximal subpart.
std::string replace_invalid(std::string_view text);
// The code points, invalid bytes as U+FFFD.
std::vector<char32_t> code_points(std::string_view text);

}  // namespace hearth::text
