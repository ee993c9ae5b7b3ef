// text/jinja/integer.cpp - see integer.h. The long ones are Boost's; they are seen by this file alone.
#include "text/jinja/integer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "text/jinja/error.h"

namespace hearth::text::jinja {

using Long = boost::multiprecision::cpp_int;

struct BigInteger {
    Long value;  // never one that 64 bits hold
};

namespace {

constexpr std::size_t kPrintedBitsMax = 14285;  // of the largest integer of kIntegerDigitsMax digits

std::uint64_t bits_of(const Long& value) {
    return value.is_zero() ? 0 : boost::multiprecision::msb(boost::multiprecision::abs(value)) + 1;
}
std::uint64_t limbs_of(const Long& value) { return bits_of(value) / 64 + 1; }

[[noreturn]] void too_large() {
    raise(Fault::out_of_range, 0, "expected integers of at most {} bits, saw a larger one",
          kTemplateIntegerBitsMax);
}

Long long_of(const Value& value) { return value.is_big() ? value.big().value : Long(value.integer()); }

Value value_of(Long value) {
    static const Long kLow = std::numeric_limits<std::int64_t>::min();
    static const Long kHigh = std::numeric_limits<std::int64_t>::max();
    if (value >= kLow && value <= kHigh) return Value(static_cast<std::int64_t>(value));
    if (bits_of(value) > kTemplateIntegerBitsMax) too_large();
    return Value(std::make_shared<const BigInteger>(BigInteger{std::move(value)}));
}

// magnitude * 2^exponent (and a little more, when `more`), rounded to the nearest double, halves to even.
double nearest_double(const Long& magnitude, std::int64_t exponent, bool more) {
    if (magnitude.is_zero()) return 0;
    const auto bits = static_cast<std::int64_t>(bits_of(magnitude));
    const std::int64_t top = bits + exponent;  // the value lies below 2^top
    if (top > 1024) return HUGE_VAL;
    if (top < -1080) return 0;
    const std::int64_t precision = top > -1021 ? 53 : std::max<std::int64_t>(53 - (-1021 - top), 0);
    const std::int64_t dropped = bits - precision;
    if (dropped <= 0)
        return std::ldexp(static_cast<double>(static_cast<std::uint64_t>(magnitude)),
                          static_cast<int>(exponent));
    auto kept = static_cast<std::uint64_t>(Long(magnitude >> static_cast<unsigned>(dropped)));
    const bool half = boost::multiprecision::bit_test(magnitude, static_cast<unsigned>(dropped - 1));
    const bool below =
        more || boost::multiprecision::lsb(magnitude) < static_cast<std::uint64_t>(dropped - 1);
    if (half && (below || (kept & 1) != 0)) ++kept;
    return std::ldexp(static_cast<double>(kept), static_cast<int>(exponent + dropped));
}

Long whole_part(double value) {
    int exponent = 0;
    const double fraction = std::frexp(std::trunc(value), &exponent);
    const Long scaled = static_cast<std::int64_t>(std::ldexp(fraction, 53));
    if (exponent >= 53) return scaled << static_cast<unsigned>(exponent - 53);
    return Long(static_cast<std::int64_t>(std::trunc(value)));
}

Value true_quotient(const Long& a, const Long& b) {
    if (b.is_zero()) raise("division by zero");
    const Long n = boost::multiprecision::abs(a), d = boost::multiprecision::abs(b);
    // At least 64 bits of quotient, and whether anything is left.
    const std::int64_t shift =
        66 - (static_cast<std::int64_t>(bits_of(n)) - static_cast<std::int64_t>(bits_of(d)));
    Long quotient, rest;
    if (shift >= 0)
        boost::multiprecision::divide_qr(Long(n << static_cast<unsigned>(shift)), d, quotient, rest);
    else
        boost::multiprecision::divide_qr(n, Long(d << static_cast<unsigned>(-shift)), quotient, rest);
    const double result = nearest_double(quotient, -shift, !rest.is_zero());
    if (std::isinf(result)) raise("integer division result too large for a float");
    return Value((a < 0) != (b < 0) ? -result : result);
}

// Python's // and %: the rest has the divisor's sign.
std::pair<Long, Long> floor_division(const Long& a, const Long& b) {
    Long quotient, rest;
    boost::multiprecision::divide_qr(a, b, quotient, rest);
    if (!rest.is_zero() && (rest < 0) != (b < 0)) {
        --quotient;
        rest += b;
    }
    return {std::move(quotient), std::move(rest)};
}

Value power(Interpreter& interpreter, const Value& base, const Value& exponent) {
    if (integer_is_negative(exponent)) {
        if (!base.is_big() && base.integer() == 0) raise("0.0 cannot be raised to a negative power");
        return Value(std::pow(base.number(), exponent.number()));
    }
    if (!base.is_big() && base.integer() >= -1 && base.integer() <= 1) {
        const bool odd = exponent.is_big() ? boost::multiprecision::bit_test(exponent.big().value, 0)
                                           : (exponent.integer() & 1) != 0;
        const bool zeroth = !exponent.is_big() && exponent.integer() == 0;
        if (zeroth) return Value(std::int64_t{1});
        return Value(base.integer() == -1 && !odd ? std::int64_t{1} : base.integer());
    }
    const Long from = long_of(base);
    // At least (bits - 1) * exponent bits, known before any work.
    const std::uint64_t bits = bits_of(from);
    if (exponent.is_big() ||
        static_cast<std::uint64_t>(exponent.integer()) > kTemplateIntegerBitsMax / (bits - 1))
        too_large();
    const std::uint64_t limbs = bits * static_cast<std::uint64_t>(exponent.integer()) / 64 + 1;
    interpreter.step(limbs * limbs / 8);
    return value_of(boost::multiprecision::pow(from, static_cast<unsigned>(exponent.integer())));
}

Value long_arithmetic(Interpreter& interpreter, Op op, const Value& left, const Value& right) {
    if (op == Op::pow) return power(interpreter, left, right);
    const Long a = long_of(left), b = long_of(right);
    const std::uint64_t limbs_a = limbs_of(a), limbs_b = limbs_of(b);
    interpreter.step(op == Op::add || op == Op::sub ? (limbs_a + limbs_b) / 8 : limbs_a * limbs_b / 8);
    switch (op) {
        case Op::add:
            return value_of(a + b);
        case Op::sub:
            return value_of(a - b);
        case Op::mul:
            return value_of(a * b);
        case Op::div:
            return true_quotient(a, b);
        default:
            if (b.is_zero()) raise("integer {} by zero", op == Op::mod ? "modulo" : "division or modulo");
            auto [quotient, rest] = floor_division(a, b);
            return value_of(op == Op::mod ? std::move(rest) : std::move(quotient));
    }
}

// Doubles hold these exactly.
bool is_exact(std::int64_t value) {
    constexpr std::int64_t kExact = std::int64_t{1} << 53;
    return value >= -kExact && value <= kExact;
}

// The result where 64 bits and one machine operation give it.
std::optional<Value> short_arithmetic(Op op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    switch (op) {
        case Op::add:
            if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
            return Value(result);
        case Op::sub:
            if (__builtin_sub_overflow(a, b, &result)) return std::nullopt;
            return Value(result);
        case Op::mul:
            if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
            return Value(result);
        case Op::div:
            if (b == 0 || !is_exact(a) || !is_exact(b)) return std::nullopt;
            return Value(static_cast<double>(a) / static_cast<double>(b));
        case Op::floordiv:
        case Op::mod: {
            if (b == 0 || b == -1) return std::nullopt;  // by -1 is the one quotient that can overflow
            const std::int64_t quotient = a / b, rest = a % b;
            const bool adjust = rest != 0 && (rest < 0) != (b < 0);
            if (op == Op::floordiv) return Value(quotient - (adjust ? 1 : 0));
            return Value(adjust ? rest + b : rest);
        }
        default:
            return std::nullopt;
    }
}

}  // namespace

Value integer_arithmetic(Interpreter& interpreter, Op op, const Value& a, const Value& b) {
    if (!a.is_big() && !b.is_big())
        if (auto result = short_arithmetic(op, a.integer(), b.integer())) return *std::move(result);
    return long_arithmetic(interpreter, op, a, b);
}

Value integer_negated(const Value& value) {
    if (!value.is_big() && value.integer() != std::numeric_limits<std::int64_t>::min())
        return Value(-value.integer());
    return value_of(-long_of(value));
}

Value integer_absolute(const Value& value) {
    if (integer_is_negative(value)) return integer_negated(value);
    return value.is_big() ? value : Value(value.integer());
}

Value integer_rounded(Interpreter& interpreter, const Value& value, std::int64_t n_digits) {
    if (n_digits >= 0) return value.is_big() ? value : Value(value.integer());
    // A power of ten of more than twice its bits (a digit has more than three): nothing is left.
    if (n_digits < -static_cast<std::int64_t>(kTemplateIntegerBitsMax)) return Value(std::int64_t{0});
    if (static_cast<std::uint64_t>(-n_digits) * 3 > bits_of(long_of(value)) + 1)
        return Value(std::int64_t{0});
    const Value unit = power(interpreter, Value(std::int64_t{10}), Value(-n_digits));
    const Long by = long_of(unit);
    auto [down, rest] = floor_division(long_of(value), by);
    const Long twice = rest * 2;
    if (twice > by || (twice == by && boost::multiprecision::bit_test(boost::multiprecision::abs(down), 0)))
        ++down;
    return value_of(down * by);
}

int compare_numbers(const Value& a, const Value& b) {
    if (!a.is_float() && !b.is_float()) {
        if (!a.is_big() && !b.is_big())
            return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
        if (!a.is_big()) return b.big().value < 0 ? 1 : -1;
        if (!b.is_big()) return a.big().value < 0 ? -1 : 1;
        return &a.big() == &b.big() ? 0 : a.big().value.compare(b.big().value);
    }
    if (!a.is_float()) return -compare_numbers(b, a);
    const double x = a.number();
    if (b.is_float() || (!b.is_big() && is_exact(b.integer()))) {
        const double y = b.number();
        return x < y ? -1 : x > y ? 1 : 0;
    }
    if (std::isnan(x)) return 0;
    if (std::isinf(x)) return x > 0 ? 1 : -1;
    const int order = whole_part(x).compare(long_of(b));
    if (order != 0) return order < 0 ? -1 : 1;
    const double rest = x - std::trunc(x);
    return rest < 0 ? -1 : rest > 0 ? 1 : 0;
}

bool numbers_equal(const Value& a, const Value& b) {
    if ((a.is_float() && std::isnan(a.number())) || (b.is_float() && std::isnan(b.number()))) return false;
    return compare_numbers(a, b) == 0;
}

std::size_t number_hash(const Value& value) {
    if (value.is_big())
        return std::hash<double>()(nearest_double(boost::multiprecision::abs(value.big().value), 0, false));
    if (!value.is_float()) return std::hash<std::int64_t>()(value.integer());
    const double number = value.number();
    if (std::floor(number) == number && std::abs(number) < 0x1p63)
        return std::hash<std::int64_t>()(static_cast<std::int64_t>(number));
    return std::hash<double>()(std::abs(number));
}

std::string integer_digits(const Value& magnitude, int base) {
    if (!magnitude.is_big()) {
        std::array<char, 65> out{};
        const auto end = std::to_chars(out.data(), out.data() + out.size(), magnitude.integer(), base);
        return {out.data(), end.ptr};
    }
    const Long& value = magnitude.big().value;
    const auto refuse = [] {
        raise(
            "Exceeds the limit ({} digits) for integer string conversion; use sys.set_int_max_str_digits() "
            "to "
            "increase the limit",
            kIntegerDigitsMax);
    };
    if (base == 10) {
        if (bits_of(value) > kPrintedBitsMax) refuse();
        std::string digits = value.str();
        if (digits.size() > kIntegerDigitsMax) refuse();
        return digits;
    }
    if (base != 2) {
        std::string digits = value.str(0, base == 8 ? std::ios_base::oct : std::ios_base::hex);
        std::transform(digits.begin(), digits.end(), digits.begin(), ::tolower);
        return digits;
    }
    std::string digits;
    for (std::uint64_t bit = bits_of(value); bit > 0; --bit)
        digits.push_back(boost::multiprecision::bit_test(value, static_cast<unsigned>(bit - 1)) ? '1' : '0');
    return digits;
}

std::string integer_text(const Value& value) {
    if (!value.is_big()) return std::to_string(value.integer());
    return (integer_is_negative(value) ? "-" : "") + integer_digits(integer_absolute(value), 10);
}

bool integer_is_negative(const Value& value) {
    return value.is_big() ? value.big().value < 0 : value.integer() < 0;
}

std::optional<Value> integer_of_digits(std::string_view digits, int base, bool negative) {
    const auto digit = [base](char c) {
        const int value = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'z' ? c - 'a' + 10
                          : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                                 : 99;
        return value < base ? value : -1;
    };
    if (digits.empty() || std::any_of(digits.begin(), digits.end(), [&](char c) { return digit(c) < 0; }))
        return std::nullopt;
    std::uint64_t small = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), small, base);
    if (parsed.ec == std::errc() && small <= static_cast<std::uint64_t>(INT64_MAX)) {
        const auto value = static_cast<std::int64_t>(small);
        return Value(negative ? -value : value);
    }
    const bool by_bits = (base & (base - 1)) == 0;
    if (digits.size() > kIntegerDigitsMax && !by_bits) return std::nullopt;
    if (digits.size() > kTemplateIntegerBitsMax) too_large();
    Long value;
    if (by_bits) {  // in time that grows with the digits, not with their square
        const auto width = static_cast<unsigned>(std::countr_zero(static_cast<unsigned>(base)));
        std::uint64_t bit = digits.size() * width;
        value = Long(1) << static_cast<unsigned>(bit);  // makes room at once
        for (const char c : digits) {
            bit -= width;
            for (unsigned i = 0; i < width; ++i)
                if ((static_cast<unsigned>(digit(c)) >> i & 1) != 0)
                    boost::multiprecision::bit_set(value, static_cast<unsigned>(bit + i));
        }
        boost::multiprecision::bit_unset(value, static_cast<unsigned>(digits.size() * width));
    } else {
        for (const char c : digits) value = value * base + digit(c);
    }
    return value_of(negative ? Long(-value) : value);
}

