// text/jinja/evaluate.cpp - the interpreter's expressions.
#include <algorithm>

#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/quote.h"

namespace hearth::text::jinja {

Value Interpreter::evaluate(const Expression& e, const ScopePtr& scope) {
    step();
    check_stack();
    switch (e.kind) {
        case ExpressionKind::constant:
            return e.constant;
        case ExpressionKind::name:
            return evaluate_name(e, scope);
        case ExpressionKind::tuple:
            return Value::tuple(evaluate_all(e.items, scope));
        case ExpressionKind::list:
            return Value::list(evaluate_all(e.items, scope));
        case ExpressionKind::dict:
            return evaluate_dict(e, scope);
        case ExpressionKind::attribute:
            return attribute(evaluate(*e.items[0], scope), e.name);
        case ExpressionKind::subscript:
            if (e.items[1]->kind == ExpressionKind::slice) return evaluate_slice(e, scope);
            {
                const Value container = evaluate(*e.items[0], scope);
                return item(container, evaluate(*e.items[1], scope));
            }
        case ExpressionKind::call:
            return evaluate_call(e, scope);
        case ExpressionKind::filter:
            return apply_filters(&e, Value(), scope);
        case ExpressionKind::test: {
            const Value value = evaluate(*e.items[0], scope);
            return Value(test(e.name, value, evaluate_arguments(e.arguments, scope)));
        }
        case ExpressionKind::unary:
            return evaluate_unary(e, scope);
        case ExpressionKind::binary: {
            const Value left = evaluate(*e.items[0], scope);
            return binary(*this, e.op, left, evaluate(*e.items[1], scope));
        }
        case ExpressionKind::logical_and: {
            Value left = evaluate(*e.items[0], scope);
            return truthy(left) ? evaluate(*e.items[1], scope) : left;
        }
        case ExpressionKind::logical_or: {
            Value left = evaluate(*e.items[0], scope);
            return truthy(left) ? left : evaluate(*e.items[1], scope);
        }
        case ExpressionKind::compare:
            return evaluate_compare(e, scope);
        case ExpressionKind::concat:
            return evaluate_concat(e, scope);
        case ExpressionKind::conditional:
            if (truthy(evaluate(*e.items[0], scope))) return evaluate(*e.items[1], scope);
            if (e.items[2]) return evaluate(*e.items[2], scope);
            return Value::undefined(fmt::format(
                "the inline if-expression on line {} evaluated to false and no else section was defined.",
                e.line));
        case ExpressionKind::slice:
            raise("expected an index, saw a slice among others");
        case ExpressionKind::ns_target:
            break;
    }
    raise(Fault::internal, e.line, "expected an expression, saw an assignment target");
}

Value Interpreter::evaluate_name(const Expression& e, const ScopePtr& scope) {
    if (const Value* found = scope->find(e.name)) return *found;
    return Value::undefined(fmt::format("'{}' is undefined", e.name));
}

Values Interpreter::evaluate_all(const std::vector<ExpressionPtr>& items, const ScopePtr& scope) {
    Values values;
    values.reserve(items.size());
    for (const ExpressionPtr& item : items) values.push_back(evaluate(*item, scope));
    return values;
}

Value Interpreter::evaluate_dict(const Expression& e, const ScopePtr& scope) {
    auto dict = std::make_shared<Dict>();
    for (std::size_t i = 0; i + 1 < e.items.size(); i += 2) {
        Value key = evaluate(*e.items[i], scope);
        dict->set(std::move(key), evaluate(*e.items[i + 1], scope));
    }
    return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Value Interpreter::evaluate_slice(const Expression& e, const ScopePtr& scope) {
    const Value container = evaluate(*e.items[0], scope);
    const auto bound = [&](std::size_t i) {
        const ExpressionPtr& part = e.items[1]->items[i];
        return part ? evaluate(*part, scope) : Value::none();
    };
    const Value start = bound(0), stop = bound(1), by = bound(2);
    return slice(*this, container, start, stop, by);
}

Value Interpreter::evaluate_unary(const Expression& e, const ScopePtr& scope) {
    const Value value = evaluate(*e.items[0], scope);
    if (e.op == Op::not_) return Value(!truthy(value));
    if (e.op == Op::neg) return negate(value);
    if (value.is_boolean()) return Value(value.integer());
    if (value.is_number()) return value;
    if (value.is_undefined()) raise("{}", value.why_undefined());
    raise("bad operand type for unary +: '{}'", type_name(value));
}

namespace {
bool holds(Op op, const Value& a, const Value& b) {
    switch (op) {
        case Op::eq:
            return equal(a, b);
        case Op::ne:
            return !equal(a, b);
        case Op::in:
            return contains(b, a);
        case Op::not_in:
            return !contains(b, a);
        default:
            break;
    }
    // Against a number that is none, every order is false.
    const auto is_nan = [](const Value& v) { return v.is_float() && v.number() != v.number(); };
    const int order = compare(a, b, op == Op::lt ? "<" : op == Op::le ? "<=" : op == Op::gt ? ">" : ">=");
    if (is_nan(a) || is_nan(b)) return false;
    return op == Op::lt ? order < 0 : op == Op::le ? order <= 0 : op == Op::gt ? order > 0 : order >= 0;
}
}  // namespace

Value Interpreter::evaluate_compare(const Expression& e, const ScopePtr& scope) {
    Value left = evaluate(*e.items[0], scope);
    for (std::size_t i = 0; i < e.ops.size(); ++i) {
        Value right = evaluate(*e.items[i + 1], scope);
        if (left.is_text() && right.is_text()) charge(std::min(left.text().size(), right.text().size()));
        if (right.is_sequence()) charge(right.sequence().items.size() * sizeof(Value));
        if (!holds(e.ops[i], left, right)) return Value(false);
        left = std::move(right);
    }
    return Value(true);
}

Value Interpreter::evaluate_concat(const Expression& e, const ScopePtr& scope) {
    const Values values = evaluate_all(e.items, scope);
    QuotedText out;
    for (const Value& value : values) {
        append_escaped(out, value, autoescape_);
        check_size(out.text.size());
    }
    charge(out.text.size());
    return Value(std::move(out), autoescape_);
}

Arguments Interpreter::evaluate_arguments(const std::vector<Argument>& arguments, const ScopePtr& scope) {
    Arguments out;
    const auto add_named = [&](std::string name, Value value) {
        for (const auto& other : out.named)
            if (other.first == name) raise("got multiple values for keyword argument '{}'", name);
        out.named.emplace_back(std::move(name), std::move(value));
    };
    for (const Argument& argument : arguments) {
        Value value = evaluate(*argument.value, scope);
        if (argument.stars == 1) {
            const bool iterable =
                value.is_text() || value.is_dict() || value.is_sequence() || value.is_undefined();
            if (!iterable) raise("Value after * must be an iterable, not {}", type_name(value));
            for (Value& item : iterate(value)) out.positional.push_back(std::move(item));
        } else if (argument.stars == 2) {
            if (value.is_undefined()) raise("{}", value.why_undefined());
            if (!value.is_dict()) raise("argument after ** must be a mapping, not {}", type_name(value));
            charge(value.dict().items.size() * value.dict().items.size());
            for (const auto& [key, item] : value.dict().items) {
                add_named(as_text(key, "keywords"), item);
                if (key.author() != Author::trusted) out.quoted_names.push_back(key);
            }
        } else if (!argument.name.empty()) {
            add_named(argument.name, std::move(value));
        } else {
            out.positional.push_back(std::move(value));
        }
    }
    return out;
}

Value Interpreter::evaluate_call(const Expression& e, const ScopePtr& scope) {
    const Value callee = evaluate(*e.items[0], scope);
    return call(callee, evaluate_arguments(e.arguments, scope));
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
    if (callee.is_undefined()) raise("{}", callee.why_undefined());
    if (!callee.is_object() || !callee.object()->callable())
        raise("'{}' object is not callable", type_name(callee));
    const std::shared_ptr<Object> object = callee.object();
    return object->call(*this, arguments);
}

// A chain of filters, innermost first. A chain over nothing begins with `value`: the body of a block.
Value Interpreter::apply_filters(const Expression* chain, Value value, const ScopePtr& scope) {
    if (chain == nullptr) return value;
    if (chain->kind != ExpressionKind::filter) return evaluate(*chain, scope);
    const Expression* inside = chain->items[0].get();
    if (inside != nullptr && inside->kind != ExpressionKind::filter)
        value = evaluate(*inside, scope);
    else
        value = apply_filters(inside, std::move(value), scope);
    step();
    return filter(chain->name, value, evaluate_arguments(chain->arguments, scope));
}

Value Interpreter::filter(const std::string& name, const Value& value, const Arguments& arguments) {
    const FilterFunction function = find_filter(name);
    if (function == nullptr) raise(Fault::usage, 0, "No filter named '{}' found.", name);
    return function(*this, value, arguments);
}

bool Interpreter::test(const std::string& name, const Value& value, const Arguments& arguments) {
    const TestFunction function = find_test(name);
    if (function == nullptr) raise(Fault::usage, 0, "No test named '{}' found.", name);
    return function(*this, value, arguments);
}

namespace {

// What every object of Python has, and the sandbox hides.
bool is_python_internal(std::string_view name) {
    static constexpr std::string_view kNames[] = {
        "__class__",     "__delattr__", "__dir__",          "__doc__",    "__eq__",   "__format__",
        "__ge__",        "__gt__",      "__getattribute__", "__hash__",   "__init__", "__init_subclass__",
        "__le__",        "__len__",     "__lt__",           "__ne__",     "__new__",  "__reduce__",
        "__reduce_ex__", "__repr__",    "__setattr__",      "__sizeof__", "__str__",  "__subclasshook__"};
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Python's attribute: a method, or what an object has. Nothing when there is none.
std::optional<Value> python_attribute(const Value& object, std::string_view name) {
    if (name.starts_with('_')) {
        if (!is_python_internal(name)) return std::nullopt;
        return Value::undefined(
            fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)));
    }
    if (object.is_object()) return object.object()->attribute(name);
    if (const Function::Body method = find_method(object, name))
        return Value(std::shared_ptr<Object>(std::make_shared<Function>(name, method, object)));
    if (object.is_number()) {
        const bool whole = !object.is_float();
        if (name == "real") return object.is_boolean() ? Value(object.integer()) : object;
        if (name == "imag") return whole ? Value(std::int64_t{0}) : Value(0.0);
        if (whole && name == "numerator") return object.is_boolean() ? Value(object.integer()) : object;
        if (whole && name == "denominator") return Value(std::int64_t{1});
    }
    if (object.is_sequence() && object.sequence().kind == SequenceKind::range) {
        const RangeBounds& range = *object.sequence().range;
        if (name == "start") return range.start;
        if (name == "stop") return range.stop;
        if (name == "step") return range.step;
    }
    if (object.is_sequence() && object.sequence().is_group && (name == "grouper" || name == "list"))
        return object.sequence().items[name == "list" ? 1 : 0];
    if (is_mutating_method(object, name))
        return Value::undefined(
            fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)));
    return std::nullopt;
}

