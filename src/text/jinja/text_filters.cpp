// text/jinja/text_filters.cpp - Jinja2's filters that make text.
#include <algorithm>
#include <cmath>

#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/integer.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_tools.h"
#include "text/quote.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

// Jinja2's soft_str: text stays what it is, all else is printed.
Value soft(const Value& value) {
    if (value.is_text()) return value;
    QuotedText out;
    append_text(out, value);
    return Value(std::move(out));
}

Value by_method(Interpreter& interpreter, std::string_view method, const Value& value,
                const Arguments& arguments) {
    return find_text_method(method)(interpreter, soft(value), arguments);
}
Value upper(Interpreter& i, const Value& v, const Arguments& a) { return by_method(i, "upper", v, a); }
Value lower(Interpreter& i, const Value& v, const Arguments& a) { return by_method(i, "lower", v, a); }
Value capitalize(Interpreter& i, const Value& v, const Arguments& a) {
    return by_method(i, "capitalize", v, a);
}

Value trim(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "trim", {"chars"});
    Arguments chars;
    if (b[0]) chars.positional.push_back(*b[0]);
    return by_method(interpreter, "strip", value, chars);
}

Value center(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "center", {"width"});
    Arguments width;
    width.positional.push_back(b[0] ? *b[0] : Value(std::int64_t{80}));
    return by_method(interpreter, "center", value, width);
}

Value title(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "title", {});
    const Value text = soft(value);
    interpreter.charge(text.text().size() * 4);
    QuotedText out;
    bool starts_word = true;
    const std::string& all = text.text();
    for (std::size_t at = 0; at < all.size();) {
        const CodePoint point = read_code_point(all, at);
        const char32_t c = point.value;
        const bool separates = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_python_space(c);
        const std::string one = all.substr(at, point.bytes);
        out.append(separates ? one : starts_word ? to_upper(one) : to_lower(one), author_at(text, at));
        starts_word = separates;
        at += point.bytes;
    }
    return Value(std::move(out), text.is_markup());
}

Value replace(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "replace", {"old", "new", "count"}, 2);
    const std::int64_t count = b[2] && !b[2]->is_none() ? as_integer(*b[2], "replace: count") : -1;
    return Value(replace_text(interpreter, soft(value), to_text(*b[0]), soft(*b[1]), count));
}

Value format(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Value text = soft(value);
    if (arguments.named.empty())
        return Value(format_percent(interpreter, text, Value::tuple(arguments.positional)), text.is_markup());
    if (!arguments.positional.empty())
        raise("can't handle positional and keyword arguments at the same time");
    auto dict = std::make_shared<Dict>();
    for (const auto& [name, item] : arguments.named) dict->set(arguments.name_value(name), item);
    return Value(format_percent(interpreter, text, Value(std::shared_ptr<const Dict>(dict))),
                 text.is_markup());
}

Value indent(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "indent", {"width", "first", "blank"});
    Value by(std::string(4, ' '));
    if (b[0] && b[0]->is_text()) {
        by = *b[0];
    } else if (b[0]) {
        by = binary(interpreter, Op::mul, Value(" "), *b[0]);
    }
    const bool first = b[1] && truthy(*b[1]), blank = b[2] && truthy(*b[2]);
    if (value.is_sequence() && value.sequence().kind == SequenceKind::list)  // Python adds a character to it
        raise("'list' object has no attribute 'splitlines'");
    if (!value.is_text() && !value.is_undefined())
        raise("unsupported operand type(s) for +=: '{}' and 'str'", type_name(value));
    const std::string text = as_text(value, "indent") + "\n";  // as Jinja2: so that there is a line
    QuotedText out;
    if (first) append_text(out, by);
    bool is_first = true;
    for (const std::string_view line : split_lines(text, false)) {
        if (!is_first) {
            out.append("\n");
            if (blank || !line.empty()) append_text(out, by);
        }
        is_first = false;
        const auto begin = static_cast<std::size_t>(line.data() - text.data());
        append_part(out, value, begin, begin + line.size());
        interpreter.check_size(out.text.size());
    }
    interpreter.charge(out.text.size());
    return Value(std::move(out), value.is_markup());
}

