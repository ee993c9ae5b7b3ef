// text/jinja/integer.h - Python's integers: 64 bits where they suffice, beyond that as many as it takes, up
// to a bound. Every function here takes booleans as integers.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/interpreter.h"

namespace hearth::text::jinja {

// Longer ones are an error. Products of this size take milliseconds.
inline constexpr std::uint64_t kTemplateIntegerBitsMax = 1u << 20;

// a op b for + - * / // % **. Throws TemplateError for division by zero and beyond kTemplateIntegerBitsMax.
Value integer_arithmetic(Interpreter& interpreter, Op op, const Value& a, const Value& b);
Value integer_negated(const Value& value);
Value integer_absolute(const Value& value);
// Python's round(value, ndigits): to a power of ten, halves to even.
Value integer_rounded(Interpreter& interpreter, const Value& value, std::int64_t n_digits);

// Numbers of both kinds, exactly: 2**53 + 1 is greater than 2.0**53. NaN compares as 0 and equals nothing.
int compare_numbers(const Value& a, const Value& b);
bool numbers_equal(const Value& a, const Value& b);
std::size_t number_hash(const Value& value);  // the same for numbers that are equal

// Without a sign, in base 2, 8, 10 or 16 (in lower case).
std::string integer_digits(const Value& magnitude, int base);
std::string integer_text(const Value& value);  // decimal, with its sign
bool integer_is_negative(const Value& value);

// Decimal digits that Python reads and prints: sys.int_info.default_max_str_digits of CPython 3.11.
inline constexpr std::size_t kIntegerDigitsMax = 4300;
// Digits of the base alone, no sign; nothing when one is not, or when they are more than Python reads.
std::optional<Value> integer_of_digits(std::string_view digits, int base, bool negative = false);
// The whole part. Throws TemplateError for infinities and NaN.
Value integer_of_number(double value);
Value integer_of_unsigned(std::uint64_t value);
// numerator and denominator of a finite number, in lowest terms.
std::pair<Value, Value> integer_ratio(double value);

std::int64_t integer_bit_length(const Value& value);
std::int64_t integer_bit_count(const Value& value);  // ones of the magnitude
// The nearest value of 64 bits: for bounds that everything beyond counts as.
std::int64_t integer_clamped(const Value& value);
// The same for an argument, which may be something else. Throws TemplateError naming `what`.
std::int64_t clamped_integer(const Value& value, std::string_view what);

}  // namespace hearth::text::jinja
