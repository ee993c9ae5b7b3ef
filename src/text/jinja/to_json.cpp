// text/jinja/to_json.cpp - the filter tojson: Python's json.dumps, without the HTML escapes that Jinja2 adds.
#include <algorithm>
#include <cmath>

#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/integer.h"
#include "text/jinja/operators.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

class Writer {
  public:
    Writer(Interpreter& interpreter, const Binding& options) : interpreter_(interpreter) {
        ascii_ = options[0] && truthy(*options[0]);
        if (options[1] && !options[1]->is_none()) {
            if (options[1]->is_text()) {
                indent_ = *options[1];
            } else {
                if (!options[1]->is_integer() && !options[1]->is_boolean())
                    raise("can't multiply sequence by non-int of type '{}'", type_name(*options[1]));
                const std::int64_t width =
                    std::max<std::int64_t>(as_integer(*options[1], "tojson: indent"), 0);
                interpreter.check_size(static_cast<std::uint64_t>(width));
                indent_ = Value(std::string(static_cast<std::size_t>(width), ' '));
            }
            item_separator_ = Value(",");
        }
        if (options[2] && !options[2]->is_none()) {
            const Values pair = iterate(*options[2]);
            if (pair.size() != 2) raise("tojson: expected two separators, saw {}", pair.size());
            for (const Value& separator : pair) as_text(separator, "tojson: separators");
            item_separator_ = pair[0];
            key_separator_ = pair[1];
        }
        sort_ = options[3] && truthy(*options[3]);
    }

    void write(const Value& value) {
        interpreter_.step();
        interpreter_.check_size(out.text.size());
        if (value.is_none()) {
            out.append("null");
        } else if (value.is_boolean()) {
            out.append(value.boolean() ? "true" : "false");
        } else if (value.is_integer()) {
            out.append(integer_text(value));
        } else if (value.is_float()) {
            out.append(number(value.number()));
        } else if (value.is_text()) {
            text(value);
        } else if (value.is_dict()) {
            dict(value.dict());
        } else if (value.is_sequence() && (value.sequence().kind == SequenceKind::list ||
                                           value.sequence().kind == SequenceKind::tuple)) {
            list(value.sequence().items);
        } else {
            raise("Object of type {} is not JSON serializable", type_name(value));
        }
    }

    QuotedText out;

  private:
    static std::string number(double value) {
        if (std::isnan(value)) return "NaN";
        if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
        return float_repr(value);
    }

    // A whole text escapes at once; one of several authors, in parts.
    void text(const Value& value) {
        out.append("\"");
        append_text(out, map_text(value, [this](std::string_view s) { return escaped(s); }));
        out.append("\"");
    }

    [[nodiscard]] std::string escaped(std::string_view s) const {
        std::string escaped_text;
        for (std::size_t at = 0; at < s.size();) {
            const CodePoint c = read_code_point(s, at);
            at += c.bytes;
            static constexpr std::pair<char32_t, const char*> kShort[] = {
                {'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"},
                {'\t', "\\t"}, {'\f', "\\f"},  {'\b', "\\b"}};
            const auto* found = std::find_if(std::begin(kShort), std::end(kShort),
                                             [&](const auto& pair) { return pair.first == c.value; });
            if (found != std::end(kShort)) {
                escaped_text += found->second;
            } else if (c.value >= 0x20 && (!ascii_ || c.value < 0x7F)) {
                append_code_point(escaped_text, c.value);
            } else if (c.value < 0x10000) {
                escaped_text += unit(static_cast<unsigned>(c.value));
            } else {
                escaped_text += unit(0xD800 + ((static_cast<unsigned>(c.value) - 0x10000) >> 10));
                escaped_text += unit(0xDC00 + ((static_cast<unsigned>(c.value) - 0x10000) & 0x3FF));
            }
        }
        return escaped_text;
    }
    static std::string unit(unsigned value) { return fmt::format("\\u{:04x}", value); }

    void newline() {
        if (!indent_) return;
        interpreter_.check_size(out.text.size() + indent_->text().size() * static_cast<std::size_t>(level_));
        interpreter_.charge(indent_->text().size() * static_cast<std::size_t>(level_));
        out.append("\n");
        for (int i = 0; i < level_; ++i) append_text(out, *indent_);
    }

    template <class Items, class Each>
    void nest(char open, char close, const Items& items, Each&& each) {
        out.append({&open, 1});
        ++level_;
        bool first = true;
        for (const auto& item : items) {
            if (!first) append_text(out, item_separator_);
            first = false;
            newline();
            each(item);
        }
        --level_;
        if (!first) newline();
        out.append({&close, 1});
    }

    void list(const Values& items) {
        nest('[', ']', items, [this](const Value& item) { write(item); });
    }

    static Value key(const Value& value) {
        if (value.is_text()) return value;
        if (value.is_none()) return Value("null");
        if (value.is_boolean()) return Value(value.boolean() ? "true" : "false");
        if (value.is_integer()) return Value(integer_text(value));
        if (value.is_float()) return Value(number(value.number()));
        raise("keys must be str, int, float, bool or None, not {}", type_name(value));
    }

    void dict(const Dict& d) {
        std::vector<std::pair<Value, Value>> items = d.items;
        if (sort_)
            std::stable_sort(items.begin(), items.end(),
                             [](const auto& a, const auto& b) { return compare(a.first, b.first) < 0; });
        nest('{', '}', items, [this](const auto& item) {
            text(key(item.first));
            append_text(out, key_separator_);
            write(item.second);
        });
    }

    Interpreter& interpreter_;
    bool ascii_ = false, sort_ = false;
    std::optional<Value> indent_;
    Value item_separator_{", "}, key_separator_{": "};
    int level_ = 0;
};

}  // namespace

Value to_json_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    Writer writer(interpreter,
                  bind(arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}));
    writer.write(value);
    interpreter.charge(writer.out.text.size());
    return Value(std::move(writer.out));
}

}  // namespace hearth::text::jinja
