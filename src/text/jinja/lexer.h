// text/jinja/lexer.h - template source to tokens, with Jinja2's rules for white space around tags.
// Follows Jinja2 3.1.6 with trim_blocks and lstrip_blocks set, as `transformers` sets them for chat
// templates.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace hearth::text::jinja {

enum class TokenKind : std::uint8_t {
    data,            // text between tags
    variable_begin,  // {{
    variable_end,
    block_begin,  // {%
    block_end,
    name,
    text,  // a string literal, unescaped
    integer,
    number,
    op,  // an operator or bracket; `text` spells it
    end,
};

struct Token {
    TokenKind kind = TokenKind::end;
    std::string text;
    Value integer;
    double number = 0;
    int line = 1;
};

// Throws TemplateError. The last token is `end`.
std::vector<Token> tokenize(std::string_view source);

}  // namespace hearth::text::jinja
