// text/oniguruma.h - expressions of the reference tokenizer, which Oniguruma reads as Ruby does, in PCRE2's
// words.
#pragma once

#include <string>
#include <string_view>

namespace hearth::text {

// Where the two read the same letters otherwise: \w, \h, \v, \Q, \uHHHH, names of scripts, (?m), {,n}, and
// classes within classes with their intersections. PCRE2 must get PCRE2_MULTILINE too: ^ and $ are of lines.
// What is no expression stays none.
std::string as_pcre2(std::string_view pattern);

}  // namespace hearth::text
