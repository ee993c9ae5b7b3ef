// text/jinja/text_methods.cpp - the methods of Python's str; indices count code points.
#include <algorithm>
#include <array>

#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_tools.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

using Fn = Function::Body;

std::optional<std::string> text_or_none(const std::optional<Value>& value, std::string_view what) {
    if (!value || value->is_none()) return std::nullopt;
    if (!value->is_text() && !value->is_undefined() && what == "split")
        raise("must be str or None, not {}", type_name(*value));
    if (!value->is_text() && !value->is_undefined()) raise("{} arg must be None or str", what);
    return as_text(*value, what);
}
const std::string& wanted_text(const Value& value) {
    if (!value.is_text()) raise("must be str, not {}", type_name(value));
    return value.text();
}

template <bool kLeft, bool kRight>
Value strip(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "strip", {"chars"});
    interpreter.charge(self.text().size());
    return self.part(strip_text(self.text(), text_or_none(b[0], "strip"), kLeft, kRight));
}

template <std::string (*kMap)(std::string_view)>
Value map_case(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    bind(arguments, "a case method", {});
    interpreter.charge(self.text().size() * 4);
    return map_text(self, kMap);
}

std::string swap_case(std::string_view text) {
    std::string out;
    for (const char32_t c : code_points(text)) {
        std::string one;
        append_code_point(one, c);
        out += (classes(c) & kUpper) != 0 ? to_lower(one) : (classes(c) & kLower) != 0 ? to_upper(one) : one;
    }
    return out;
}

Value split_with(Interpreter& interpreter, const Value& self, const Arguments& arguments, bool from_right) {
    const Binding b = bind(arguments, "split", {"sep", "maxsplit"});
    interpreter.charge(self.text().size() * 8);
    const std::int64_t times = b[1] ? as_integer(*b[1], "split: maxsplit") : -1;
    const auto separator = text_or_none(b[0], "split");
    if (separator && separator->empty()) raise("empty separator");
    Values out;
    for (const std::string_view part : split_text(self.text(), separator, times, from_right))
        out.push_back(self.part(part));
    return Value::list(std::move(out));
}
Value split(Interpreter& i, const Value& self, const Arguments& a) { return split_with(i, self, a, false); }
Value rsplit(Interpreter& i, const Value& self, const Arguments& a) { return split_with(i, self, a, true); }

Value splitlines(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "splitlines", {"keepends"});
    interpreter.charge(self.text().size() * 8);
    Values out;
    for (const std::string_view line : split_lines(self.text(), b[0] && truthy(*b[0])))
        out.push_back(self.part(line));
    return Value::list(std::move(out));
}

Value partition_with(const Value& self, const Arguments& arguments, bool from_right) {
    const Binding b = bind(arguments, "partition", {"sep"}, 1);
    const std::string& separator = wanted_text(*b[0]);
    if (separator.empty()) raise("empty separator");
    const std::string& text = self.text();
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    Values out;
    if (at == std::string::npos) {
        out = {self, Value(""), Value("")};
        if (from_right) std::swap(out[0], out[2]);
    } else {
        const std::string_view all = text;
        out = {self.part(all.substr(0, at)), self.part(all.substr(at, separator.size())),
               self.part(all.substr(at + separator.size()))};
    }
    return Value::tuple(std::move(out));
}
Value partition(Interpreter&, const Value& self, const Arguments& a) {
    return partition_with(self, a, false);
}
Value rpartition(Interpreter&, const Value& self, const Arguments& a) {
    return partition_with(self, a, true);
}

Value join(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "join", {"iterable"}, 1);
    QuotedText out;
    std::size_t n = 0;
    for (const Value& item : iterate(*b[0])) {
        if (n > 0) append_text(out, self);
        if (!item.is_text()) raise("sequence item {}: expected str instance, {} found", n, type_name(item));
        ++n;
        append_escaped(out, item, self.is_markup());
        interpreter.check_size(out.text.size());
    }
    interpreter.charge(out.text.size());
    return Value(std::move(out), self.is_markup());
}

Value replace(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "replace", {"old", "new", "count"}, 2);
    const std::int64_t count = b[2] ? as_integer(*b[2], "replace: count") : -1;
    as_text(*b[1], "replace: new");
    return Value(replace_text(interpreter, self, as_text(*b[0], "replace: old"), *b[1], count),
                 self.is_markup());
}

