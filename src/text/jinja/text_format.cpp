// text/jinja/text_format.cpp - Python's two ways to format text: the % operator and str.format with its
// specs.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/jinja/operators.h"
#include "text/quote.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
    std::string fill = " ";
    char align = '\0', sign = '-', type = '\0', group = '\0';
    bool alternate = false;
    int width = 0, precision = -1;
};

constexpr int kWidthMax = 1 << 20;

int take_number(std::string_view text, std::size_t& at) {
    int value = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
        value = value * 10 + (text[at] - '0');
        if (value > kWidthMax)
            raise(Fault::out_of_range, 0, "expected a width or precision of at most {}, saw more", kWidthMax);
    }
    return value;
}

Spec parse_spec(std::string_view text) {
    Spec spec;
    std::size_t at = 0;
    const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    if (!text.empty()) {
        const std::uint32_t first = read_code_point(text, 0).bytes;
        if (first < text.size() && is_align(text[first])) {
            spec.fill = text.substr(0, first);
            spec.align = text[first];
            at = first + 1;
        } else if (is_align(text[0])) {
            spec.align = text[0];
            at = 1;
        }
    }
    if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' ')) spec.sign = text[at++];
    if (at < text.size() && text[at] == '#') {
        spec.alternate = true;
        ++at;
    }
    if (at < text.size() && text[at] == '0') {
        if (spec.align == '\0') {
            spec.align = '=';
            spec.fill = "0";
        }
        ++at;
    }
    spec.width = take_number(text, at);
    if (at < text.size() && (text[at] == ',' || text[at] == '_')) spec.group = text[at++];
    if (at < text.size() && text[at] == '.') {
        const std::size_t digits = ++at;
        spec.precision = take_number(text, at);
        if (at == digits) raise("Format specifier missing precision");
    }
    if (at < text.size()) spec.type = text[at++];
    if (at != text.size()) raise("expected a format specifier, saw {}", quoted(text));
    return spec;
}

std::string pad(std::string_view body, std::string_view sign, const Spec& spec, char default_align) {
    const auto used = static_cast<int>(text_length(body) + text_length(sign));
    const int gap = std::max(spec.width - used, 0);
    const char align = spec.align == '\0' ? default_align : spec.align;
    const auto fill = [&](int n) {
        std::string out;
        for (int i = 0; i < n; ++i) out += spec.fill;
        return out;
    };
    const std::string whole = std::string(sign) + std::string(body);
    if (align == '<') return whole + fill(gap);
    if (align == '^') return fill(gap / 2) + whole + fill(gap - gap / 2);
    if (align == '=') return std::string(sign) + fill(gap) + std::string(body);
    return fill(gap) + whole;
}

std::string group_digits(std::string_view digits, char separator, std::size_t every) {
    const std::size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
    std::string out;
    for (std::size_t i = 0; i < whole; ++i) {
        if (i > 0 && (whole - i) % every == 0) out.push_back(separator);
        out.push_back(digits[i]);
    }
    return out + std::string(digits.substr(whole));
}

std::string sign_of(bool negative, char wanted) {
    return negative ? "-" : wanted == '+' ? "+" : wanted == ' ' ? " " : "";
}

char32_t character_of(std::int64_t value) {
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        raise("%c arg not in range(0x110000)");
    return static_cast<char32_t>(value);
}

std::string format_integer(const Value& value, const Spec& spec) {
    const char type = spec.type == '\0' || spec.type == 'n' ? 'd' : spec.type;
    const Value magnitude = integer_absolute(value);
    std::string digits, prefix;
    if (type == 'd') {
        digits = integer_digits(magnitude, 10);
    } else if (type == 'x' || type == 'X') {
        digits = integer_digits(magnitude, 16);
        prefix = type == 'x' ? "0x" : "0X";
        if (type == 'X') std::transform(digits.begin(), digits.end(), digits.begin(), ::toupper);
    } else if (type == 'o') {
        digits = integer_digits(magnitude, 8);
        prefix = "0o";
    } else if (type == 'b') {
        digits = integer_digits(magnitude, 2);
        prefix = "0b";
    } else if (type == 'c') {
        if (value.is_big()) raise("Python int too large to convert to C long");
        append_code_point(digits, character_of(value.integer()));
        return pad(digits, "", spec, '<');
    } else {
        raise("Unknown format code '{}' for object of type 'int'", type);
    }
    if (spec.precision >= 0) raise("Precision not allowed in integer format specifier");
    if (spec.group != '\0') digits = group_digits(digits, spec.group, type == 'd' ? 3 : 4);
    const std::string sign = sign_of(integer_is_negative(value), spec.sign);
    return pad(digits, sign + (spec.alternate ? prefix : ""), spec, '>');
}

