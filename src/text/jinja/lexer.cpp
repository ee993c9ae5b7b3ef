// text/jinja/lexer.cpp - the lexer: text mode between tags, expression mode within them.
#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/quote.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

bool is_space(char32_t c) { return (classes(c) & kSpace) != 0 || (c >= 0x1C && c <= 0x1F); }

// Newlines become \n, and one at the very end is dropped (keep_trailing_newline is off).
std::string normalize_newlines(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] != '\r') {
            out.push_back(source[i]);
            continue;
        }
        out.push_back('\n');
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
    if (out.ends_with('\n')) out.pop_back();
    return out;
}

class Lexer {
  public:
    explicit Lexer(std::string source) : source_(std::move(source)) {}

    std::vector<Token> run() {
        while (at_ < source_.size()) text_mode();
        push(TokenKind::end, "");
        return std::move(tokens_);
    }

  private:
    [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(at_); }
    [[nodiscard]] bool looking_at(std::string_view what) const { return rest().starts_with(what); }

    void push(TokenKind kind, std::string text) {
        Token token;
        token.kind = kind;
        token.text = std::move(text);
        token.line = line_;
        tokens_.push_back(std::move(token));
    }

    // Moves on, counting lines; remembers whether a line starts here.
    void advance(std::size_t n) {
        if (n == 0) return;
        line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                             source_.begin() + static_cast<std::ptrdiff_t>(at_ + n), '\n'));
        at_ += n;
        line_starts_ = source_[at_ - 1] == '\n';
    }

    [[nodiscard]] std::size_t spaces_at(std::size_t at) const {
        std::size_t end = at;
        while (end < source_.size()) {
            const CodePoint c = read_code_point(source_, end);
            if (!is_space(c.value)) break;
            end += c.bytes;
        }
        return end - at;
    }

    // The text before a tag, with what the tag's sign strips from its end.
    static std::string_view strip_before(std::string_view text, char sign, bool is_variable,
                                         bool line_starts) {
        if (sign == '-') {
            std::size_t end = text.size();
            while (end > 0) {
                std::size_t first = end - 1;
                while (first > 0 && (static_cast<unsigned char>(text[first]) & 0xC0) == 0x80) --first;
                if (!is_space(read_code_point(text, first).value)) break;
                end = first;
            }
            return text.substr(0, end);
        }
        if (sign == '+' || is_variable) return text;
        const std::size_t newline = text.rfind('\n');
        const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
        if (line == 0 && !line_starts) return text;
        for (std::size_t i = line; i < text.size();) {
            const CodePoint c = read_code_point(text, i);
            if (!is_space(c.value)) return text;
            i += c.bytes;
        }
        return text.substr(0, line);
    }

    static char sign_at(std::string_view text, std::size_t at) {
        return at < text.size() && (text[at] == '-' || text[at] == '+') ? text[at] : '\0';
    }

    // {% raw %} with its signs and spaces: its length, or nothing.
    [[nodiscard]] std::optional<std::size_t> raw_tag_length(std::size_t at, std::string_view word,
                                                            bool trims) const {
        std::size_t i = at + 2;
        if (sign_at(source_, i) != '\0') ++i;
        i += spaces_at(i);
        if (source_.compare(i, word.size(), word) != 0) return std::nullopt;
        i += word.size();
        i += spaces_at(i);
        if (source_.compare(i, 3, "-%}") == 0) {
            i += 3;
            return i + spaces_at(i) - at;
        }
        if (trims && source_.compare(i, 3, "+%}") == 0) return i + 3 - at;
        if (source_.compare(i, 2, "%}") != 0) return std::nullopt;
        i += 2;
        if (trims && i < source_.size() && source_[i] == '\n') ++i;
        return i - at;
    }

    void emit_data(std::string_view text) {
        if (!text.empty()) push(TokenKind::data, std::string(text));
    }

    void text_mode() {
        std::size_t tag = at_;
        while ((tag = source_.find('{', tag)) != std::string::npos) {
            const char next = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
            if (next == '{' || next == '%' || next == '#') break;
            ++tag;
        }
        if (tag == std::string::npos) {
            emit_data(rest());
            advance(source_.size() - at_);
            return;
        }
        const char opener = source_[tag + 1];
        const char sign = sign_at(source_, tag + 2);
        const std::string_view before = rest().substr(0, tag - at_);
        emit_data(strip_before(before, sign, opener == '{', line_starts_));
        advance(tag - at_);
        if (opener == '#') return comment();
        if (opener == '%')
            if (const auto length = raw_tag_length(at_, "raw", false)) {
                advance(*length);
                return raw();
            }
        const bool is_block = opener == '%';
        push(is_block ? TokenKind::block_begin : TokenKind::variable_begin, "");
        advance(sign == '\0' ? 2 : 3);
        expression_mode(is_block);
    }

    void comment() {
        const std::size_t body = at_ + (sign_at(source_, at_ + 2) == '\0' ? 2 : 3);
        const std::size_t close = source_.find("#}", body);
        if (close == std::string::npos)
            raise(Fault::corrupt, line_,
                  "expected the comment to end with \"#}}\", saw the end of the template");
        const char sign = close > body ? source_[close - 1] : '\0';
        std::size_t end = close + 2;
        if (sign == '-')
            end += spaces_at(end);
        else if (sign != '+' && end < source_.size() && source_[end] == '\n')
            ++end;
        advance(end - at_);
    }

    void raw() {
        for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos;
             tag = source_.find("{%", tag + 2)) {
            const auto length = raw_tag_length(tag, "endraw", true);
            if (!length) continue;
            emit_data(
                strip_before(rest().substr(0, tag - at_), sign_at(source_, tag + 2), false, line_starts_));
            advance(tag - at_ + *length);
            return;
        }
        raise(Fault::corrupt, line_, "expected \"{{% endraw %}}\", saw the end of the template");
    }

    // The length of the tag's end if it stands here.
    [[nodiscard]] std::optional<std::size_t> tag_end(bool is_block) const {
        const std::string_view close = is_block ? "%}" : "}}";
        if (looking_at("-") && rest().substr(1).starts_with(close)) return 3 + spaces_at(at_ + 3);
        if (is_block && looking_at("+%}")) return 3;
        if (!looking_at(close)) return std::nullopt;
        return is_block && at_ + 2 < source_.size() && source_[at_ + 2] == '\n' ? 3 : 2;
    }

    void expression_mode(bool is_block) {
        std::string brackets;
        while (at_ < source_.size()) {
            if (brackets.empty()) {
                if (const auto length = tag_end(is_block)) {
                    push(is_block ? TokenKind::block_end : TokenKind::variable_end, "");
                    advance(*length);
                    return;
                }
            }
            if (const std::size_t spaces = spaces_at(at_)) {
                advance(spaces);
                continue;
            }
            const char c = source_[at_];
            if (c >= '0' && c <= '9')
                number();
            else if (c == '\'' || c == '"')
                text_literal();
            else if (!name())
                op(brackets);
        }
        raise(Fault::corrupt, line_, "expected the tag to end, saw the end of the template");
    }

    bool name() {
        std::size_t end = at_;
        while (end < source_.size()) {
            const CodePoint c = read_code_point(source_, end);
            if (c.value != '_' && (classes(c.value) & (kLetter | kNumber | kMark)) == 0) break;
            end += c.bytes;
        }
        if (end == at_) return false;
        push(TokenKind::name, source_.substr(at_, end - at_));
        advance(end - at_);
        return true;
    }

    void op(std::string& brackets) {
        static constexpr std::string_view kOps[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                    "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                    ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
        const auto* found = std::find_if(std::begin(kOps), std::end(kOps),
                                         [&](std::string_view candidate) { return looking_at(candidate); });
        if (found == std::end(kOps))
            raise(Fault::corrupt, line_, "expected an expression, saw the character {}",
                  quoted(rest().substr(0, read_code_point(source_, at_).bytes)));
        const char c = found->front();
        if (c == '(' || c == '[' || c == '{') {
            brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
        } else if (c == ')' || c == ']' || c == '}') {
            if (brackets.empty() || brackets.back() != c)
                raise(Fault::corrupt, line_, "expected brackets that match, saw \"{}\"", c);
            brackets.pop_back();
        }
        push(TokenKind::op, std::string(*found));
        advance(found->size());
    }

    // Digits with single underscores between them.
    [[nodiscard]] std::size_t digits_end(std::size_t at, int base) const {
        const auto is_digit = [base](char c) {
            const int value = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : 99;
            return value < base;
        };
        std::size_t end = at;
        while (end < source_.size()) {
            if (is_digit(source_[end]))
                ++end;
            else if (end > at && source_[end] == '_' && end + 1 < source_.size() &&
                     is_digit(source_[end + 1]))
                ++end;
            else
                break;
        }
        return end;
    }

    void number() {
        std::size_t end = digits_end(at_, 10);
        bool is_float = false;
        const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';  // x.1.2 is two subscripts
        if (!after_dot && end + 1 < source_.size() && source_[end] == '.' &&
            digits_end(end + 1, 10) > end + 1) {
            end = digits_end(end + 1, 10);
            is_float = true;
        }
        if (!after_dot && end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
            std::size_t exponent = end + 1;
            if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-'))
                ++exponent;
            if (const std::size_t stop = digits_end(exponent, 10); stop > exponent) {
                end = stop;
                is_float = true;
            }
        }
        if (is_float) {
            std::string digits = source_.substr(at_, end - at_);
            std::erase(digits, '_');
            push(TokenKind::number, digits);
            const auto parsed =
                std::from_chars(digits.data(), digits.data() + digits.size(), tokens_.back().number);
            // Out of range: what is too small is 0, what is too large infinite, as Python has it.
            if (parsed.ec == std::errc::result_out_of_range)
                tokens_.back().number =
                    digits.find("e-") != std::string::npos || digits.find("E-") != std::string::npos
                        ? 0.0
                        : HUGE_VAL;
            advance(end - at_);
            return;
        }
        int base = 10;
        std::size_t first = at_;
        if (source_[at_] == '0' && at_ + 1 < source_.size()) {
            const char kind = static_cast<char>(source_[at_ + 1] | 0x20);
            const int prefixed = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
            const std::size_t skip = prefixed != 10 && source_.compare(at_ + 2, 1, "_") == 0 ? 3 : 2;
            if (prefixed != 10 && digits_end(at_ + skip, prefixed) > at_ + skip) {
                base = prefixed;
                first = at_ + skip;
                end = digits_end(first, base);
            }
        }
        std::string digits = source_.substr(first, end - first);
        std::erase(digits, '_');
        // Decimal integers do not start with 0 unless all digits are.
        if (base == 10 && digits.size() > 1 && digits[0] == '0') {
            const std::size_t nonzero = digits.find_first_not_of('0');
            if (nonzero != std::string::npos) {
                end = source_.find_first_not_of("0_", at_);
                digits = "0";
            }
        }
        push(TokenKind::integer, digits);
        auto value = integer_of_digits(digits, base);
        if (!value)
            raise(Fault::unsupported, line_,
                  "Exceeds the limit ({} digits) for integer string conversion: value has {} digits; use "
                  "sys.set_int_max_str_digits() to increase the limit",
                  kIntegerDigitsMax, digits.size());
        tokens_.back().integer = *std::move(value);
        advance(end - at_);
    }

    void text_literal() {
        const char quote = source_[at_];
        std::size_t end = at_ + 1;
        while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
        if (end >= source_.size())
            raise(Fault::corrupt, line_, "expected the text to end with {}, saw the end of the template",
                  quote);
        push(TokenKind::text, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
        advance(end + 1 - at_);
    }

    [[nodiscard]] char32_t hex(std::string_view digits, std::size_t n) const {
        std::uint32_t value = 0;
        const auto part = digits.substr(0, n);
        const auto parsed = std::from_chars(part.data(), part.data() + part.size(), value, 16);
        if (part.size() < n || parsed.ptr != part.data() + n)
            raise(Fault::corrupt, line_, "expected {} hexadecimal digits after a backslash, saw {}", n,
                  quoted(part));
        if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
            raise(Fault::corrupt, line_, "expected a character after a backslash, saw {:x}", value);
        return value;
    }

    // Python's unicode-escape.
    [[nodiscard]] std::string unescape(std::string_view body) const {
        static constexpr std::pair<char, char> kSimple[] = {
            {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}, {'\'', '\''},
            {'"', '"'},  {'a', '\a'}, {'b', '\b'}, {'f', '\f'},  {'v', '\v'}};
        std::string out;
        for (std::size_t i = 0; i < body.size(); ++i) {
            if (body[i] != '\\' || i + 1 == body.size()) {
                out.push_back(body[i]);
                continue;
            }
            const char c = body[++i];
            const auto* simple = std::find_if(std::begin(kSimple), std::end(kSimple),
                                              [c](const auto& pair) { return pair.first == c; });
            if (simple != std::end(kSimple)) {
                out.push_back(simple->second);
            } else if (c == '\n') {
                // a line that goes on
            } else if (c == 'x' || c == 'u' || c == 'U') {
                const std::size_t n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
                append_code_point(out, hex(body.substr(i + 1), n));
                i += n;
            } else if (c >= '0' && c <= '7') {
                char32_t value = 0;
                std::size_t n = 0;
                for (; n < 3 && i + n < body.size() && body[i + n] >= '0' && body[i + n] <= '7'; ++n)
                    value = value * 8 + static_cast<char32_t>(body[i + n] - '0');
                append_code_point(out, value);
                i += n - 1;
            } else if (c == 'N') {
                raise(Fault::unsupported, line_, "expected no \\N{{...}} in a text, saw one");
            } else {
                out.push_back('\\');
                out.push_back(c);
            }
        }
        return out;
    }

    std::string source_;
    std::size_t at_ = 0;
    int line_ = 1;
    bool line_starts_ = true;
    std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
    if (source.size() > kTemplateSourceBytesMax)
        raise(Fault::out_of_range, 1, "expected a template of at most {} bytes, saw {}",
              kTemplateSourceBytesMax, source.size());
    return Lexer(normalize_newlines(replace_invalid(source))).run();
}

}  // namespace hearth::text::jinja