// Python's subscript; nothing for what has no such element.
std::optional<Value> python_item(const Value& object, const Value& key) {
    if (object.is_dict()) {
        const bool is_key =
            !key.is_dict() && (!key.is_sequence() || key.sequence().kind == SequenceKind::tuple ||
                               key.sequence().kind == SequenceKind::range);
        if (!is_key) return std::nullopt;
        const Value* found = object.dict().find(key);
        return found == nullptr ? std::nullopt : std::optional(*found);
    }
    const bool indexed =
        object.is_text() || (object.is_sequence() && (object.sequence().kind == SequenceKind::list ||
                                                      object.sequence().kind == SequenceKind::tuple ||
                                                      object.sequence().kind == SequenceKind::range));
    if (!indexed || !(key.is_integer() || key.is_boolean())) return std::nullopt;
    if (key.is_big()) return std::nullopt;
    return element(object, key.integer());
}

Value missing(const Value& object, const std::string& name) {
    return Value::undefined(object.is_none()
                                ? fmt::format("'None' has no attribute '{}'", name)
                                : fmt::format("'{} object' has no attribute '{}'", type_name(object), name));
}

}  // namespace

Value Interpreter::attribute(const Value& object, std::string_view name) {
    if (object.is_undefined()) raise("{}", object.why_undefined());
    if (auto value = python_attribute(object, name)) return *value;
    if (object.is_dict())
        if (auto value = python_item(object, Value(std::string(name)))) return *value;
    return missing(object, std::string(name));
}

Value Interpreter::item(const Value& object, const Value& key) {
    if (object.is_undefined()) raise("{}", object.why_undefined());
    if (object.is_text()) charge(object.text().size() / 8);
    if (auto value = python_item(object, key)) return *value;
    if (key.is_text())
        if (auto value = python_attribute(object, key.text())) return *value;
    if (key.is_text()) return missing(object, key.text());
    const std::string what = object.is_none() ? "None" : fmt::format("{} object", type_name(object));
    return Value::undefined(fmt::format("{} has no element {}", what, repr(key)));
}

}  // namespace hearth::text::jinja
