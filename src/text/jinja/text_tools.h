// text/jinja/text_tools.h - what methods and filters of text share: stripping, splitting, replacing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/interpreter.h"

namespace hearth::text::jinja {

bool is_python_space(char32_t c);   // str.isspace
bool is_decimal_digit(char32_t c);  // category Nd
// Decimal digits of any script as those of ASCII, as int() and float() read them.
std::string with_ascii_digits(std::string_view text);

std::string fold_case(std::string_view text);  // str.casefold

// Without `chars`: white space.
std::string_view strip_text(std::string_view text, const std::optional<std::string>& chars, bool left,
                            bool right);
// Without a separator: at runs of white space, no empty parts. At most `times` cuts if not negative.
std::vector<std::string_view> split_text(std::string_view text, const std::optional<std::string>& separator,
                                         std::int64_t times, bool from_right);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// At most `count` times if not negative.
QuotedText replace_text(Interpreter& interpreter, const Value& text, std::string_view from, const Value& to,
                        std::int64_t count);

}  // namespace hearth::text::jinja