// The part of a text that optional start and end arguments name, and where it begins in code points.
struct Range {
    std::string part;
    std::int64_t start = 0;
    bool valid = true;
};
Range range_of(Interpreter& interpreter, const Value& self, const std::optional<Value>& start,
               const std::optional<Value>& end) {
    const Value from = start ? *start : Value::none(), to = end ? *end : Value::none();
    if (from.is_none() && to.is_none()) return {self.text(), 0, true};
    const std::int64_t size = text_length(self.text());
    for (const Value* bound : {&from, &to})
        if (!bound->is_none() && !bound->is_integer() && !bound->is_boolean())
            raise("slice indices must be integers or None or have an __index__ method");
    std::int64_t first = from.is_none() ? 0 : integer_clamped(from);
    if (first < 0) first = std::max<std::int64_t>(first + size, 0);
    return {slice(interpreter, self, from, to, Value::none()).text(), first, first <= size};
}

enum class Find { first, last };
template <Find kWhich, bool kMustFind>
Value find(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "find", {"sub", "start", "end"}, 1);
    interpreter.charge(self.text().size());
    const Range range = range_of(interpreter, self, b[1], b[2]);
    const std::string& sub = wanted_text(*b[0]);
    const std::size_t at = kWhich == Find::first ? range.part.find(sub) : range.part.rfind(sub);
    if (at == std::string::npos || !range.valid) {
        if (kMustFind) raise("substring not found");
        return Value(std::int64_t{-1});
    }
    return Value(range.start + text_length(std::string_view(range.part).substr(0, at)));
}

Value count(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "count", {"sub", "start", "end"}, 1);
    interpreter.charge(self.text().size());
    const Range range = range_of(interpreter, self, b[1], b[2]);
    const std::string& sub = wanted_text(*b[0]);
    if (!range.valid) return Value(std::int64_t{0});
    if (sub.empty()) return Value(text_length(range.part) + 1);
    std::int64_t n = 0;
    for (std::size_t at = range.part.find(sub); at != std::string::npos;
         at = range.part.find(sub, at + sub.size()))
        ++n;
    return Value(n);
}

template <bool kEnd>
Value affix(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "startswith", {"prefix", "start", "end"}, 1);
    const Range range = range_of(interpreter, self, b[1], b[2]);
    const auto has = [&](const Value& v) {
        const std::string& part = as_text(v, "startswith");
        return kEnd ? range.part.ends_with(part) : range.part.starts_with(part);
    };
    if (!range.valid) return Value(false);
    if (!b[0]->is_sequence() || b[0]->sequence().kind != SequenceKind::tuple) return Value(has(*b[0]));
    const Values& options = b[0]->sequence().items;
    return Value(std::any_of(options.begin(), options.end(), has));
}

template <bool kEnd>
Value remove_affix(Interpreter&, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "removeprefix", {"prefix"}, 1);
    const std::string &text = self.text(), &part = as_text(*b[0], "removeprefix");
    if (part.empty() || !(kEnd ? text.ends_with(part) : text.starts_with(part))) return self;
    const std::string_view all = text;
    return self.part(kEnd ? all.substr(0, text.size() - part.size()) : all.substr(part.size()));
}

template <char kAlign>
Value justify(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "justify", {"width", "fillchar"}, 1);
    const Value filling = b[1] ? *b[1] : Value(" ");
    const std::string& fill = as_text(filling, "fillchar");
    if (text_length(fill) != 1) raise("The fill character must be exactly one character long");
    const std::int64_t size = text_length(self.text()), width = as_integer(*b[0], "width");
    const std::int64_t gap = std::max<std::int64_t>(width, size) - size;
    interpreter.check_size(static_cast<std::uint64_t>(gap) > (std::uint64_t{1} << 40)
                               ? UINT64_MAX
                               : static_cast<std::uint64_t>(gap) * fill.size() + self.text().size());
    interpreter.charge(static_cast<std::size_t>(gap) * fill.size() + self.text().size());
    // Python's center puts the odd space left when the width is odd too.
    const std::int64_t left = kAlign == '<' ? 0 : kAlign == '>' ? gap : gap / 2 + (gap & width & 1);
    QuotedText out;
    for (std::int64_t i = 0; i < left; ++i) append_text(out, filling);
    append_text(out, self);
    for (std::int64_t i = left; i < gap; ++i) append_text(out, filling);
    return Value(std::move(out), self.is_markup());
}

Value zfill(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "zfill", {"width"}, 1);
    const std::int64_t gap = as_integer(*b[0], "width") - text_length(self.text());
    if (gap <= 0) return self;
    interpreter.check_size(static_cast<std::uint64_t>(gap) + self.text().size());
    interpreter.charge(static_cast<std::size_t>(gap));
    const std::string& text = self.text();
    const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    QuotedText out;
    append_part(out, self, 0, sign);
    out.append(std::string(static_cast<std::size_t>(gap), '0'));
    append_part(out, self, sign, text.size());
    return Value(std::move(out), self.is_markup());
}

