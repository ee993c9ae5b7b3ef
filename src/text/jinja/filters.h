// text/jinja/filters.h - the filters and tests that templates name.
#pragma once

#include "text/jinja/interpreter.h"
#include "text/jinja/objects.h"

namespace hearth::text::jinja {

using FilterFunction = Value (*)(Interpreter&, const Value& value, const Arguments& arguments);
using TestFunction = bool (*)(Interpreter&, const Value& value, const Arguments& arguments);

// Null when there is none of that name.
FilterFunction find_filter(std::string_view name);
TestFunction find_test(std::string_view name);

// Python's float(text), spaces around it and underscores included.
std::optional<double> parse_float(std::string_view text);

// The tables that find_filter looks through, one a source file.
using FilterEntry = std::pair<std::string_view, FilterFunction>;
std::span<const FilterEntry> text_filters();
std::span<const FilterEntry> sequence_filters();
std::span<const FilterEntry> value_filters();

// json.dumps as `transformers` gives it to templates.
Value to_json_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments);
Value pprint_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments);
Value urlize_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments);

}  // namespace hearth::text::jinja