Value truncate(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "truncate", {"length", "killwords", "end", "leeway"});
    const std::int64_t length = b[0] ? clamped_integer(*b[0], "truncate: length") : 255;
    const bool kill = b[1] && truthy(*b[1]);
    const Value ending = b[2] ? *b[2] : Value("...");
    const std::string& end = as_text(ending, "truncate: end");
    const std::int64_t leeway = b[3] && !b[3]->is_none() ? clamped_integer(*b[3], "truncate: leeway") : 5;
    if (length < text_length(end)) raise("expected length >= {}, got {}", text_length(end), length);
    if (leeway < 0) raise("expected leeway >= 0, got {}", leeway);
    const std::int64_t size = jinja::length(value);
    if (size <= length || size - length <= leeway) return value;
    if (!value.is_text()) {
        slice(interpreter, value, Value::none(), Value(std::int64_t{0}), Value::none());
        if (kill) raise("can only concatenate {0} (not \"str\") to {0}", type_name(value));
        raise("'{}' object has no attribute 'rsplit'", type_name(value));
    }
    const Value cut =
        slice(interpreter, value, Value::none(), Value(length - text_length(end)), Value::none());
    const std::size_t space = kill ? std::string::npos : cut.text().rfind(' ');
    QuotedText out;
    append_part(out, cut, 0, std::min(space, cut.text().size()));
    append_text(out, ending);
    return Value(std::move(out), value.is_markup());
}

// A word longer than a line is cut; hyphens between letters are places to break.
std::vector<std::string> chunks_of(std::string_view line, bool at_hyphens) {
    std::vector<std::string> chunks;
    bool in_space = false;
    const std::vector<char32_t> points = code_points(line);
    const auto is_space = [](char32_t c) { return c == ' ' || (c >= 9 && c <= 13); };
    const auto is_letter = [](char32_t c) { return (classes(c) & kLetter) != 0; };
    for (std::size_t i = 0; i < points.size(); ++i) {
        const bool space = is_space(points[i]);
        const bool after_hyphen = at_hyphens && i >= 2 && points[i - 1] == '-' && is_letter(points[i - 2]) &&
                                  is_letter(points[i]) && !chunks.empty() && chunks.back().size() > 1;
        if (chunks.empty() || space != in_space || after_hyphen) chunks.emplace_back();
        append_code_point(chunks.back(), points[i]);
        in_space = space;
    }
    return chunks;
}

std::vector<std::string> wrap(std::string_view line, std::int64_t width, bool break_long, bool at_hyphens) {
    std::vector<std::string> chunks = chunks_of(line, at_hyphens), lines;
    const auto blank = [](const std::string& s) { return strip_text(s, std::nullopt, true, true).empty(); };
    std::reverse(chunks.begin(), chunks.end());
    while (!chunks.empty()) {
        std::vector<std::string> current;
        std::int64_t used = 0;
        if (blank(chunks.back()) && !lines.empty()) chunks.pop_back();
        while (!chunks.empty() && used + text_length(chunks.back()) <= width) {
            used += text_length(chunks.back());
            current.push_back(std::move(chunks.back()));
            chunks.pop_back();
        }
        if (!chunks.empty() && text_length(chunks.back()) > width) {
            if (break_long) {
                const auto room = static_cast<std::size_t>(width < 1 ? 1 : width - used);
                const std::vector<char32_t> points = code_points(chunks.back());
                std::string head, tail;
                for (std::size_t i = 0; i < points.size(); ++i)
                    append_code_point(i < room ? head : tail, points[i]);
                current.push_back(std::move(head));
                chunks.back() = std::move(tail);
            } else if (current.empty()) {
                current.push_back(std::move(chunks.back()));
                chunks.pop_back();
            }
        }
        if (!current.empty() && blank(current.back())) current.pop_back();
        if (current.empty()) continue;
        lines.emplace_back();
        for (const std::string& chunk : current) lines.back() += chunk;
    }
    return lines;
}

