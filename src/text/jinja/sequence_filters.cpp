// text/jinja/sequence_filters.cpp - Jinja2's filters over lists and dicts.
#include <algorithm>

#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/integer.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_tools.h"
#include "text/unicode.h"

namespace hearth::text::jinja {
namespace {

Value generator(Values items) { return Value::sequence(SequenceKind::generator, std::move(items)); }

Values items_of(Interpreter& interpreter, const Value& value) {
    Values items = iterate(value);
    interpreter.charge(items.size() * sizeof(Value));
    return items;
}

// Follows "a.b.0" from an item: names and indices.
class AttributePath {
  public:
    explicit AttributePath(const std::optional<Value>& attribute) {
        if (!attribute || attribute->is_none()) return;
        if (!attribute->is_text()) {
            parts_.push_back(*attribute);
            return;
        }
        for (const std::string_view part : split_text(attribute->text(), ".", -1, false))
            parts_.push_back(integer_of_digits(part, 10).value_or(Value(std::string(part))));
    }
    Value of(Interpreter& interpreter, Value item, const std::optional<Value>& fallback = {}) const {
        for (const Value& part : parts_) {
            item = interpreter.item(item, part);
            if (fallback && item.is_undefined()) item = *fallback;
        }
        return item;
    }

  private:
    Values parts_;
};

Value sort_key(const Value& value, bool case_sensitive) {
    return case_sensitive || !value.is_text() ? value : Value(to_lower(value.text()));
}

void sort_stably(Interpreter& interpreter, std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
    interpreter.step(keyed.size() * 16);
    // Python sorts backwards by keeping equal items in their order, too.
    std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
        interpreter.step();
        const int order = compare(a.first, b.first);
        return reverse ? order > 0 : order < 0;
    });
}

Value sort(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "sort", {"reverse", "case_sensitive", "attribute"});
    const bool reverse = b[0] && truthy(*b[0]), sensitive = b[1] && truthy(*b[1]);
    std::vector<AttributePath> paths;
    if (b[2] && b[2]->is_text()) {
        for (const std::string_view part : split_text(b[2]->text(), ",", -1, false))
            paths.emplace_back(Value(std::string(part)));
    } else {
        paths.emplace_back(b[2]);
    }
    std::vector<std::pair<Value, Value>> keyed;
    for (Value& item : items_of(interpreter, value)) {
        Values keys;
        for (const AttributePath& path : paths)
            keys.push_back(sort_key(path.of(interpreter, item), sensitive));
        keyed.emplace_back(Value::list(std::move(keys)), std::move(item));
    }
    sort_stably(interpreter, keyed, reverse);
    Values out;
    for (auto& [key, item] : keyed) out.push_back(std::move(item));
    return Value::list(std::move(out));
}

Value dictsort(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "dictsort", {"case_sensitive", "by", "reverse"});
    const bool sensitive = b[0] && truthy(*b[0]), reverse = b[2] && truthy(*b[2]);
    const std::string by = b[1] ? as_text(*b[1], "dictsort: by") : "key";
    if (by != "key" && by != "value") raise("You can only sort by either \"key\" or \"value\"");
    if (value.is_undefined()) raise("{}", value.why_undefined());
    if (!value.is_dict()) raise("'{}' object has no attribute 'items'", type_name(value));
    std::vector<std::pair<Value, Value>> keyed;
    for (const auto& [key, item] : value.dict().items)
        keyed.emplace_back(sort_key(by == "key" ? key : item, sensitive), Value::tuple({key, item}));
    sort_stably(interpreter, keyed, reverse);
    Values out;
    for (auto& [key, item] : keyed) out.push_back(std::move(item));
    return Value::list(std::move(out));
}

Value unique(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "unique", {"case_sensitive", "attribute"});
    const AttributePath path(b[1]);
    Dict seen;
    Values out;
    for (Value& item : items_of(interpreter, value)) {
        const Value key = sort_key(path.of(interpreter, item), b[0] && truthy(*b[0]));
        if (seen.find(key) != nullptr) continue;
        seen.set(key, Value::none());
        out.push_back(std::move(item));
    }
    return generator(std::move(out));
}