Value integer_of_number(double value) {
    if (std::isnan(value)) raise("cannot convert float NaN to integer");
    if (std::isinf(value)) raise("cannot convert float infinity to integer");
    if (std::abs(value) < 0x1p63) return Value(static_cast<std::int64_t>(value));
    return value_of(whole_part(value));
}

Value integer_of_unsigned(std::uint64_t value) { return value_of(Long(value)); }

std::pair<Value, Value> integer_ratio(double value) {
    if (std::isnan(value)) raise("cannot convert NaN to integer ratio");
    if (std::isinf(value)) raise("cannot convert Infinity to integer ratio");
    int exponent = 0;
    const double fraction = std::frexp(value, &exponent);
    Long numerator = static_cast<std::int64_t>(std::ldexp(fraction, 53)), denominator = 1;
    if (numerator.is_zero()) return {Value(std::int64_t{0}), Value(std::int64_t{1})};
    exponent -= 53;
    const auto even = static_cast<int>(boost::multiprecision::lsb(boost::multiprecision::abs(numerator)));
    const int halves = exponent < 0 ? std::min(even, -exponent) : 0;
    numerator /= Long(1) << static_cast<unsigned>(halves);
    exponent += halves;
    if (exponent > 0)
        numerator <<= static_cast<unsigned>(exponent);
    else
        denominator <<= static_cast<unsigned>(-exponent);
    return {value_of(std::move(numerator)), value_of(std::move(denominator))};
}