Value wordwrap(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b =
        bind(arguments, "wordwrap", {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
    if (!value.is_text() && !value.is_undefined())
        raise("'{}' object has no attribute 'splitlines'", type_name(value));
    const std::int64_t width = b[0] ? clamped_integer(*b[0], "wordwrap: width") : 79;
    if (width <= 0) raise("invalid width {} (must be > 0)", width);
    const bool break_long = !b[1] || truthy(*b[1]), at_hyphens = !b[3] || truthy(*b[3]);
    const std::string between = b[2] && !b[2]->is_none() ? as_text(*b[2], "wordwrap: wrapstring") : "\n";
    const std::string& text = as_text(value, "wordwrap");
    interpreter.charge(text.size() * 64);
    std::string out;
    bool first = true;
    for (const std::string_view paragraph : split_lines(text, false)) {
        const auto lines = wrap(paragraph, width, break_long, at_hyphens);
        if (!first) out += between;
        first = false;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (i > 0) out += between;
            out += lines[i];
        }
        interpreter.check_size(out.size());
    }
    const Author author = b[2] ? stricter(value.author(), author_of(*b[2])) : value.author();
    return Value(std::move(out), false, author);
}

Value wordcount(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "wordcount", {});
    const Value text = soft(value);
    interpreter.charge(text.text().size());
    std::int64_t n = 0;
    bool in_word = false;
    for (const char32_t c : code_points(text.text())) {
        const bool is_word = c == '_' || (classes(c) & (kLetter | kNumber)) != 0;
        n += is_word && !in_word ? 1 : 0;
        in_word = is_word;
    }
    return Value(n);
}

Value escape(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "escape", {});
    const Value text = soft(value);
    interpreter.charge(text.text().size());
    QuotedText out;
    append_escaped(out, text, true);
    return Value(std::move(out), true);
}
Value forceescape(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "forceescape", {});
    QuotedText plain, out;
    append_text(plain, value);
    interpreter.charge(plain.text.size());
    append_escaped(out, Value(std::move(plain)), true);
    return Value(std::move(out), true);
}
Value safe(Interpreter&, const Value& value, const Arguments& arguments) {
    bind(arguments, "safe", {});
    QuotedText out;
    append_text(out, value);
    return Value(std::move(out), true);
}
Value string(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "string", {});
    Value text = soft(value);
    interpreter.charge(text.text().size());
    return text;
}

Value striptags(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "striptags", {});
    std::string text = to_text(value);
    interpreter.charge(text.size() * 4);
    const auto erase_between = [&text](std::string_view open, std::string_view close) {
        std::string out;
        std::size_t at = 0;
        while (true) {
            const std::size_t begin = text.find(open, at);
            const std::size_t end =
                begin == std::string::npos ? begin : text.find(close, begin + open.size());
            if (end == std::string::npos) break;
            out += text.substr(at, begin - at);
            at = end + close.size();
        }
        text = out + text.substr(at);
    };
    erase_between("<!--", "-->");
    erase_between("<", ">");
    std::string out;
    for (const std::string_view word : split_text(text, std::nullopt, -1, false))
        out += (out.empty() ? "" : " ") + std::string(word);
    static constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
        {"&lt;", "<"}, {"&gt;", ">"}, {"&#39;", "'"}, {"&#34;", "\""}, {"&quot;", "\""}, {"&amp;", "&"}};
    for (const auto& [entity, character] : kEntities)
        out =
            replace_text(interpreter, Value(std::move(out)), entity, Value(std::string(character)), -1).text;
    return Value(std::move(out), false, author_of(value));
}

