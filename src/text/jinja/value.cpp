// text/jinja/value.cpp - Python's rules for truth, equality, order, printing and iteration of values.
#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text::jinja {

std::optional<Value> Object::attribute(std::string_view) const { return std::nullopt; }
Value Object::call(Interpreter&, const Arguments&) { raise("'{}' object is not callable", type_name()); }
std::string Object::print() const { return fmt::format("<{}>", type_name()); }

int value_depth(const Value& value) {
    if (value.is_sequence()) return value.sequence().depth;
    if (value.is_dict()) return value.dict().depth;
    return value.is_object() ? value.object()->depth : 0;
}

int deeper_than(const Value& value) {
    const int depth = value_depth(value) + 1;
    if (depth > kValueDepthMax)
        raise(Fault::out_of_range, 0, "expected values nested at most {} levels deep, saw more",
              kValueDepthMax);
    return depth;
}

Value Value::sequence(SequenceKind kind, Values items) {
    auto sequence = std::make_shared<Sequence>();
    sequence->kind = kind;
    for (const Value& item : items) sequence->depth = std::max(sequence->depth, deeper_than(item));
    sequence->items = std::move(items);
    return Value(std::move(sequence));
}

Value::Value(QuotedText text, bool markup) {
    Text made{nullptr, nullptr, Author::trusted, markup};
    for (const QuotedRange& range : text.ranges) made.author = stricter(made.author, range.author);
    const bool whole =
        text.ranges.size() == 1 && text.ranges[0].begin == 0 && text.ranges[0].end == text.text.size();
    if (!text.ranges.empty() && !whole)
        made.ranges = std::make_shared<const QuotedRanges>(std::move(text.ranges));
    made.text = std::make_shared<const std::string>(std::move(text.text));
    data_ = std::move(made);
}

Value Value::part(std::string_view piece) const {
    const auto& whole = std::get<Text>(data_);
    if (piece.size() == whole.text->size()) return *this;
    if (!whole.ranges) return Value(std::string(piece), whole.markup, whole.author);
    const auto begin = static_cast<std::size_t>(piece.data() - whole.text->data());
    QuotedText out;
    out.append_part(*whole.text, *whole.ranges, begin, begin + piece.size());
    return Value(std::move(out), whole.markup);
}

Value Arguments::name_value(const std::string& name) const {
    for (const Value& quoted : quoted_names)
        if (quoted.text() == name) return quoted;
    return Value(name);
}

void append_part(QuotedText& out, const Value& text, std::size_t begin, std::size_t end) {
    const std::string_view bytes = text.text();
    if (text.ranges() != nullptr)
        out.append_part(bytes, *text.ranges(), begin, end);
    else
        out.append(bytes.substr(begin, end - begin), text.author());
}

Author author_at(const Value& text, std::size_t at) {
    if (text.ranges() == nullptr) return text.author();
    const auto range = std::partition_point(text.ranges()->begin(), text.ranges()->end(),
                                            [at](const QuotedRange& r) { return r.end <= at; });
    return range == text.ranges()->end() || range->begin > at ? Author::trusted : range->author;
}

Author author_of(const Value& value) {
    Author author = Author::trusted;
    if (value.is_text()) return value.author();
    if (value.is_object()) return value.object()->author();
    if (value.is_sequence())
        for (const Value& item : value.sequence().items) author = stricter(author, author_of(item));
    if (value.is_dict())
        for (const auto& [key, item] : value.dict().items)
            author = stricter(author, stricter(author_of(key), author_of(item)));
    return author;
}

std::int64_t Value::integer() const {
    if (is_big()) raise("Python int too large to convert to C ssize_t");
    return is_boolean() ? (boolean() ? 1 : 0) : std::get<std::int64_t>(data_);
}
std::string Value::why_undefined() const {
    const auto& why = std::get<Undefined>(data_).why;
    return why ? *why : "a value is undefined";
}

