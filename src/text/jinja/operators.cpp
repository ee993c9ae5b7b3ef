// text/jinja/operators.cpp - Python's operators on the values of value.h; integers alone are integer.cpp's.
#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

std::string_view spelling(Op op) {
    switch (op) {
        case Op::add:
            return "+";
        case Op::sub:
            return "-";
        case Op::mul:
            return "*";
        case Op::div:
            return "/";
        case Op::floordiv:
            return "//";
        case Op::mod:
            return "%";
        default:
            return "** or pow()";
    }
}

Value float_arithmetic(Op op, double a, double b) {
    switch (op) {
        case Op::add:
            return Value(a + b);
        case Op::sub:
            return Value(a - b);
        case Op::mul:
            return Value(a * b);
        case Op::div:
            if (b == 0) raise("float division by zero");
            return Value(a / b);
        case Op::floordiv:
        case Op::mod: {
            if (b == 0) raise("float {}", op == Op::mod ? "modulo" : "floor division by zero");
            double rest = std::fmod(a, b);
            double quotient = (a - rest) / b;
            if (rest != 0 && (rest < 0) != (b < 0)) {
                rest += b;
                quotient -= 1;
            } else if (rest == 0) {
                rest = std::copysign(0.0, b);
            }
            if (op == Op::mod) return Value(rest);
            if (quotient == 0) return Value(std::copysign(0.0, a / b));
            const double floored = std::floor(quotient);
            return Value(quotient - floored > 0.5 ? floored + 1 : floored);
        }
        default: {
            if (a == 0 && b < 0) raise("0.0 cannot be raised to a negative power");
            if (a < 0 && std::floor(b) != b) raise("expected a real number, saw a root of a negative one");
            const double result = std::pow(a, b);
            if (std::isinf(result) && !std::isinf(a) && !std::isinf(b))
                raise("(34, 'Numerical result out of range')");
            return Value(result);
        }
    }
}

Value repeat(Interpreter& interpreter, const Value& what, std::int64_t times) {
    const auto n = static_cast<std::uint64_t>(std::max<std::int64_t>(times, 0));
    const std::uint64_t size = what.is_text() ? what.text().size() : what.sequence().items.size();
    std::uint64_t total = 0;
    if (__builtin_mul_overflow(size, n, &total)) interpreter.check_size(UINT64_MAX);
    if (what.is_text()) {
        interpreter.check_size(total);
        interpreter.charge(total);
        QuotedText out;
        out.text.reserve(total);
        for (std::uint64_t i = 0; i < n && size > 0; ++i) append_text(out, what);
        return Value(std::move(out), what.is_markup());
    }
    interpreter.check_size(total > UINT64_MAX / sizeof(Value) ? UINT64_MAX : total * sizeof(Value));
    interpreter.charge(total * sizeof(Value));
    Values items;
    items.reserve(total);
    for (std::uint64_t i = 0; i < n && size > 0; ++i)
        items.insert(items.end(), what.sequence().items.begin(), what.sequence().items.end());
    return Value::sequence(what.sequence().kind, std::move(items));
}

bool is_list_or_tuple(const Value& value) {
    return value.is_sequence() &&
           (value.sequence().kind == SequenceKind::list || value.sequence().kind == SequenceKind::tuple);
}

Value add(Interpreter& interpreter, const Value& a, const Value& b) {
    if (a.is_text() && b.is_text()) {
        const bool markup = a.is_markup() || b.is_markup();
        interpreter.check_size(a.text().size() + b.text().size());
        interpreter.charge(a.text().size() + b.text().size());
        QuotedText out;
        out.text.reserve(a.text().size() + b.text().size());
        append_escaped(out, a, markup);
        append_escaped(out, b, markup);
        return Value(std::move(out), markup);
    }
    Values items = a.sequence().items;
    interpreter.charge((items.size() + b.sequence().items.size()) * sizeof(Value));
    items.insert(items.end(), b.sequence().items.begin(), b.sequence().items.end());
    return Value::sequence(a.sequence().kind, std::move(items));
}

}  // namespace

namespace {
std::int64_t index_of(const Value& value) {
    if (value.is_big()) raise("cannot fit 'int' into an index-sized integer");
    return value.integer();
}
std::string_view python_name(const Value& value) { return value.is_text() ? "str" : type_name(value); }
}  // namespace

