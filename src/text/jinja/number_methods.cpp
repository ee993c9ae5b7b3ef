// text/jinja/number_methods.cpp - the methods of Python's int and float.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_tools.h"

namespace hearth::text::jinja {
namespace {

using Fn = Function::Body;

Value is_integer(Interpreter&, const Value& self, const Arguments&) {
    return Value(std::floor(self.number()) == self.number());
}
Value bit_length(Interpreter&, const Value& self, const Arguments& arguments) {
    bind(arguments, "bit_length", {});
    return Value(integer_bit_length(self));
}
Value bit_count(Interpreter&, const Value& self, const Arguments& arguments) {
    bind(arguments, "bit_count", {});
    return Value(integer_bit_count(self));
}
Value conjugate(Interpreter&, const Value& self, const Arguments& arguments) {
    bind(arguments, "conjugate", {});
    return self.is_boolean() ? Value(self.integer()) : self;
}
Value as_integer_ratio(Interpreter&, const Value& self, const Arguments& arguments) {
    bind(arguments, "as_integer_ratio", {});
    if (self.is_float()) {
        auto [numerator, denominator] = integer_ratio(self.number());
        return Value::tuple({std::move(numerator), std::move(denominator)});
    }
    return Value::tuple({self.is_boolean() ? Value(self.integer()) : self, Value(std::int64_t{1})});
}

// 0x1.8000000000000p+0: always 13 digits, subnormals with a 0 before the point.
Value hex(Interpreter&, const Value& self, const Arguments& arguments) {
    bind(arguments, "hex", {});
    const double value = self.number();
    if (!std::isfinite(value)) return Value(float_repr(value));
    const char* const sign = std::signbit(value) ? "-" : "";
    if (value == 0) return Value(fmt::format("{}0x0.0p+0", sign));
    int exponent = 0;
    const double mantissa = std::frexp(std::abs(value), &exponent);  // in [0.5, 1)
    const int shift = std::max(exponent - 1, -1022);
    const auto bits =
        static_cast<std::uint64_t>(std::ldexp(mantissa, 53 - 1 - shift + exponent));  // 1.xxx times 2^52
    return Value(fmt::format("{}0x{:x}.{:013x}p{:+d}", sign, bits >> 52,
                             bits & ((std::uint64_t{1} << 52) - 1), shift));
}

// Digits of base 16 with a point and an exponent of 2, as float.fromhex takes them. Nothing for other text.
std::optional<double> parse_hex(std::string_view text) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    std::string word(text);
    std::transform(word.begin(), word.end(), word.begin(), lower);
    if (word == "inf" || word == "infinity") return HUGE_VAL;
    if (word == "nan") return std::nan("");
    if (word.starts_with("0x")) word.erase(0, 2);
    const std::size_t p = std::min(word.find('p'), word.size());
    std::size_t digits = 0, points = 0;
    bool zero = true;
    for (const char c : std::string_view(word).substr(0, p)) {
        if (c == '.' && points++ == 0) continue;
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
        ++digits;
        zero = zero && c == '0';
    }
    std::string_view exponent = std::string_view(word).substr(std::min(p + 1, word.size()));
    const bool shrinks = exponent.starts_with('-');
    if (shrinks || exponent.starts_with('+')) exponent.remove_prefix(1);
    const bool whole =
        std::all_of(exponent.begin(), exponent.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits == 0 || !whole || (p < word.size() && exponent.empty())) return std::nullopt;
    if (zero) return 0.0;
    if (const std::size_t plus = word.find('+'); plus != std::string::npos) word.erase(plus, 1);
    double value = 0;
    const auto parsed =
        std::from_chars(word.data(), word.data() + word.size(), value, std::chars_format::hex);
    if (parsed.ec == std::errc::result_out_of_range) {
        if (!shrinks) raise("hexadecimal value too large to represent as a float");
        value = 0;
    }
    return value;
}

Value fromhex(Interpreter& interpreter, const Value&, const Arguments& arguments) {
    const Binding b = bind(arguments, "fromhex", {"string"}, 1);
    if (!b[0]->is_text()) raise("bad argument type for built-in operation");
    interpreter.charge(b[0]->text().size());
    std::string_view text = strip_text(b[0]->text(), std::string(" \t\n\v\f\r"), true, true);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    const auto value = parse_hex(text);
    if (!value) raise("invalid hexadecimal floating-point string");
    if (std::isinf(*value) && text.find_first_of("nN") == std::string_view::npos)
        raise("hexadecimal value too large to represent as a float");
    return Value(negative ? -*value : *value);
}

bool is_big_endian(const std::optional<Value>& order) {
    if (!order) return true;
    if (!order->is_text()) raise("from_bytes() argument 'byteorder' must be str, not {}", type_name(*order));
    if (order->text() != "big" && order->text() != "little")
        raise("byteorder must be either 'little' or 'big'");
    return order->text() == "big";
}

// There are no bytes here, but lists of their values do as well.
Value from_bytes(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "from_bytes", {"bytes", "byteorder", "signed"}, 1);
    const bool big = is_big_endian(b[1]);
    if (b[0]->is_text() || b[0]->is_number() || b[0]->is_none())
        raise("cannot convert '{}' object to bytes", type_name(*b[0]));
    Values bytes = iterate(*b[0]);
    if (bytes.size() > kTemplateIntegerBitsMax / 8)
        raise(Fault::out_of_range, 0, "from_bytes: expected at most {} bytes, saw {}",
              kTemplateIntegerBitsMax / 8, bytes.size());
    interpreter.charge(bytes.size() * sizeof(Value));
    if (!big) std::reverse(bytes.begin(), bytes.end());
    std::string digits = "0";
    for (const Value& byte : bytes) {
        if (!byte.is_integer() && !byte.is_boolean())
            raise("'{}' object cannot be interpreted as an integer", type_name(byte));
        if (byte.is_big() || byte.integer() < 0 || byte.integer() > 255)
            raise("bytes must be in range(0, 256)");
        digits += fmt::format("{:02x}", byte.integer());
    }
    const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
    Value value = *integer_of_digits(std::string_view(digits).substr(first), 16);
    if (b[2] && truthy(*b[2]) && !bytes.empty() && bytes[0].integer() >= 128) {
        const Value two(std::int64_t{2}), n_bits(static_cast<std::int64_t>(bytes.size() * 8));
        value = binary(interpreter, Op::sub, value, binary(interpreter, Op::pow, two, n_bits));
    }
    return self.is_boolean() ? Value(truthy(value)) : value;
}

Value to_bytes(Interpreter&, const Value&, const Arguments&) {
    raise(Fault::unsupported, 0, "to_bytes() is refused: it gives bytes, which templates here do not have");
}

using Table = std::pair<std::string_view, Fn>;
constexpr Table kFloatMethods[] = {{"as_integer_ratio", as_integer_ratio},
                                   {"conjugate", conjugate},
                                   {"fromhex", fromhex},
                                   {"hex", hex},
                                   {"is_integer", is_integer}};
constexpr Table kIntegerMethods[] = {{"as_integer_ratio", as_integer_ratio},
                                     {"bit_count", bit_count},
                                     {"bit_length", bit_length},
                                     {"conjugate", conjugate},
                                     {"from_bytes", from_bytes},
                                     {"to_bytes", to_bytes}};

}  // namespace

Fn find_number_method(bool is_float, std::string_view name) {
    const auto in = [&](const auto& table) -> Fn {
        const auto found = std::find_if(std::begin(table), std::end(table),
                                        [&](const Table& one) { return one.first == name; });
        return found == std::end(table) ? nullptr : found->second;
    };
    return is_float ? in(kFloatMethods) : in(kIntegerMethods);
}

}  // namespace hearth::text::jinja
