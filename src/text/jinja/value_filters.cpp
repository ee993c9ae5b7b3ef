// text/jinja/value_filters.cpp - Jinja2's filters for numbers and for any value, and the look-up of all
// filters.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json.h"
#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/integer.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_tools.h"

namespace hearth::text::jinja {
namespace {

Value default_value(Interpreter&, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "default", {"default_value", "boolean"});
    const bool replaced = value.is_undefined() || (b[1] && truthy(*b[1]) && !truthy(value));
    return !replaced ? value : b[0] ? *b[0] : Value("");
}

Value attr(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "attr", {"name"}, 1);
    const std::string& name = as_text(*b[0], "attr");
    if (value.is_dict() && find_method(value, name) == nullptr)  // a dict's keys are no attributes
        return Value::undefined(fmt::format("'dict object' has no attribute '{}'", name));
    return interpreter.attribute(value, name);
}

Value absolute(Interpreter&, const Value& value, const Arguments& arguments) {
    bind(arguments, "abs", {});
    if (value.is_float()) return Value(std::abs(value.number()));
    if (value.is_number()) return integer_absolute(value);
    if (value.is_undefined()) raise("{}", value.why_undefined());
    raise("bad operand type for abs(): '{}'", type_name(value));
}

// Python's int(text, base) and float(text): spaces around, underscores between digits.
std::optional<std::string> digits_of(std::string_view text) {
    const std::string stripped = with_ascii_digits(strip_text(text, std::nullopt, true, true));
    std::string out;
    for (std::size_t i = 0; i < stripped.size(); ++i) {
        if (stripped[i] != '_') {
            out.push_back(stripped[i]);
            continue;
        }
        const auto alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
        if (i == 0 || i + 1 == stripped.size() || !alnum(stripped[i - 1]) || !alnum(stripped[i + 1]))
            return std::nullopt;
    }
    return out;
}

std::optional<Value> parse_integer(std::string_view text, std::int64_t base) {
    auto digits = digits_of(text);
    if (!digits || (base != 0 && (base < 2 || base > 36))) return std::nullopt;
    bool negative = false;
    std::string_view rest = *digits;
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
        negative = rest[0] == '-';
        rest.remove_prefix(1);
    }
    const auto prefixed = [&](char letter) {
        return rest.size() > 2 && rest[0] == '0' && (rest[1] | 0x20) == letter;
    };
    for (const auto& [letter, value] : {std::pair('x', 16), std::pair('o', 8), std::pair('b', 2)}) {
        if (!prefixed(letter) || (base != value && base != 0)) continue;
        base = value;
        rest.remove_prefix(2);
        break;
    }
    if (base == 0) base = 10;
    return integer_of_digits(rest, static_cast<int>(base), negative);
}

}  // namespace

std::optional<double> parse_float(std::string_view text) {
    auto digits = digits_of(text);
    if (!digits) return std::nullopt;
    std::string_view rest = *digits;
    bool negative = false;
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
        negative = rest[0] == '-';
        rest.remove_prefix(1);
    }
    if (rest.empty() || rest[0] == '-' || rest[0] == '+') return std::nullopt;
    double value = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (parsed.ptr != rest.data() + rest.size()) return std::nullopt;
    if (parsed.ec == std::errc::result_out_of_range)
        value = rest.find("e-") != std::string_view::npos ? 0.0 : HUGE_VAL;
    return negative ? -value : value;
}

namespace {

Value to_int(Interpreter&, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "int", {"default", "base"});
    const Value fallback = b[0] ? *b[0] : Value(std::int64_t{0});
    std::optional<Value> result;
    if (value.is_text()) {
        result = parse_integer(value.text(), b[1] ? as_integer(*b[1], "int: base") : 10);
        if (!result)
            if (const auto number = parse_float(value.text()); number && std::isfinite(*number))
                result = integer_of_number(*number);
    } else if (value.is_float()) {
        if (!std::isnan(value.number())) result = integer_of_number(value.number());
    } else if (value.is_number()) {
        result = value.is_boolean() ? Value(value.integer()) : value;
    } else if (value.is_undefined()) {
        raise("{}", value.why_undefined());
    }
    return result ? *result : fallback;
}

Value to_float(Interpreter&, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "float", {"default"});
    if (value.is_number()) return Value(value.number());
    if (value.is_undefined()) raise("{}", value.why_undefined());
    if (value.is_text())
        if (const auto number = parse_float(value.text())) return Value(*number);
    return b[0] ? *b[0] : Value(0.0);
}

// Python's round: the decimal nearest to the exact binary value, halves to even.
double round_to(double value, std::int64_t precision) {
    if (std::isnan(value) || std::isinf(value) || precision > 323) return value;
    if (precision < -308) return std::copysign(0.0, value);
    if (precision >= 0) {
        const std::string text = fmt::format("{:.{}f}", value, precision);  // exact, as strtod and printf are
        double result = 0;
        std::from_chars(text.data(), text.data() + text.size(), result);
        return result;
    }
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    const double scaled = value / unit, floored = std::floor(scaled), rest = scaled - floored;
    const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(floored, 2.0) != 0);
    return (floored + (up ? 1 : 0)) * unit;
}

Value round(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "round", {"precision", "method"});
    const std::int64_t precision = b[0] ? clamped_integer(*b[0], "round: precision") : 0;
    const std::string method = b[1] ? as_text(*b[1], "round: method") : "common";
    if (method != "common" && method != "ceil" && method != "floor")
        raise("method must be common, ceil or floor");
    if (value.is_undefined()) raise("{}", value.why_undefined());
    const bool repeats =
        value.is_text() || (value.is_sequence() && (value.sequence().kind == SequenceKind::list ||
                                                    value.sequence().kind == SequenceKind::tuple));
    if (repeats && method != "common") raise("must be real number, not {}", type_name(value));
    if (!value.is_number() && method != "common")
        raise("unsupported operand type(s) for *: '{}' and 'int'", type_name(value));
    if (!value.is_number()) raise("type {} doesn't define __round__ method", type_name(value));
    if (method == "common") {
        if (value.is_float()) return Value(round_to(value.number(), precision));
        return integer_rounded(interpreter, value, precision);
    }
    const Value unit = binary(interpreter, Op::pow, Value(std::int64_t{10}), Value(precision));
    Value scaled = binary(interpreter, Op::mul, value, unit);
    if (scaled.is_float()) {
        const double number = scaled.number();
        scaled = integer_of_number(method == "ceil" ? std::ceil(number) : std::floor(number));
    }
    return binary(interpreter, Op::div, scaled, unit);
}

constexpr FilterEntry kFilters[] = {
    {"abs", absolute},   {"attr", attr},  {"d", default_value},      {"default", default_value},
    {"float", to_float}, {"int", to_int}, {"pprint", pprint_filter}, {"round", round},
};

}  // namespace

std::span<const FilterEntry> value_filters() { return kFilters; }

FilterFunction find_filter(std::string_view name) {
    for (const auto table : {value_filters(), text_filters(), sequence_filters()})
        for (const auto& [candidate, function] : table)
            if (candidate == name) return function;
    return nullptr;
}

}  // namespace hearth::text::jinja