bool Value::same_as(const Value& other) const {
    if (data_.index() != other.data_.index()) return false;
    if (is_text())
        return std::get<Text>(data_).text == std::get<Text>(other.data_).text || text() == other.text();
    if (is_sequence()) return &sequence() == &other.sequence();
    if (is_dict()) return &dict() == &other.dict();
    if (is_object()) return object() == other.object();
    return equal(*this, other);
}

std::string_view type_name(const Value& value) {
    if (value.is_undefined()) return "Undefined";
    if (value.is_none()) return "NoneType";
    if (value.is_boolean()) return "bool";
    if (value.is_integer()) return "int";
    if (value.is_float()) return "float";
    if (value.is_text()) return value.is_markup() ? "Markup" : "str";
    if (value.is_dict()) return "dict";
    if (value.is_object()) return value.object()->type_name();
    switch (value.sequence().kind) {
        case SequenceKind::list:
            return "list";
        case SequenceKind::tuple:
            return "tuple";
        case SequenceKind::range:
            return "range";
        case SequenceKind::keys:
            return "dict_keys";
        case SequenceKind::values:
            return "dict_values";
        case SequenceKind::items:
            return "dict_items";
        case SequenceKind::generator:
            return "generator";
    }
    return "object";
}

bool truthy(const Value& value) {
    if (value.is_undefined() || value.is_none()) return false;
    if (value.is_boolean()) return value.boolean();
    if (value.is_integer()) return value.is_big() || value.integer() != 0;
    if (value.is_float()) return value.number() != 0;
    if (value.is_text()) return !value.text().empty();
    if (value.is_sequence())
        return value.sequence().kind == SequenceKind::generator || !value.sequence().items.empty();
    if (value.is_dict()) return !value.dict().items.empty();
    return true;
}

namespace {

bool listlike(const Value& value) {
    return value.is_sequence() &&
           (value.sequence().kind == SequenceKind::list || value.sequence().kind == SequenceKind::tuple ||
            value.sequence().kind == SequenceKind::range);
}

bool is_set_view(const Value& value) {
    return value.sequence().kind == SequenceKind::keys || value.sequence().kind == SequenceKind::items;
}

// Keys and items of dicts compare as sets.
bool same_members(const Value& a, const Value& b) {
    const Values &x = a.sequence().items, &y = b.sequence().items;
    if (x.size() != y.size()) return false;
    if (a.sequence().kind != b.sequence().kind) return x.empty();
    const bool pairs = a.sequence().kind == SequenceKind::items;
    const auto key = [pairs](const Value& one) { return pairs ? one.sequence().items[0] : one; };
    const auto value = [pairs](const Value& one) { return pairs ? one.sequence().items[1] : Value::none(); };
    Dict others;
    for (const Value& one : y) others.set(key(one), value(one));
    return std::all_of(x.begin(), x.end(), [&](const Value& one) {
        const Value* found = others.find(key(one));
        return found != nullptr && equal(*found, value(one));
    });
}

}  // namespace

bool equal(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) return numbers_equal(a, b);
    if (a.is_text() && b.is_text()) return a.text() == b.text();
    if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
    if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
    if (a.is_sequence() && b.is_sequence()) {
        if (&a.sequence() == &b.sequence()) return true;
        if (is_set_view(a) && is_set_view(b)) return same_members(a, b);
        if (!listlike(a) || a.sequence().kind != b.sequence().kind) return false;
        const Values &x = a.sequence().items, &y = b.sequence().items;
        return x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin(), equal);
    }
    if (a.is_dict() && b.is_dict()) {
        if (&a.dict() == &b.dict()) return true;
        if (a.dict().items.size() != b.dict().items.size()) return false;
        return std::all_of(a.dict().items.begin(), a.dict().items.end(), [&](const auto& item) {
            const Value* other = b.dict().find(item.first);
            return other != nullptr && equal(item.second, *other);
        });
    }
    return a.is_object() && b.is_object() && a.object() == b.object();
}