std::string quote_url(const Value& value, bool query) {
    std::string out;
    for (const char c : to_text(value)) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query);
        if (plain)
            out.push_back(c);
        else if (c == ' ' && query)
            out.push_back('+');
        else
            out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
    return out;
}

Value urlencode(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "urlencode", {});
    if (!value.is_dict() && !value.is_sequence()) {
        std::string out = quote_url(value, false);
        interpreter.charge(out.size());
        return Value(std::move(out), false, author_of(value));
    }
    Values pairs;
    if (value.is_dict())
        for (const auto& [key, item] : value.dict().items) pairs.push_back(Value::tuple({key, item}));
    else
        pairs = iterate(value);
    std::string out;
    for (const Value& pair : pairs) {
        const Values two = iterate(pair);
        if (two.size() != 2) raise("urlencode: expected pairs, saw {} items", two.size());
        if (!out.empty()) out += '&';
        out += quote_url(two[0], true) + "=" + quote_url(two[1], true);
        interpreter.check_size(out.size());
    }
    interpreter.charge(out.size());
    return Value(std::move(out), false, author_of(value));
}

Value xmlattr(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "xmlattr", {"autospace"});
    if (value.is_undefined()) raise("{}", value.why_undefined());
    if (!value.is_dict()) raise("'{}' object has no attribute 'items'", type_name(value));
    std::string out;
    for (const auto& [key, item] : value.dict().items) {
        if (item.is_none() || item.is_undefined()) continue;
        const std::string& name = as_text(key, "xmlattr");
        if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
            raise("Invalid character in attribute name: {}", quoted(name));
        QuotedText text;
        append_escaped(text, item, true);
        out += (out.empty() ? "" : " ") + escape_html(name) + "=\"" + text.text + "\"";
        interpreter.check_size(out.size());
    }
    if (!out.empty() && (!b[0] || truthy(*b[0]))) out.insert(out.begin(), ' ');
    interpreter.charge(out.size());
    return Value(std::move(out), interpreter.autoescape(), author_of(value));
}

Value filesizeformat(Interpreter&, const Value& value, const Arguments& arguments) {
    const Binding b = bind(arguments, "filesizeformat", {"binary"});
    const bool binary = b[0] && truthy(*b[0]);
    if (value.is_undefined()) raise("{}", value.why_undefined());
    if (!value.is_number() && !value.is_text())
        raise("float() argument must be a string or a real number, not '{}'", type_name(value));
    const std::optional<double> given = value.is_text() ? parse_float(value.text()) : value.number();
    if (!given) raise("could not convert string to float: {}", repr(Value(value.text())));
    const double bytes = *given, base = binary ? 1024 : 1000;
    if (bytes == 1) return Value("1 Byte");
    if (bytes < base) return Value(fmt::format("{:.0f} Bytes", std::trunc(bytes) + 0.0));
    double unit = base;
    constexpr std::string_view kPrefixes = "kMGTPEZY";
    for (std::size_t i = 0;; ++i) {
        unit *= base;
        if (bytes >= unit && i + 1 < kPrefixes.size()) continue;
        const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
        return Value(fmt::format("{:.1f} {}{}B", base * bytes / unit, prefix, binary ? "i" : ""));
    }
}

constexpr FilterEntry kFilters[] = {
    {"capitalize", capitalize},
    {"center", center},
    {"e", escape},
    {"escape", escape},
    {"filesizeformat", filesizeformat},
    {"forceescape", forceescape},
    {"format", format},
    {"indent", indent},
    {"lower", lower},
    {"replace", replace},
    {"safe", safe},
    {"string", string},
    {"striptags", striptags},
    {"title", title},
    {"tojson", to_json_filter},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", upper},
    {"urlencode", urlencode},
    {"urlize", urlize_filter},
    {"wordcount", wordcount},
    {"wordwrap", wordwrap},
    {"xmlattr", xmlattr},
};

}  // namespace

std::span<const FilterEntry> text_filters() { return kFilters; }

}  // namespace hearth::text::jinja