std::string format_float(double value, const Spec& spec) {
    char type = spec.type;
    const bool negative = std::signbit(value) && !std::isnan(value);
    double magnitude = std::abs(value);
    std::string body, suffix;
    if (type == '%') {
        magnitude *= 100;
        suffix = "%";
        type = 'f';
    }
    if (std::isnan(value) || std::isinf(value)) {
        body = std::isnan(value) ? "nan" : "inf";
        if (type >= 'A' && type <= 'Z') std::transform(body.begin(), body.end(), body.begin(), ::toupper);
    } else if (type == '\0' && spec.precision < 0) {
        body = float_repr(magnitude);
    } else {
        const int precision = spec.precision < 0 ? 6 : spec.precision;
        switch (type) {
            case 'f':
            case 'F':
                body = fmt::format("{:.{}f}", magnitude, precision);
                break;
            case 'e':
                body = fmt::format("{:.{}e}", magnitude, precision);
                break;
            case 'E':
                body = fmt::format("{:.{}E}", magnitude, precision);
                break;
            case 'g':
            case 'n':
                body = fmt::format("{:.{}g}", magnitude, precision);
                break;
            case 'G':
                body = fmt::format("{:.{}G}", magnitude, precision);
                break;
            case '\0':  // as g, with at least one digit after the point
                body = fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
                if (body.find_first_of(".en") == std::string::npos) body += ".0";
                break;
            default:
                raise("Unknown format code '{}' for object of type 'float'", type);
        }
    }
    if (spec.group != '\0') body = group_digits(body, spec.group, 3);
    return pad(body + suffix, sign_of(negative, spec.sign), spec, '>');
}

bool is_float_type(char type) { return std::string_view("eEfFgG%").find(type) != std::string_view::npos; }

// The next argument of a % format: by name from a dict, or in order from a tuple or the one value.
class PercentArguments {
  public:
    explicit PercentArguments(const Value& value) : value_(value) {
        if (value.is_sequence() && value.sequence().kind == SequenceKind::tuple)
            items_ = value.sequence().items;
        else
            items_.push_back(value);
    }
    const Value& next() {
        if (at_ >= items_.size()) raise("not enough arguments for format string");
        return items_[at_++];
    }
    const Value& named(std::string_view name) {
        if (!value_.is_dict()) raise("format requires a mapping");
        at_ = items_.size();
        const Value* found = value_.dict().find(name);
        if (found == nullptr) raise("'{}'", name);
        return *found;
    }
    void finish() const {
        // Python leaves over what has items but is no tuple.
        const bool has_items =
            value_.is_dict() || (value_.is_sequence() && (value_.sequence().kind == SequenceKind::list ||
                                                          value_.sequence().kind == SequenceKind::range));
        if (at_ < items_.size() && !has_items) raise("not all arguments converted during string formatting");
    }

  private:
    const Value& value_;
    Values items_;
    std::size_t at_ = 0;
};

std::string percent_field(const Value& value, Spec spec, char type) {
    if (type == 's' || type == 'r' || type == 'a') {
        std::string text = type == 's' ? to_text(value) : repr(value);
        if (spec.precision >= 0) {
            const auto points = code_points(text);
            text.clear();
            for (std::size_t i = 0; i < points.size() && i < static_cast<std::size_t>(spec.precision); ++i)
                append_code_point(text, points[i]);
        }
        return pad(text, "", spec, '>');
    }
    if (type == 'c' && value.is_text()) return pad(value.text(), "", spec, '>');
    if (value.is_undefined() && (is_float_type(type) || type == 'd' || type == 'i' || type == 'u'))
        raise("{}", value.why_undefined());
    if (!value.is_number() && is_float_type(type)) raise("must be real number, not {}", type_name(value));
    if (!value.is_number()) raise("%{} format: a real number is required, not {}", type, type_name(value));
    if (is_float_type(type)) {
        spec.type = type;
        return format_float(value.number(), spec);
    }
    if (std::string_view("diuxXoc").find(type) == std::string_view::npos)
        raise("unsupported format character '{}'", type);
    spec.type = type == 'i' || type == 'u' ? 'd' : type;
    const Value number = value.is_float() ? integer_of_number(value.number()) : value;
    if (type == 'c' && number.is_big()) raise("%c arg not in range(0x110000)");
    const int precision = std::exchange(spec.precision, -1);
    if (precision < 0) return format_integer(number, spec);
    Spec digits = spec;  // a precision is the least number of digits
    digits.width = precision + (integer_is_negative(number) ? 1 : 0);
    digits.fill = "0";
    digits.align = '=';
    return pad(format_integer(number, digits), "", spec, '>');
}

}  // namespace