int compare(const Value& a, const Value& b, std::string_view op) {
    if (a.is_number() && b.is_number()) return compare_numbers(a, b);
    if (a.is_text() && b.is_text()) return a.text().compare(b.text());  // UTF-8 sorts as its code points do
    if (listlike(a) && listlike(b) && a.sequence().kind == b.sequence().kind) {
        const Values &x = a.sequence().items, &y = b.sequence().items;
        for (std::size_t i = 0; i < x.size() && i < y.size(); ++i)
            if (!equal(x[i], y[i])) return compare(x[i], y[i], op);
        return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
    }
    if (a.is_undefined()) raise("{}", a.why_undefined());
    if (b.is_undefined()) raise("{}", b.why_undefined());
    raise("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b));
}

std::string float_repr(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    return json_number(value);
}

void append_text_repr(std::string& out, std::string_view text) {
    const bool has_single = text.find('\'') != std::string_view::npos;
    const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
    out.push_back(quote);
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        at += c.bytes;
        if (c.value == static_cast<char32_t>(quote) || c.value == '\\') {
            out.push_back('\\');
            append_code_point(out, c.value);
        } else if (c.value == '\n') {
            out += "\\n";
        } else if (c.value == '\r') {
            out += "\\r";
        } else if (c.value == '\t') {
            out += "\\t";
        } else if (is_printable(c.value)) {
            append_code_point(out, c.value);
        } else if (c.value < 0x100) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(c.value));
        } else if (c.value < 0x10000) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c.value));
        } else {
            out += fmt::format("\\U{:08x}", static_cast<unsigned>(c.value));
        }
    }
    out.push_back(quote);
}

namespace {

void append_items(QuotedText& out, const Values& items) {
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out.append(", ");
        append_repr(out, items[i]);
    }
}

void append_sequence(QuotedText& out, const Sequence& sequence) {
    switch (sequence.kind) {
        case SequenceKind::list:
            out.append("[");
            append_items(out, sequence.items);
            out.append("]");
            return;
        case SequenceKind::tuple:
            out.append("(");
            append_items(out, sequence.items);
            out.append(sequence.items.size() == 1 ? ",)" : ")");
            return;
        case SequenceKind::range:
            out.append("range(" + integer_text(sequence.range->start) + ", " +
                       integer_text(sequence.range->stop));
            out.append(equal(sequence.range->step, Value(std::int64_t{1}))
                           ? ")"
                           : ", " + integer_text(sequence.range->step) + ")");
            return;
        case SequenceKind::keys:
        case SequenceKind::values:
        case SequenceKind::items:
            out.append(sequence.kind == SequenceKind::keys     ? "dict_keys(["
                       : sequence.kind == SequenceKind::values ? "dict_values(["
                                                               : "dict_items([");
            append_items(out, sequence.items);
            out.append("])");
            return;
        case SequenceKind::generator:
            out.append("<generator object>");
            return;
    }
}

void append_text_value(QuotedText& out, const Value& value) {
    std::string text = value.is_markup() ? "Markup(" : "";
    append_text_repr(text, value.text());
    if (value.is_markup()) text += ")";
    out.append(text, value.author());
}

void append_dict(QuotedText& out, const Dict& dict) {
    out.append("{");
    bool first = true;
    for (const auto& [key, item] : dict.items) {
        if (!first) out.append(", ");
        first = false;
        append_repr(out, key);
        out.append(": ");
        append_repr(out, item);
    }
    out.append("}");
}

}  // namespace

void append_repr(QuotedText& out, const Value& value) {
    if (out.text.size() > kTemplateOutputBytesMax)
        raise(Fault::out_of_range, 0, "expected at most {} bytes of text, saw more", kTemplateOutputBytesMax);
    if (value.is_undefined())
        out.append("Undefined");
    else if (value.is_none())
        out.append("None");
    else if (value.is_boolean())
        out.append(value.boolean() ? "True" : "False");
    else if (value.is_integer())
        out.append(integer_text(value));
    else if (value.is_float())
        out.append(float_repr(value.number()));
    else if (value.is_text())
        append_text_value(out, value);
    else if (value.is_sequence())
        append_sequence(out, value.sequence());
    else if (value.is_dict())
        append_dict(out, value.dict());
    else
        out.append(value.object()->print(), value.object()->author());
}

void append_text(QuotedText& out, const Value& value) {
    if (value.is_text()) return append_part(out, value, 0, value.text().size());
    if (!value.is_undefined()) append_repr(out, value);
}

