// text/jinja/tests.cpp - what `is` can ask: the tests of Jinja2 3.1.6.
#include <algorithm>

#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"

namespace hearth::text::jinja {
namespace {

using Ask = bool (*)(const Value&);

template <Ask kAsk>
bool plain(Interpreter&, const Value& value, const Arguments& arguments) {
    bind(arguments, "test", {});
    return kAsk(value);
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is_boolean(); }
bool is_true(const Value& v) { return v.is_boolean() && v.boolean(); }
bool is_false(const Value& v) { return v.is_boolean() && !v.boolean(); }
bool is_integer(const Value& v) { return v.is_integer(); }
bool is_float(const Value& v) { return v.is_float(); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.is_text(); }
bool is_mapping(const Value& v) { return v.is_dict(); }
bool is_escaped(const Value& v) { return v.is_markup(); }
bool is_callable(const Value& v) { return v.is_undefined() || (v.is_object() && v.object()->callable()); }
bool is_iterable(const Value& v) { return v.is_undefined() || v.is_text() || v.is_dict() || v.is_sequence(); }
bool is_sequence(const Value& v) {
    if (v.is_undefined() || v.is_text() || v.is_dict()) return true;
    return v.is_sequence() &&
           (v.sequence().kind == SequenceKind::list || v.sequence().kind == SequenceKind::tuple ||
            v.sequence().kind == SequenceKind::range);
}

Value modulo(Interpreter& interpreter, const Value& value, const Value& by) {
    return binary(interpreter, Op::mod, value, by);
}
template <int kRest>
bool parity(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "test", {});
    return equal(modulo(interpreter, value, Value(std::int64_t{2})), Value(std::int64_t{kRest}));
}
bool divisible(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "divisibleby", {"num"}, 1);
    return equal(modulo(interpreter, value, *b[0]), Value(std::int64_t{0}));
}

template <bool (*kHolds)(const Value&, const Value&)>
bool compares(Interpreter&, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "test", {"other"}, 1);
    return kHolds(value, *b[0]);
}
bool ne(const Value& a, const Value& b) { return !equal(a, b); }
bool lt(const Value& a, const Value& b) { return compare(a, b) < 0; }
bool le(const Value& a, const Value& b) { return compare(a, b, "<=") <= 0; }
bool gt(const Value& a, const Value& b) { return compare(a, b, ">") > 0; }
bool ge(const Value& a, const Value& b) { return compare(a, b, ">=") >= 0; }
bool in(const Value& a, const Value& b) { return contains(b, a); }
bool same(const Value& a, const Value& b) { return a.same_as(b); }

bool is_lower(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    return find_text_method("islower")(interpreter, Value(to_text(value)), arguments).boolean();
}
bool is_upper(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    return find_text_method("isupper")(interpreter, Value(to_text(value)), arguments).boolean();
}

bool is_filter(Interpreter&, const Value& value, const Arguments&) {
    ValueHash{}(value);  // must be able to be a key
    return value.is_text() && find_filter(value.text()) != nullptr;
}
bool is_test(Interpreter&, const Value& value, const Arguments&) {
    ValueHash{}(value);
    return value.is_text() && find_test(value.text()) != nullptr;
}

constexpr std::pair<std::string_view, TestFunction> kTests[] = {
    {"defined", plain<is_defined>},
    {"undefined", plain<is_undefined>},
    {"none", plain<is_none>},
    {"boolean", plain<is_boolean>},
    {"true", plain<is_true>},
    {"false", plain<is_false>},
    {"integer", plain<is_integer>},
    {"float", plain<is_float>},
    {"number", plain<is_number>},
    {"string", plain<is_string>},
    {"mapping", plain<is_mapping>},
    {"iterable", plain<is_iterable>},
    {"sequence", plain<is_sequence>},
    {"callable", plain<is_callable>},
    {"escaped", plain<is_escaped>},
    {"odd", parity<1>},
    {"even", parity<0>},
    {"divisibleby", divisible},
    {"lower", is_lower},
    {"upper", is_upper},
    {"filter", is_filter},
    {"test", is_test},
    {"sameas", compares<same>},
    {"in", compares<in>},
    {"==", compares<equal>},
    {"eq", compares<equal>},
    {"equalto", compares<equal>},
    {"!=", compares<ne>},
    {"ne", compares<ne>},
    {">", compares<gt>},
    {"gt", compares<gt>},
    {"greaterthan", compares<gt>},
    {">=", compares<ge>},
    {"ge", compares<ge>},
    {"<", compares<lt>},
    {"lt", compares<lt>},
    {"lessthan", compares<lt>},
    {"<=", compares<le>},
    {"le", compares<le>},
};

}  // namespace

TestFunction find_test(std::string_view name) {
    for (const auto& [candidate, function] : kTests)
        if (candidate == name) return function;
    return nullptr;
}

}  // namespace hearth::text::jinja
