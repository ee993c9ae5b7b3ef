// text/quote.cpp - the escapes behind quote.h.
#include "text/quote.h"

#include <fmt/format.h>

#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text {

std::string quoted(std::string_view text, std::size_t bytes_max) {
    std::string out = "\"";
    std::size_t at = 0;
    while (at < text.size()) {
        const CodePoint c = read_code_point(text, at);
        if (at + c.bytes > bytes_max) break;
        if (!c.valid) {
            for (std::uint32_t i = 0; i < c.bytes; ++i)
                out +=
                    fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(text[at + i])));
        } else if (c.value == '\n') {
            out += "\\n";
        } else if (c.value == '\t') {
            out += "\\t";
        } else if (c.value == '\r') {
            out += "\\r";
        } else if (c.value == '"' || c.value == '\\') {
            out += '\\';
            out += static_cast<char>(c.value);
        } else if (is_printable(c.value)) {
            append_code_point(out, c.value);
        } else {
            out += fmt::format("\\u{{{:x}}}", static_cast<unsigned>(c.value));
        }
        at += c.bytes;
    }
    return out + (at < text.size() ? "...\"" : "\"");
}

}  // namespace hearth::text