Value expandtabs(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "expandtabs", {"tabsize"});
    if (b[0] && b[0]->is_big()) raise("Python int too large to convert to C int");
    const std::int64_t size = b[0] ? as_integer(*b[0], "tabsize") : 8;
    if (size > 1 << 16) raise(Fault::out_of_range, 0, "expected a tab size up to {}, saw {}", 1 << 16, size);
    QuotedText out;
    std::int64_t column = 0;
    const std::string& text = self.text();
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        if (c.value == '\t') {
            const std::int64_t n = size > 0 ? size - column % size : 0;
            out.append(std::string(static_cast<std::size_t>(n), ' '));
            column += n;
            interpreter.check_size(out.text.size());
        } else {
            append_part(out, self, at, at + c.bytes);
            column = c.value == '\n' || c.value == '\r' ? 0 : column + 1;
        }
        at += c.bytes;
    }
    interpreter.charge(out.text.size());
    return Value(std::move(out), self.is_markup());
}

template <bool (*kIs)(char32_t)>
Value all_are(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    bind(arguments, "is...", {});
    interpreter.charge(self.text().size());
    const auto points = code_points(self.text());
    return Value(!points.empty() && std::all_of(points.begin(), points.end(), kIs));
}
bool alpha(char32_t c) { return (classes(c) & kLetter) != 0; }
bool decimal(char32_t c) { return is_decimal_digit(c); }
bool alnum(char32_t c) { return (classes(c) & (kLetter | kNumber)) != 0; }
bool numeric(char32_t c) { return (classes(c) & kNumber) != 0; }

template <Classes kWanted, Classes kOther>
Value cased(Interpreter&, const Value& self, const Arguments& arguments) {
    bind(arguments, "islower", {});
    bool any = false;
    for (const char32_t c : code_points(self.text())) {
        if ((classes(c) & kOther) != 0) return Value(false);
        any = any || (classes(c) & kWanted) != 0;
    }
    return Value(any);
}

Value isascii(Interpreter&, const Value& self, const Arguments&) {
    const std::string& text = self.text();
    return Value(
        std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}
Value isprintable(Interpreter&, const Value& self, const Arguments&) {
    const auto points = code_points(self.text());
    return Value(std::all_of(points.begin(), points.end(), is_printable));
}
Value istitle(Interpreter&, const Value& self, const Arguments&) {
    bool any = false, after_cased = false;
    for (const char32_t c : code_points(self.text())) {
        const bool upper = (classes(c) & (kUpper | kTitle)) != 0, lower = (classes(c) & kLower) != 0;
        if ((upper && after_cased) || (lower && !after_cased)) return Value(false);
        after_cased = upper || lower;
        any = any || after_cased;
    }
    return Value(any);
}
Value isidentifier(Interpreter&, const Value& self, const Arguments&) {
    const auto points = code_points(self.text());
    for (std::size_t i = 0; i < points.size(); ++i) {
        const bool start = points[i] == '_' || alpha(points[i]);
        if (!start && (i == 0 || (classes(points[i]) & (kNumber | kMark)) == 0)) return Value(false);
    }
    return Value(!points.empty());
}

Value format(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    return Value(format_braces(interpreter, self, arguments), self.is_markup());
}

// A field of no name is an error, as in Python.
Value format_map(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "format_map", {"mapping"}, 1);
    Arguments fields;
    if (b[0]->is_dict()) {
        for (const auto& [key, value] : b[0]->dict().items)
            if (key.is_text()) fields.named.emplace_back(key.text(), value);
    } else if (self.text().find('{') != std::string::npos) {
        if (b[0]->is_sequence()) raise("{} indices must be integers or slices, not str", type_name(*b[0]));
        raise("'{}' object is not subscriptable", type_name(*b[0]));
    }
    return Value(format_braces(interpreter, self, fields), self.is_markup());
}