std::string format_spec(const Value& value, std::string_view text) {
    if (text.empty()) return to_text(value);
    Spec spec = parse_spec(text);
    if (value.is_text()) {
        if (spec.type != '\0' && spec.type != 's')
            raise("Unknown format code '{}' for object of type 'str'", spec.type);
        return percent_field(
            value,
            [&] {
                if (spec.align == '\0') spec.align = '<';
                return spec;
            }(),
            's');
    }
    if (value.is_float() || (value.is_number() && is_float_type(spec.type)))
        return format_float(value.number(), spec);
    if (value.is_number()) return format_integer(value, spec);
    raise("unsupported format string passed to {}.__format__", type_name(value));
}

namespace {
// A number that becomes a character could spell anything.
Author author_of_field(const Value& value, char type) {
    return type == 'c' ? Author::outside : author_of(value);
}
}  // namespace

QuotedText format_percent(Interpreter& interpreter, const Value& format_text, const Value& value) {
    const std::string_view format = format_text.text();
    PercentArguments arguments(value);
    QuotedText out;
    for (std::size_t at = 0; at < format.size();) {
        const std::size_t sign = std::min(format.find('%', at), format.size());
        append_part(out, format_text, at, sign);
        at = sign + 1;
        if (sign == format.size()) break;
        std::optional<std::string_view> name;
        if (at < format.size() && format[at] == '(') {
            const std::size_t close = format.find(')', at);
            if (close == std::string_view::npos) raise("incomplete format key");
            name = format.substr(at + 1, close - at - 1);
            at = close + 1;
        }
        Spec spec;
        for (; at < format.size(); ++at) {
            if (format[at] == '-')
                spec.align = '<';
            else if (format[at] == '+')
                spec.sign = '+';
            else if (format[at] == ' ')
                spec.sign = spec.sign == '+' ? '+' : ' ';
            else if (format[at] == '#')
                spec.alternate = true;
            else if (format[at] == '0')
                spec.fill = "0";
            else
                break;
        }
        const auto amount = [&] {
            if (at >= format.size() || format[at] != '*') return take_number(format, at);
            ++at;
            const std::int64_t n = as_integer(arguments.next(), "* of a format");
            if (n < 0 || n > kWidthMax)
                raise(Fault::out_of_range, 0, "expected a width up to {}, saw {}", kWidthMax, n);
            return static_cast<int>(n);
        };
        spec.width = amount();
        if (at < format.size() && format[at] == '.') {
            ++at;
            spec.precision = amount();
        }
        while (at < format.size() && (format[at] == 'l' || format[at] == 'h' || format[at] == 'L')) ++at;
        if (at >= format.size()) raise("incomplete format");
        const char type = format[at++];
        if (type == '%') {
            out.append("%");
            continue;
        }
        const bool numeric = type != 's' && type != 'r' && type != 'a' && type != 'c';
        if (spec.fill == "0") {
            if (!numeric || spec.align == '<')
                spec.fill = " ";
            else
                spec.align = '=';
        }
        const Value& field = name ? arguments.named(*name) : arguments.next();
        if (type == 's' && spec.width == 0 && spec.precision < 0)
            append_text(out, field);
        else
            out.append(percent_field(field, spec, type), author_of_field(field, type));
        interpreter.check_size(out.text.size());
    }
    arguments.finish();
    interpreter.charge(out.text.size());
    return out;
}