Value binary(Interpreter& interpreter, Op op, const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) {
        if (a.is_float() || b.is_float()) return float_arithmetic(op, a.number(), b.number());
        return integer_arithmetic(interpreter, op, a, b);
    }
    if (a.is_undefined()) raise("{}", a.why_undefined());
    if (op == Op::mod && a.is_text()) return Value(format_percent(interpreter, a, b), a.is_markup());
    if (b.is_undefined()) raise("{}", b.why_undefined());
    if (op == Op::add) {
        const bool lists =
            is_list_or_tuple(a) && is_list_or_tuple(b) && a.sequence().kind == b.sequence().kind;
        if (lists || (a.is_text() && b.is_text())) return add(interpreter, a, b);
    }
    if (op == Op::mul) {
        const auto repeats = [](const Value& x, const Value& n) {
            return (x.is_text() || is_list_or_tuple(x)) && (n.is_integer() || n.is_boolean());
        };
        if (repeats(a, b)) return repeat(interpreter, a, index_of(b));
        if (repeats(b, a)) return repeat(interpreter, b, index_of(a));
    }
    if (op == Op::add && (a.is_text() || is_list_or_tuple(a)))
        raise("can only concatenate {} (not \"{}\") to {}", python_name(a), type_name(b), python_name(a));
    if (op == Op::mul && (a.is_text() || is_list_or_tuple(a)))
        raise("can't multiply sequence by non-int of type '{}'", type_name(b));
    if (op == Op::mul && (b.is_text() || is_list_or_tuple(b)))
        raise("can't multiply sequence by non-int of type '{}'", type_name(a));
    raise("unsupported operand type(s) for {}: '{}' and '{}'", spelling(op), type_name(a), type_name(b));
}

Value negate(const Value& value) {
    if (value.is_float()) return Value(-value.number());
    if (value.is_number()) return integer_negated(value);
    if (value.is_undefined()) raise("{}", value.why_undefined());
    raise("bad operand type for unary -: '{}'", type_name(value));
}

bool contains(const Value& container, const Value& item) {
    if (container.is_text()) {
        if (!item.is_text()) raise("'in <string>' requires string as left operand, not {}", type_name(item));
        return container.text().find(item.text()) != std::string::npos;
    }
    if (container.is_dict()) {
        ValueHash{}(item);  // an empty dict too refuses what cannot be a key
        return container.dict().find(item) != nullptr;
    }
    if (container.is_undefined()) return false;
    if (!container.is_sequence()) raise("argument of type '{}' is not iterable", type_name(container));
    if (container.sequence().kind == SequenceKind::generator) {  // read as far as the item
        while (const auto other = take_next(container.sequence()))
            if (equal(item, *other)) return true;
        return false;
    }
    const Values items = iterate(container);
    return std::any_of(items.begin(), items.end(), [&](const Value& other) { return equal(item, other); });
}

