// text/jinja/operators.h - arithmetic, membership, subscripts and escaping of values.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/interpreter.h"

namespace hearth::text::jinja {

Value binary(Interpreter& interpreter, Op op, const Value& a, const Value& b);
Value negate(const Value& value);
bool contains(const Value& container, const Value& item);
// container[start:stop:step]; none or undefined bounds are open. Throws TemplateError for what has no slices.
Value slice(Interpreter& interpreter, const Value& container, const Value& start, const Value& stop,
            const Value& step);
// The element of a text or sequence at an index, negative from the end; nothing when out of range.
std::optional<Value> element(const Value& container, std::int64_t index);

std::string escape_html(std::string_view text);
// Text for output or joining: escaped unless it is markup, when `escape`.
void append_escaped(QuotedText& out, const Value& value, bool escape);

// text % arguments, with Python's printf rules.
QuotedText format_percent(Interpreter& interpreter, const Value& format, const Value& arguments);
// text.format(...), with fields, attributes and items of arguments, and format specs.
QuotedText format_braces(Interpreter& interpreter, const Value& format, const Arguments& arguments);
// One value by a format spec such as ">10.2f".
std::string format_spec(const Value& value, std::string_view spec);

}  // namespace hearth::text::jinja
