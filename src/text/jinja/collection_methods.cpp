// text/jinja/collection_methods.cpp - the methods of dict, list and tuple that change nothing.
#include <algorithm>

#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/jinja/objects.h"

namespace hearth::text::jinja {
namespace {

using Fn = Function::Body;

Value keys(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    bind(arguments, "keys", {});
    Values items = iterate(self);
    interpreter.charge(items.size() * sizeof(Value));
    return Value::sequence(SequenceKind::keys, std::move(items));
}
Value values(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    bind(arguments, "values", {});
    Values items;
    for (const auto& item : self.dict().items) items.push_back(item.second);
    interpreter.charge(items.size() * sizeof(Value));
    return Value::sequence(SequenceKind::values, std::move(items));
}
Value items(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    bind(arguments, "items", {});
    Values pairs;
    for (const auto& [key, value] : self.dict().items) pairs.push_back(Value::tuple({key, value}));
    interpreter.charge(pairs.size() * sizeof(Value) * 3);
    return Value::sequence(SequenceKind::items, std::move(pairs));
}
Value get(Interpreter&, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "get", {"key", "default"}, 1);
    const Value* found = self.dict().find(*b[0]);
    return found != nullptr ? *found : b[1] ? *b[1] : Value::none();
}
Value copy(Interpreter&, const Value& self, const Arguments& arguments) {
    bind(arguments, "copy", {});
    return self;  // values do not change
}

Value count(Interpreter&, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "count", {"value"}, 1);
    const Values& all = self.sequence().items;
    return Value(static_cast<std::int64_t>(
        std::count_if(all.begin(), all.end(), [&](const Value& item) { return equal(item, *b[0]); })));
}
Value index(Interpreter&, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "index", {"value", "start", "stop"}, 1);
    const Values& all = self.sequence().items;
    const auto size = static_cast<std::int64_t>(all.size());
    const auto bound = [&](const std::optional<Value>& v, std::int64_t fallback) {
        if (!v) return fallback;
        if (!v->is_integer() && !v->is_boolean())
            raise("slice indices must be integers or have an __index__ method");
        const std::int64_t at = integer_clamped(*v);
        return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
    };
    const std::int64_t stop = bound(b[2], size);
    for (std::int64_t i = bound(b[1], 0); i < stop; ++i)
        if (equal(all[static_cast<std::size_t>(i)], *b[0])) return Value(i);
    const SequenceKind kind = self.sequence().kind;
    if (kind == SequenceKind::tuple) raise("tuple.index(x): x not in tuple");
    if (kind == SequenceKind::range) raise("sequence.index(x): x not in sequence");
    raise("{} is not in list", repr(*b[0]));
}

// Of the keys or the items of a dict.
Value isdisjoint(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "isdisjoint", {"other"}, 1);
    const Values others = iterate(*b[0]);
    interpreter.charge((others.size() + self.sequence().items.size()) * sizeof(Value));
    Dict of_self;  // items by their keys, since their values need not be able to be keys
    const bool pairs = self.sequence().kind == SequenceKind::items;
    for (const Value& one : self.sequence().items) {
        if (pairs)
            of_self.set(one.sequence().items[0], one.sequence().items[1]);
        else
            of_self.set(one, Value::none());
    }
    return Value(std::none_of(others.begin(), others.end(), [&](const Value& other) {
        if (!pairs) return of_self.find(other) != nullptr;
        if (!other.is_sequence() || other.sequence().kind != SequenceKind::tuple) return false;
        const Values& two = other.sequence().items;
        if (two.size() != 2) return false;
        const Value* found = of_self.find(two[0]);
        return found != nullptr && equal(*found, two[1]);
    }));
}

using Table = std::pair<std::string_view, Fn>;
constexpr Table kDictMethods[] = {{"keys", keys}, {"values", values}, {"items", items},
                                  {"get", get},   {"copy", copy},     {"fromkeys", dict_from_keys}};
constexpr Table kViewMethods[] = {{"isdisjoint", isdisjoint}};
constexpr Table kListMethods[] = {{"count", count}, {"index", index}, {"copy", copy}};

template <std::size_t kSize>
Fn find_in(const Table (&table)[kSize], std::string_view name) {
    for (const auto& [candidate, method] : table)
        if (candidate == name) return method;
    return nullptr;
}

}  // namespace

Value dict_from_keys(Interpreter& interpreter, const Value&, const Arguments& arguments) {
    const Binding b = bind(arguments, "fromkeys", {"iterable", "value"}, 1);
    auto dict = std::make_shared<Dict>();
    for (Value& key : iterate(*b[0])) {
        interpreter.charge(2 * sizeof(Value));
        dict->set(std::move(key), b[1] ? *b[1] : Value::none());
    }
    return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Fn find_method(const Value& value, std::string_view name) {
    if (value.is_text()) return find_text_method(name);
    if (value.is_dict()) return find_in(kDictMethods, name);
    if (value.is_number()) return find_number_method(value.is_float(), name);
    if (!value.is_sequence()) return nullptr;
    const SequenceKind kind = value.sequence().kind;
    if (kind == SequenceKind::list) return find_in(kListMethods, name);
    if (kind == SequenceKind::tuple || kind == SequenceKind::range)
        return name == "copy" ? nullptr : find_in(kListMethods, name);
    if (kind == SequenceKind::keys || kind == SequenceKind::items) return find_in(kViewMethods, name);
    return nullptr;
}

bool is_mutating_method(const Value& value, std::string_view name) {
    static constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                                 "insert", "sort",  "extend", "remove"};
    static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    const auto in = [&](const auto& names) {
        return std::find(std::begin(names), std::end(names), name) != std::end(names);
    };
    if (value.is_dict()) return in(kDict);
    return value.is_sequence() && value.sequence().kind == SequenceKind::list && in(kList);
}

}  // namespace hearth::text::jinja