template <bool kMax>
Value extreme(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, kMax ? "max" : "min", {"case_sensitive", "attribute"});
    const AttributePath path(b[1]);
    const bool sensitive = b[0] && truthy(*b[0]);
    const Values items = items_of(interpreter, value);
    if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
    std::size_t best = 0;
    Value best_key = sort_key(path.of(interpreter, items[0]), sensitive);
    for (std::size_t i = 1; i < items.size(); ++i) {
        Value key = sort_key(path.of(interpreter, items[i]), sensitive);
        const int order = compare(key, best_key, kMax ? ">" : "<");
        if (kMax ? order <= 0 : order >= 0) continue;
        best = i;
        best_key = std::move(key);
    }
    return items[best];
}

Value groupby(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "groupby", {"attribute", "default", "case_sensitive"}, 1);
    const AttributePath path(b[0]);
    const bool sensitive = b[2] && truthy(*b[2]);
    const auto fallback = b[1] && !b[1]->is_none() ? b[1] : std::nullopt;
    std::vector<std::pair<Value, Value>> keyed;
    for (Value& item : items_of(interpreter, value)) {
        Value key = sort_key(path.of(interpreter, item, fallback), sensitive);
        keyed.emplace_back(std::move(key), std::move(item));
    }
    sort_stably(interpreter, keyed, false);
    Values out;
    for (std::size_t i = 0; i < keyed.size();) {
        Values group;
        std::size_t end = i;
        for (; end < keyed.size() && equal(keyed[end].first, keyed[i].first); ++end)
            group.push_back(keyed[end].second);
        Value name = path.of(interpreter, group[0], fallback);
        out.push_back(Value::tuple({std::move(name), Value::list(std::move(group))}));
        out.back().sequence().is_group = true;
        i = end;
    }
    return Value::list(std::move(out));
}

Value join(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "join", {"d", "attribute"});
    const AttributePath path(b[1]);
    const bool escape = interpreter.autoescape();
    QuotedText between, out;
    if (b[0]) append_escaped(between, *b[0], escape);
    bool first = true;
    for (const Value& item : items_of(interpreter, value)) {
        if (!first) out.append(between);
        first = false;
        append_escaped(out, path.of(interpreter, item), escape);
        interpreter.check_size(out.text.size());
    }
    interpreter.charge(out.text.size());
    return Value(std::move(out), escape);
}

Value first(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "first", {});
    if (value.is_sequence() && value.sequence().kind == SequenceKind::generator)  // takes one item only
        return take_next(value.sequence()).value_or(Value::undefined("No first item, sequence was empty."));
    const Values items = items_of(interpreter, value);
    return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}
Value last(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "last", {});
    if (value.is_sequence() && value.sequence().kind == SequenceKind::generator)
        raise("'generator' object is not reversible");
    if (value.is_number() || value.is_none() || value.is_object())
        raise("'{}' object is not reversible", type_name(value));
    const Values items = items_of(interpreter, value);
    return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value random(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "random", {});
    length(value);  // must have one
    const Values items = items_of(interpreter, value);
    if (items.empty()) return Value::undefined("No random item, sequence was empty.");
    return items[static_cast<std::size_t>(interpreter.random() % items.size())];
}

Value list(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "list", {});
    return Value::list(items_of(interpreter, value));
}
Value count(Interpreter&, const Value& value, const Arguments& arguments) {
    bind(arguments, "length", {});
    return Value(length(value));
}

Value reverse(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "reverse", {});
    if (value.is_text())
        return slice(interpreter, value, Value::none(), Value::none(), Value(std::int64_t{-1}));
    if (!value.is_sequence() && !value.is_dict() && !value.is_undefined()) raise("argument must be iterable");
    Values items = items_of(interpreter, value);
    std::reverse(items.begin(), items.end());
    const bool was_generator = value.is_sequence() && value.sequence().kind == SequenceKind::generator;
    return was_generator ? Value::list(std::move(items)) : generator(std::move(items));
}

Value items(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "items", {});
    if (value.is_undefined()) return generator({});
    if (!value.is_dict()) raise("Can only get item pairs from a mapping.");
    Values pairs;
    for (const auto& [key, item] : value.dict().items) pairs.push_back(Value::tuple({key, item}));
    interpreter.charge(pairs.size() * 3 * sizeof(Value));
    return generator(std::move(pairs));
}