std::string repr(const Value& value) {
    QuotedText out;
    append_repr(out, value);
    return std::move(out.text);
}

std::string to_text(const Value& value) {
    if (value.is_text()) return value.text();
    if (value.is_undefined()) return {};
    return repr(value);
}

std::size_t ValueHash::operator()(const Value& value) const {
    if (value.is_text()) return std::hash<std::string>()(value.text());
    if (value.is_number()) return number_hash(value);  // 1, 1.0 and True are one key
    const bool by_items = value.is_sequence() && (value.sequence().kind == SequenceKind::tuple ||
                                                  value.sequence().kind == SequenceKind::range);
    if (by_items) {
        std::size_t hash = 0x345678;
        for (const Value& item : value.sequence().items) hash = hash * 1'000'003 ^ (*this)(item);
        return hash;
    }
    const bool by_place = value.is_sequence() && (value.sequence().kind == SequenceKind::values ||
                                                  value.sequence().kind == SequenceKind::generator);
    if (by_place) return std::hash<const void*>()(&value.sequence());
    if (value.is_sequence() || value.is_dict()) raise("unhashable type: '{}'", type_name(value));
    if (value.is_object()) return std::hash<const void*>()(value.object().get());
    return value.is_none() ? 1 : 2;
}

bool ValueEqual::operator()(const Value& a, const Value& b) const { return equal(a, b); }

void Dict::set(Value key, Value value) {
    depth = std::max({depth, deeper_than(key), deeper_than(value)});
    const auto [found, is_new] = index.try_emplace(key, items.size());
    if (is_new)
        items.emplace_back(std::move(key), std::move(value));
    else
        items[found->second].second = std::move(value);
}

const Value* Dict::find(const Value& key) const {
    const auto found = index.find(key);
    return found == index.end() ? nullptr : &items[found->second].second;
}

std::int64_t text_length(std::string_view text) {
    return std::count_if(text.begin(), text.end(),
                         [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::int64_t length(const Value& value) {
    if (value.is_undefined()) return 0;
    if (value.is_text()) return text_length(value.text());
    if (value.is_dict()) return static_cast<std::int64_t>(value.dict().items.size());
    if (value.is_sequence() && value.sequence().kind != SequenceKind::generator)
        return static_cast<std::int64_t>(value.sequence().items.size());
    raise("object of type '{}' has no len()", type_name(value));
}

Values iterate(const Value& value) {
    Values items;
    if (value.is_undefined()) return items;
    if (value.is_text()) {
        const std::string& text = value.text();
        items.reserve(text.size());
        for (std::size_t at = 0; at < text.size();) {
            const CodePoint c = read_code_point(text, at);
            items.push_back(value.part(std::string_view(text).substr(at, c.bytes)));
            at += c.bytes;
        }
        return items;
    }
    if (value.is_dict()) {
        items.reserve(value.dict().items.size());
        for (const auto& item : value.dict().items) items.push_back(item.first);
        return items;
    }
    if (value.is_sequence()) {
        Sequence& sequence = value.sequence();
        if (sequence.kind != SequenceKind::generator) return sequence.items;
        items.assign(sequence.items.begin() + static_cast<std::ptrdiff_t>(sequence.taken),
                     sequence.items.end());
        sequence.taken = sequence.items.size();
        return items;
    }
    raise("'{}' object is not iterable", type_name(value));
}

std::optional<Value> take_next(Sequence& generator) {
    if (generator.taken == generator.items.size()) return std::nullopt;
    return generator.items[generator.taken++];
}

std::int64_t as_integer(const Value& value, std::string_view what) {
    if (value.is_integer() || value.is_boolean()) return value.integer();
    raise("{}: expected an integer, saw '{}'", what, type_name(value));
}

const std::string& as_text(const Value& value, std::string_view what) {
    if (value.is_text()) return value.text();
    if (value.is_undefined()) raise("{}", value.why_undefined());
    raise("{}: expected a text, saw '{}'", what, type_name(value));
}

}  // namespace hearth::text::jinja