std::int64_t integer_bit_length(const Value& value) {
    return static_cast<std::int64_t>(bits_of(long_of(value)));
}

std::int64_t integer_bit_count(const Value& value) {
    const Long magnitude = boost::multiprecision::abs(long_of(value));
    std::int64_t ones = 0;
    for (std::uint64_t bit = bits_of(magnitude); bit > 0; --bit)
        ones += boost::multiprecision::bit_test(magnitude, static_cast<unsigned>(bit - 1)) ? 1 : 0;
    return ones;
}

std::int64_t integer_clamped(const Value& value) {
    if (!value.is_big()) return value.integer();
    return integer_is_negative(value) ? std::numeric_limits<std::int64_t>::min()
                                      : std::numeric_limits<std::int64_t>::max();
}

std::int64_t clamped_integer(const Value& value, std::string_view what) {
    return value.is_big() ? integer_clamped(value) : as_integer(value, what);
}

double Value::number() const {
    if (is_float()) return std::get<double>(data_);
    if (!is_big()) return static_cast<double>(integer());
    const double result = nearest_double(boost::multiprecision::abs(big().value), 0, false);
    if (std::isinf(result)) raise("int too large to convert to float");
    return big().value < 0 ? -result : result;
}

}  // namespace hearth::text::jinja