Value map(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    Values out;
    if (!truthy(value)) return generator({});
    const bool by_attribute = arguments.positional.empty() && !arguments.named.empty();
    if (by_attribute) {
        const Binding b = bind(arguments, "map", {"attribute", "default"});
        if (!b[0]) raise("map requires a filter argument");
        const AttributePath path(b[0]);
        for (const Value& item : items_of(interpreter, value))
            out.push_back(path.of(interpreter, item, b[1]));
        return generator(std::move(out));
    }
    if (arguments.positional.empty()) raise("map requires a filter argument");
    const std::string name = as_text(arguments.positional[0], "map");
    if (find_filter(name) == nullptr) raise("No filter named '{}'.", name);
    Arguments rest = arguments;
    rest.positional.erase(rest.positional.begin());
    for (const Value& item : items_of(interpreter, value)) {
        interpreter.step();
        out.push_back(interpreter.filter(name, item, rest));
    }
    return generator(std::move(out));
}

template <bool kKeep, bool kByAttribute>
Value select(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    if (!truthy(value)) return generator({});
    Arguments rest = arguments;
    std::optional<Value> attribute;
    if (kByAttribute) {
        if (rest.positional.empty()) raise("Missing parameter for attribute name");
        attribute = rest.positional.front();
        rest.positional.erase(rest.positional.begin());
    }
    const AttributePath path(attribute);
    std::optional<std::string> name;
    if (!rest.positional.empty()) {
        name = as_text(rest.positional.front(), "select");
        if (find_test(*name) == nullptr) raise("No test named '{}'.", *name);
        rest.positional.erase(rest.positional.begin());
    }
    Values out;
    for (Value& item : items_of(interpreter, value)) {
        interpreter.step();
        const Value subject = path.of(interpreter, item);
        const bool holds = name ? interpreter.test(*name, subject, rest) : truthy(subject);
        if (holds == kKeep) out.push_back(std::move(item));
    }
    return generator(std::move(out));
}

Value sum(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "sum", {"attribute", "start"});
    const AttributePath path(b[0]);
    Value total = b[1] ? *b[1] : Value(std::int64_t{0});
    if (total.is_text()) raise("sum() can't sum strings [use ''.join(seq) instead]");
    for (const Value& item : items_of(interpreter, value))
        total = binary(interpreter, Op::add, total, path.of(interpreter, item));
    return total;
}

Value batch(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "batch", {"linecount", "fill_with"}, 1);
    const std::int64_t width = clamped_integer(*b[0], "batch");
    const Values all = items_of(interpreter, value);
    Values out, row;
    for (const Value& item : all) {
        if (static_cast<std::int64_t>(row.size()) == width)
            out.push_back(Value::list(std::exchange(row, {})));
        row.push_back(item);
    }
    if (!row.empty()) {
        if (b[1] && !b[1]->is_none() && width > 0) {
            interpreter.check_size(static_cast<std::uint64_t>(std::min<std::int64_t>(width, 1 << 30)) *
                                   sizeof(Value));
            interpreter.charge(static_cast<std::size_t>(width) * sizeof(Value));
            while (static_cast<std::int64_t>(row.size()) < width) row.push_back(*b[1]);
        }
        out.push_back(Value::list(std::move(row)));
    }
    return generator(std::move(out));
}

Value slices(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "slice", {"slices", "fill_with"}, 1);
    const std::int64_t n = clamped_integer(*b[0], "slice");
    const Values all = items_of(interpreter, value);
    if (n == 0) raise("integer division or modulo by zero");
    if (n < 0) return generator({});
    interpreter.step(static_cast<std::uint64_t>(n));
    const auto size = static_cast<std::int64_t>(all.size());
    Values out;
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t end = at + size / n + (i < size % n ? 1 : 0);
        Values part(all.begin() + at, all.begin() + end);
        if (b[1] && !b[1]->is_none() && i >= size % n) part.push_back(*b[1]);
        out.push_back(Value::list(std::move(part)));
        at = end;
    }
    return generator(std::move(out));
}

constexpr FilterEntry kFilters[] = {
    {"batch", batch},
    {"count", count},
    {"dictsort", dictsort},
    {"first", first},
    {"groupby", groupby},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", count},
    {"list", list},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"random", random},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"reverse", reverse},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"slice", slices},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

}  // namespace

std::span<const FilterEntry> sequence_filters() { return kFilters; }

}  // namespace hearth::text::jinja