// A table for translate: of one dict, or from the characters of one text to those of another.
Value maketrans(Interpreter& interpreter, const Value&, const Arguments& arguments) {
    const Binding b = bind(arguments, "maketrans", {"x", "y", "z"}, 1);
    auto table = std::make_shared<Dict>();
    const auto number = [](char32_t c) { return Value(static_cast<std::int64_t>(c)); };
    if (!b[1]) {
        if (!b[0]->is_dict()) raise("if you give only one argument to maketrans it must be a dict");
        for (const auto& [key, value] : b[0]->dict().items) {
            if (!key.is_text() && !key.is_integer() && !key.is_boolean())
                raise("keys in translate table must be strings or integers");
            const auto points = key.is_text() ? code_points(key.text()) : std::vector<char32_t>{0};
            if (points.size() != 1) raise("string keys in translate table must be of length 1");
            interpreter.charge(2 * sizeof(Value));
            table->set(key.is_text() ? number(points[0]) : key, value);
        }
        return Value(std::shared_ptr<const Dict>(std::move(table)));
    }
    if (!b[0]->is_text()) raise("first maketrans argument must be a string if there is a second argument");
    for (std::size_t i = 1; i < 3; ++i)
        if (b[i] && !b[i]->is_text())
            raise("maketrans() argument {} must be str, not {}", i + 1, type_name(*b[i]));
    const auto from = code_points(b[0]->text()), to = code_points(b[1]->text());
    if (from.size() != to.size()) raise("the first two maketrans arguments must have equal length");
    interpreter.charge(from.size() * 2 * sizeof(Value));
    for (std::size_t i = 0; i < from.size(); ++i) table->set(number(from[i]), number(to[i]));
    if (b[2])
        for (const char32_t c : code_points(b[2]->text())) {
            interpreter.charge(2 * sizeof(Value));
            table->set(number(c), Value::none());
        }
    return Value(std::shared_ptr<const Dict>(std::move(table)));
}

Value encode(Interpreter&, const Value&, const Arguments&) {
    raise(Fault::unsupported, 0, "encode() is refused: it gives bytes, which templates here do not have");
}

char32_t code_point_of(std::int64_t value) {
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        raise("character mapping must be in range(0x110000)");
    return static_cast<char32_t>(value);
}

// A dict from code points to texts, code points or none.
Value translate(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
    const Binding b = bind(arguments, "translate", {"table"}, 1);
    QuotedText out;
    const std::string& text = self.text();
    const bool subscripts = b[0]->is_text() || b[0]->is_dict() || b[0]->is_sequence() || b[0]->is_undefined();
    if (!text.empty() && !subscripts) raise("'{}' object is not subscriptable", type_name(*b[0]));
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        const Value to = interpreter.item(*b[0], Value(static_cast<std::int64_t>(c.value)));
        std::string one = text.substr(at, c.bytes);
        if (to.is_text()) {
            one = to.text();
        } else if (!to.is_undefined()) {
            one.clear();
            if (!to.is_none()) append_code_point(one, code_point_of(as_integer(to, "translate")));
        }
        // Who wrote a character is not known of its number.
        out.append(one, stricter(author_at(self, at), to.is_number() ? Author::outside : author_of(to)));
        interpreter.check_size(out.text.size());
        at += c.bytes;
    }
    interpreter.charge(out.text.size());
    return Value(std::move(out), self.is_markup());
}

constexpr std::pair<std::string_view, Fn> kMethods[] = {
    {"capitalize", map_case<to_capitalized>},
    {"casefold", map_case<fold_case>},
    {"center", justify<'^'>},
    {"count", count},
    {"encode", encode},
    {"endswith", affix<true>},
    {"expandtabs", expandtabs},
    {"find", find<Find::first, false>},
    {"format", format},
    {"format_map", format_map},
    {"index", find<Find::first, true>},
    {"isalnum", all_are<alnum>},
    {"isalpha", all_are<alpha>},
    {"isascii", isascii},
    {"isdecimal", all_are<decimal>},
    {"isdigit", all_are<decimal>},
    {"isidentifier", isidentifier},
    {"islower", cased<kLower, kUpper | kTitle>},
    {"isnumeric", all_are<numeric>},
    {"isprintable", isprintable},
    {"isspace", all_are<is_python_space>},
    {"istitle", istitle},
    {"isupper", cased<kUpper, kLower | kTitle>},
    {"join", join},
    {"ljust", justify<'<'>},
    {"lower", map_case<to_lower>},
    {"lstrip", strip<true, false>},
    {"maketrans", maketrans},
    {"partition", partition},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace},
    {"rfind", find<Find::last, false>},
    {"rindex", find<Find::last, true>},
    {"rjust", justify<'>'>},
    {"rpartition", rpartition},
    {"rsplit", rsplit},
    {"rstrip", strip<false, true>},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", affix<false>},
    {"strip", strip<true, true>},
    {"swapcase", map_case<swap_case>},
    {"title", map_case<to_title>},
    {"translate", translate},
    {"upper", map_case<to_upper>},
    {"zfill", zfill},
};

}  // namespace

Fn find_text_method(std::string_view name) {
    const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                     [&](const auto& method) { return method.first == name; });
    return found == std::end(kMethods) ? nullptr : found->second;
}

}  // namespace hearth::text::jinja
