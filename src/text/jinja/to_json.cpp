// text/jinja/to_json.cpp - the filter tojson: Python's json.dumps, without the HTML escapes that Jinja2 adds.
#include <algorithm>
#include <cmath>

#include "text/jinja/error.h"
#include "text/jinja/filters.h"
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
                indent_ = options[1]->text();
            } else {
                const std::int64_t width =
                    std::max<std::int64_t>(as_integer(*options[1], "tojson: indent"), 0);
                interpreter.check_size(static_cast<std::uint64_t>(width));
                indent_ = std::string(static_cast<std::size_t>(width), ' ');
            }
            item_separator_ = ",";
        }
        if (options[2] && !options[2]->is_none()) {
            const Values pair = iterate(*options[2]);
            if (pair.size() != 2) raise("tojson: expected two separators, saw {}", pair.size());
            item_separator_ = as_text(pair[0], "tojson: separators");
            key_separator_ = as_text(pair[1], "tojson: separators");
        }
        sort_ = options[3] && truthy(*options[3]);
    }

    void write(const Value& value) {
        interpreter_.step();
        interpreter_.check_size(out.size());
        if (value.is_none()) {
            out += "null";
        } else if (value.is_boolean()) {
            out += value.boolean() ? "true" : "false";
        } else if (value.is_integer()) {
            out += std::to_string(value.integer());
        } else if (value.is_float()) {
            out += number(value.number());
        } else if (value.is_text()) {
            text(value.text());
        } else if (value.is_dict()) {
            dict(value.dict());
        } else if (value.is_sequence() && (value.sequence().kind == SequenceKind::list ||
                                           value.sequence().kind == SequenceKind::tuple)) {
            list(value.sequence().items);
        } else {
            raise("Object of type {} is not JSON serializable", type_name(value));
        }
    }

    std::string out;

  private:
    static std::string number(double value) {
        if (std::isnan(value)) return "NaN";
        if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
        return float_repr(value);
    }

    void text(std::string_view s) {
        out.push_back('"');
        for (std::size_t at = 0; at < s.size();) {
            const CodePoint c = read_code_point(s, at);
            at += c.bytes;
            switch (c.value) {
                case '"':
                    out += "\\\"";
                    continue;
                case '\\':
                    out += "\\\\";
                    continue;
                case '\n':
                    out += "\\n";
                    continue;
                case '\r':
                    out += "\\r";
                    continue;
                case '\t':
                    out += "\\t";
                    continue;
                case '\f':
                    out += "\\f";
                    continue;
                case '\b':
                    out += "\\b";
                    continue;
                default:
                    break;
            }
            if (c.value >= 0x20 && (!ascii_ || c.value < 0x7F)) {
                append_code_point(out, c.value);
            } else if (c.value < 0x10000) {
                unit(static_cast<unsigned>(c.value));
            } else {
                unit(0xD800 + ((static_cast<unsigned>(c.value) - 0x10000) >> 10));
                unit(0xDC00 + ((static_cast<unsigned>(c.value) - 0x10000) & 0x3FF));
            }
        }
        out.push_back('"');
    }
    void unit(unsigned value) { out += fmt::format("\\u{:04x}", value); }

    void newline() {
        if (!indent_) return;
        interpreter_.check_size(out.size() + indent_->size() * static_cast<std::size_t>(level_));
        interpreter_.charge(indent_->size() * static_cast<std::size_t>(level_));
        out.push_back('\n');
        for (int i = 0; i < level_; ++i) out += *indent_;
    }

    template <class Items, class Each>
    void nest(char open, char close, const Items& items, Each&& each) {
        out.push_back(open);
        ++level_;
        bool first = true;
        for (const auto& item : items) {
            if (!first) out += item_separator_;
            first = false;
            newline();
            each(item);
        }
        --level_;
        if (!first) newline();
        out.push_back(close);
    }

    void list(const Values& items) {
        nest('[', ']', items, [this](const Value& item) { write(item); });
    }

    static std::string key(const Value& value) {
        if (value.is_text()) return value.text();
        if (value.is_none()) return "null";
        if (value.is_boolean()) return value.boolean() ? "true" : "false";
        if (value.is_integer()) return std::to_string(value.integer());
        if (value.is_float()) return number(value.number());
        raise("keys must be str, int, float, bool or None, not {}", type_name(value));
    }

    void dict(const Dict& d) {
        std::vector<std::pair<Value, Value>> items = d.items;
        if (sort_)
            std::stable_sort(items.begin(), items.end(),
                             [](const auto& a, const auto& b) { return compare(a.first, b.first) < 0; });
        nest('{', '}', items, [this](const auto& item) {
            text(key(item.first));
            out += key_separator_;
            write(item.second);
        });
    }

    Interpreter& interpreter_;
    bool ascii_ = false, sort_ = false;
    std::optional<std::string> indent_;
    std::string item_separator_ = ", ", key_separator_ = ": ";
    int level_ = 0;
};

}  // namespace

Value to_json_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    Writer writer(interpreter,
                  bind(arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}));
    writer.write(value);
    interpreter.charge(writer.out.size());
    return Value(std::move(writer.out));
}

}  // namespace hearth::text::jinja