namespace {

// first.name[key]... of a replacement field.
Value lookup_field(Interpreter& interpreter, std::string_view field, const Arguments& arguments,
                   std::size_t& automatic) {
    const std::size_t end = std::min(field.find_first_of(".["), field.size());
    const std::string_view first = field.substr(0, end);
    Value value;
    std::size_t index = 0;
    const auto parsed = std::from_chars(first.data(), first.data() + first.size(), index);
    if (first.empty() || (parsed.ec == std::errc() && parsed.ptr == first.data() + first.size())) {
        if (first.empty()) index = automatic++;
        if (index >= arguments.positional.size())
            raise("Replacement index {} out of range for positional args tuple", index);
        value = arguments.positional[index];
    } else {
        const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                        [&](const auto& argument) { return argument.first == first; });
        if (found == arguments.named.end()) raise("'{}'", first);
        value = found->second;
    }
    for (std::string_view rest = field.substr(end); !rest.empty();) {
        if (rest[0] == '.') {
            const std::size_t stop = std::min(rest.find_first_of(".[", 1), rest.size());
            value = interpreter.attribute(value, rest.substr(1, stop - 1));
            rest = rest.substr(stop);
            continue;
        }
        const std::size_t close = rest.find(']');
        if (rest[0] != '[' || close == std::string_view::npos) raise("expected ']' before end of string");
        const std::string_view key = rest.substr(1, close - 1);
        std::int64_t number = 0;
        const auto key_parsed = std::from_chars(key.data(), key.data() + key.size(), number);
        const bool is_number =
            !key.empty() && key_parsed.ec == std::errc() && key_parsed.ptr == key.data() + key.size();
        value = interpreter.item(value, is_number ? Value(number) : Value(std::string(key)));
        rest = rest.substr(close + 1);
    }
    return value;
}

QuotedText braces(Interpreter& interpreter, const Value& format_text, const Arguments& arguments,
                  std::size_t& automatic, int depth) {
    const std::string_view format = format_text.text();
    if (depth > 2) raise("Max string recursion exceeded");
    QuotedText out;
    for (std::size_t at = 0; at < format.size();) {
        const std::size_t brace = std::min(format.find_first_of("{}", at), format.size());
        append_part(out, format_text, at, brace);
        if (brace == format.size()) break;
        const char c = format[brace];
        at = brace + 1;
        if (at < format.size() && format[at] == c) {
            append_part(out, format_text, at, at + 1);
            ++at;
            continue;
        }
        if (c == '}') raise("Single '}}' encountered in format string");
        int open = 1;
        std::size_t end = at;
        for (; end < format.size() && open > 0; ++end)
            open += format[end] == '{' ? 1 : format[end] == '}' ? -1 : 0;
        if (open > 0) raise("expected '}}' before end of string");
        std::string_view field = format.substr(at, end - 1 - at), spec;
        at = end;
        const std::size_t name_end = std::min(field.find_first_of("!:"), field.size());
        const std::string_view name = field.substr(0, name_end);
        std::string_view rest = field.substr(name_end);
        char conversion = '\0';
        if (rest.size() >= 2 && rest[0] == '!') {
            conversion = rest[1];
            rest = rest.substr(2);
        }
        if (!rest.empty() && rest[0] == ':') spec = rest.substr(1);
        Value value = lookup_field(interpreter, name, arguments, automatic);
        Author author = author_of(value);
        std::string inner_spec;
        if (!spec.empty()) {
            const Value inner(braces(interpreter, format_text.part(spec), arguments, automatic, depth + 1));
            inner_spec = inner.text();
            author = stricter(author, inner_spec.ends_with('c') ? Author::outside : inner.author());
        }
        if (conversion != '\0') {
            QuotedText converted;
            conversion == 's' ? append_text(converted, value) : append_repr(converted, value);
            value = Value(std::move(converted));
        }
        if (inner_spec.empty())
            append_text(out, value);
        else
            out.append(format_spec(value, inner_spec), author);
        interpreter.check_size(out.text.size());
    }
    return out;
}

}  // namespace

QuotedText format_braces(Interpreter& interpreter, const Value& format, const Arguments& arguments) {
    std::size_t automatic = 0;
    QuotedText out = braces(interpreter, format, arguments, automatic, 1);
    interpreter.charge(out.text.size());
    return out;
}

}  // namespace hearth::text::jinja
