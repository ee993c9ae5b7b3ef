// text/quote.h - outside text shown to people: on one line, in quotes, with escapes for what does not print.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hearth::text {

// Bytes that are no UTF-8 become \xNN. Longer texts are cut at a character and end in "...". Any bytes are
// fine here, unlike with fmt's {:?}, which asserts on cut-off UTF-8.
std::string quoted(std::string_view text, std::size_t bytes_max = 80);

}  // namespace hearth::text