namespace {

struct Bounds {
    std::int64_t start, stop, step;
};

// Python's slice.indices.
Bounds slice_bounds(std::int64_t length, const Value& start, const Value& stop, const Value& step) {
    const auto given = [](const Value& v) { return !v.is_none(); };
    const auto number = integer_clamped;
    const std::int64_t by = given(step) ? number(step) : 1;
    if (by == 0) raise("slice step cannot be zero");
    const std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? length - 1 : length;
    const auto clamp = [&](const Value& v, std::int64_t fallback) {
        if (!given(v)) return fallback;
        std::int64_t at = number(v);
        if (at < 0) at = at < -length ? low : std::max(at + length, low);
        return std::min(at, high);
    };
    return {clamp(start, by < 0 ? high : low), clamp(stop, by < 0 ? low : high), by};
}

template <class Take>
void walk(const Bounds& bounds, Take&& take) {
    std::int64_t at = bounds.start;
    while (bounds.step > 0 ? at < bounds.stop : at > bounds.stop) {
        take(static_cast<std::size_t>(at));
        if (__builtin_add_overflow(at, bounds.step, &at)) break;
    }
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

namespace {
Value slice_text(const Value& container, const Value& start, const Value& stop, const Value& step) {
    const std::string_view text = container.text();
    std::vector<std::size_t> starts;  // of the characters, and the end; not needed in ASCII
    const bool ascii = is_ascii(text);
    for (std::size_t at = 0; !ascii && at < text.size(); at += read_code_point(text, at).bytes)
        starts.push_back(at);
    if (!ascii) starts.push_back(text.size());
    const auto byte = [&](std::int64_t i) {
        return ascii ? static_cast<std::size_t>(i) : starts[static_cast<std::size_t>(i)];
    };
    const auto size = static_cast<std::int64_t>(ascii ? text.size() : starts.size() - 1);
    const Bounds bounds = slice_bounds(size, start, stop, step);
    if (bounds.step == 1) {
        const std::size_t first = byte(bounds.start), last = byte(std::max(bounds.start, bounds.stop));
        return container.part(text.substr(first, last - first));
    }
    QuotedText out;
    walk(bounds, [&](std::size_t i) {
        const auto at = static_cast<std::int64_t>(i);
        append_part(out, container, byte(at), byte(at + 1));
    });
    return Value(std::move(out), container.is_markup());
}
}  // namespace

Value slice(Interpreter& interpreter, const Value& container, const Value& start, const Value& stop,
            const Value& step) {
    if (container.is_undefined()) raise("{}", container.why_undefined());
    const bool sliceable = container.is_text() ||
                           (container.is_sequence() && (is_list_or_tuple(container) ||
                                                        container.sequence().kind == SequenceKind::range));
    if (container.is_dict()) raise("unhashable type: 'slice'");
    if (!sliceable) raise("'{}' object is not subscriptable", type_name(container));
    if (step.is_number() && !step.is_float() && equal(step, Value(std::int64_t{0})))
        raise("slice step cannot be zero");
    for (const Value* bound : {&step, &start, &stop})
        if (!bound->is_none() && !bound->is_integer() && !bound->is_boolean())
            raise("slice indices must be integers or None or have an __index__ method");
    if (container.is_text()) {
        const std::string& text = container.text();
        interpreter.charge(text.size());
        return slice_text(container, start, stop, step);
    }
    const Values& items = container.sequence().items;
    interpreter.charge(items.size() * sizeof(Value));
    Values out;
    const Bounds bounds = slice_bounds(static_cast<std::int64_t>(items.size()), start, stop, step);
    walk(bounds, [&](std::size_t at) { out.push_back(items[at]); });
    const Sequence& from = container.sequence();
    Value part = Value::sequence(from.kind, std::move(out));
    if (from.kind == SequenceKind::range) {
        const auto at = [&](std::int64_t index) {
            const Value steps = integer_arithmetic(interpreter, Op::mul, Value(index), from.range->step);
            return integer_arithmetic(interpreter, Op::add, from.range->start, steps);
        };
        const Value by = step.is_none() ? Value(std::int64_t{1}) : step;
        part.sequence().range = std::make_shared<const RangeBounds>(
            RangeBounds{at(bounds.start), at(bounds.stop),
                        integer_arithmetic(interpreter, Op::mul, from.range->step, by)});
    }
    return part;
}

std::optional<Value> element(const Value& container, std::int64_t index) {
    const auto size = container.is_text() ? text_length(container.text())
                                          : static_cast<std::int64_t>(container.sequence().items.size());
    if (index < 0) index += size;
    if (index < 0 || index >= size) return std::nullopt;
    if (!container.is_text()) return container.sequence().items[static_cast<std::size_t>(index)];
    const std::string& text = container.text();
    std::size_t at = 0;
    if (static_cast<std::int64_t>(text.size()) == size) {
        at = static_cast<std::size_t>(index);
    } else {
        for (; index > 0; --index) at += read_code_point(text, at).bytes;
    }
    return container.part(std::string_view(text).substr(at, read_code_point(text, at).bytes));
}

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '\'':
                out += "&#39;";
                break;
            case '"':
                out += "&#34;";
                break;
            default:
                out.push_back(c);
        }
    }
    return out;
}

void append_escaped(QuotedText& out, const Value& value, bool escape) {
    if (!escape || value.is_markup()) return append_text(out, value);
    QuotedText plain;
    append_text(plain, value);
    append_text(out, map_text(Value(std::move(plain)), escape_html));
}

}  // namespace hearth::text::jinja
