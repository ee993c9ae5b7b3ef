// text/jinja/text_tools.cpp - splitting and stripping over UTF-8.
#include "text/jinja/text_tools.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

std::size_t before(std::string_view text, std::size_t end) {
    do {
        --end;
    } while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
    return end;
}

}  // namespace

bool is_python_space(char32_t c) { return (classes(c) & kSpace) != 0 || (c >= 0x1C && c <= 0x1F); }
bool is_decimal_digit(char32_t c) {
    return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}

std::string with_ascii_digits(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        at += c.bytes;
        if (c.value < 0x80 || !is_decimal_digit(c.value)) {
            append_code_point(out, c.value);
            continue;
        }
        char32_t zero = c.value;  // digits of a script stand together, from 0 on
        while (is_decimal_digit(zero - 1)) --zero;
        out.push_back(static_cast<char>('0' + (c.value - zero) % 10));
    }
    return out;
}

std::string_view strip_text(std::string_view text, const std::optional<std::string>& chars, bool left,
                            bool right) {
    std::vector<char32_t> set;
    if (chars) set = code_points(*chars);
    std::sort(set.begin(), set.end());
    const auto strips = [&](char32_t c) {
        return chars ? std::binary_search(set.begin(), set.end(), c) : is_python_space(c);
    };
    std::size_t begin = 0, end = text.size();
    while (left && begin < end) {
        const CodePoint c = read_code_point(text, begin);
        if (!strips(c.value)) break;
        begin += c.bytes;
    }
    while (right && end > begin) {
        const std::size_t at = before(text, end);
        if (!strips(read_code_point(text, at).value)) break;
        end = at;
    }
    return text.substr(begin, end - begin);
}

namespace {

std::vector<std::string_view> split_at_space(std::string_view text, std::int64_t times, bool from_right) {
    std::vector<std::string_view> parts;
    const auto strip = [&](std::string_view t) {
        return strip_text(t, std::nullopt, !from_right, from_right);
    };
    for (text = strip(text); !text.empty(); text = strip(text)) {
        if (times >= 0 && static_cast<std::int64_t>(parts.size()) == times) {
            parts.push_back(text);
            break;
        }
        std::size_t begin = 0, end = text.size();
        if (from_right) {
            for (begin = text.size(); begin > 0;) {
                const std::size_t at = before(text, begin);
                if (is_python_space(read_code_point(text, at).value)) break;
                begin = at;
            }
        } else {
            for (end = 0; end < text.size();) {
                const CodePoint c = read_code_point(text, end);
                if (is_python_space(c.value)) break;
                end += c.bytes;
            }
        }
        parts.push_back(text.substr(begin, end - begin));
        text = from_right ? text.substr(0, begin) : text.substr(end);
    }
    if (from_right) std::reverse(parts.begin(), parts.end());
    return parts;
}

}  // namespace

std::vector<std::string_view> split_text(std::string_view text, const std::optional<std::string>& separator,
                                         std::int64_t times, bool from_right) {
    if (!separator) return split_at_space(text, times, from_right);
    std::vector<std::string_view> parts;
    while (times < 0 || static_cast<std::int64_t>(parts.size()) < times) {
        const std::size_t at = from_right ? text.rfind(*separator) : text.find(*separator);
        if (at == std::string_view::npos) break;
        parts.push_back(from_right ? text.substr(at + separator->size()) : text.substr(0, at));
        text = from_right ? text.substr(0, at) : text.substr(at + separator->size());
    }
    parts.push_back(text);
    if (from_right) std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
    std::vector<std::string_view> lines;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        std::size_t next = at + c.bytes;
        const bool breaks = (c.value >= 0x0A && c.value <= 0x0D) || (c.value >= 0x1C && c.value <= 0x1E) ||
                            c.value == 0x85 || c.value == 0x2028 || c.value == 0x2029;
        if (breaks) {
            if (c.value == '\r' && next < text.size() && text[next] == '\n') ++next;
            lines.push_back(text.substr(begin, (keep_ends ? next : at) - begin));
            begin = next;
        }
        at = next;
    }
    if (begin < text.size()) lines.push_back(text.substr(begin));
    return lines;
}

QuotedText replace_text(Interpreter& interpreter, const Value& from_text, std::string_view from,
                        const Value& to, std::int64_t count) {
    const std::string_view text = from_text.text();
    QuotedText out;
    std::size_t at = 0;
    interpreter.charge(text.size());
    for (std::int64_t n = 0; count < 0 || n < count; ++n) {
        const std::size_t found = text.find(from, at);
        if (found == std::string_view::npos || (from.empty() && at > text.size())) break;
        append_part(out, from_text, at, found);
        append_text(out, to);
        interpreter.check_size(out.text.size());
        at = found + from.size();
        if (!from.empty()) continue;
        if (at == text.size()) break;  // an empty text stands before each character and at the end
        const std::uint32_t bytes = read_code_point(text, at).bytes;
        append_part(out, from_text, at, at + bytes);
        at += bytes;
    }
    if (at < text.size()) append_part(out, from_text, at, text.size());
    interpreter.charge(out.text.size());
    return out;
}

std::string fold_case(std::string_view text) {
    std::string out;
    for (const char32_t c : code_points(text)) {
        std::array<utf8proc_int32_t, 8> parts{};
        const auto n =
            utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(),
                                    static_cast<utf8proc_ssize_t>(parts.size()), UTF8PROC_CASEFOLD, nullptr);
        const bool fits = n > 0 && n <= static_cast<utf8proc_ssize_t>(parts.size());
        if (!fits) append_code_point(out, c);
        for (utf8proc_ssize_t i = 0; fits && i < n; ++i)
            append_code_point(out, static_cast<char32_t>(parts[static_cast<std::size_t>(i)]));
    }
    return out;
}

}  // namespace hearth::text::jinja
