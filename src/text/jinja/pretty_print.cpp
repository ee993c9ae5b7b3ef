// text/jinja/pretty_print.cpp - the filter pprint: Python's pprint.pformat with its defaults.
#include <algorithm>

#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/text_tools.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

constexpr std::int64_t kWidth = 80;

using Pairs = std::vector<std::pair<Value, Value>>;

// Python's order of keys: what has none among its own goes by the name of its type.
bool before(const Value& a, const Value& b) {
    try {
        return compare(a, b) < 0;
    } catch (const TemplateError&) {
        if (a.is_undefined() || b.is_undefined()) throw;
        return type_name(a) < type_name(b);
    }
}

Pairs sorted_items(Interpreter& interpreter, const Dict& dict) {
    Pairs items = dict.items;
    interpreter.charge(items.size() * sizeof(Pairs::value_type));
    std::stable_sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
        interpreter.step();
        return before(a.first, b.first);
    });
    return items;
}

// A group of groupby prints itself, dicts unsorted.
bool is_list(const Value& value) {
    return value.is_sequence() && !value.sequence().is_group &&
           (value.sequence().kind == SequenceKind::list || value.sequence().kind == SequenceKind::tuple);
}

// On one line, dicts in the order of their keys.
void append_line(Interpreter& interpreter, QuotedText& out, const Value& value) {
    interpreter.check_size(out.text.size());
    if (value.is_dict()) {
        const char* between = "{";
        for (const auto& [key, item] : sorted_items(interpreter, value.dict())) {
            out.append(std::exchange(between, ", "));
            append_line(interpreter, out, key);
            out.append(": ");
            append_line(interpreter, out, item);
        }
        out.append(value.dict().items.empty() ? "{}" : "}");
        return;
    }
    if (!is_list(value)) return append_repr(out, value);
    const Values& items = value.sequence().items;
    const bool is_tuple = value.sequence().kind == SequenceKind::tuple;
    out.append(is_tuple ? "(" : "[");
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out.append(", ");
        append_line(interpreter, out, items[i]);
    }
    out.append(!is_tuple ? "]" : items.size() == 1 ? ",)" : ")");
}

QuotedText line_of(Interpreter& interpreter, const Value& value) {
    QuotedText line;
    append_line(interpreter, line, value);
    interpreter.charge(line.text.size());
    return line;
}

// Python's re.findall(r'\S*\s*') without its empty last one.
std::vector<std::string_view> words_with_space(std::string_view line) {
    std::vector<std::string_view> words;
    std::size_t begin = 0;
    bool in_space = false;
    for (std::size_t at = 0; at < line.size();) {
        const CodePoint c = read_code_point(line, at);
        const bool space = is_python_space(c.value);
        if (in_space && !space) {
            words.push_back(line.substr(begin, at - begin));
            begin = at;
        }
        in_space = space;
        at += c.bytes;
    }
    if (begin < line.size()) words.push_back(line.substr(begin));
    return words;
}

class Printer {
  public:
    explicit Printer(Interpreter& interpreter) : interpreter_(interpreter) {}
    // `indent`: the column where it begins; `allowance`: what must fit behind it; `level`: how deep it
    // stands.
    void print(const Value& value, std::int64_t indent, std::int64_t allowance, int level) {
        const QuotedText line = line_of(interpreter_, value);
        const bool fits = text_length(line.text) <= kWidth - indent - allowance;
        if (!fits && value.is_dict() && !value.dict().items.empty())
            return dict(value, indent, allowance, level);
        if (!fits && is_list(value)) return list(value, indent, allowance, level);
        if (!fits && value.is_text() && !value.is_markup() && !value.text().empty())
            return text(value, line, indent, allowance, level);
        write(line);
    }
    QuotedText take() { return std::move(out_); }

  private:
    void write(const QuotedText& text) {
        out_.append(text);
        interpreter_.check_size(out_.text.size());
    }
    void new_line(std::string_view end, std::int64_t indent) {
        const auto n = static_cast<std::size_t>(indent);
        interpreter_.check_size(out_.text.size() + n);
        interpreter_.charge(n);
        out_.append(std::string(end) + "\n" + std::string(n, ' '));
    }

    void dict(const Value& value, std::int64_t indent, std::int64_t allowance, int level) {
        const Pairs items = sorted_items(interpreter_, value.dict());
        out_.append("{");
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i > 0) new_line(",", indent + 1);
            const QuotedText key = line_of(interpreter_, items[i].first);
            write(key);
            out_.append(": ");
            print(items[i].second, indent + text_length(key.text) + 3,
                  i + 1 == items.size() ? allowance + 1 : 1, level + 1);
        }
        out_.append("}");
    }

    void list(const Value& value, std::int64_t indent, std::int64_t allowance, int level) {
        const Values& items = value.sequence().items;
        const bool is_tuple = value.sequence().kind == SequenceKind::tuple;
        const std::string_view end = !is_tuple ? "]" : items.size() == 1 ? ",)" : ")";
        allowance += static_cast<std::int64_t>(end.size());
        out_.append(is_tuple ? "(" : "[");
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i > 0) new_line(",", indent + 1);
            print(items[i], indent + 1, i + 1 == items.size() ? allowance : 1, level + 1);
        }
        out_.append(end);
    }

    // As several literals, cut behind the ends of lines and behind words.
    void text(const Value& value, const QuotedText& whole, std::int64_t indent, std::int64_t allowance,
              int level) {
        if (level == 0) {
            ++indent;
            ++allowance;
        }
        const std::int64_t width = kWidth - indent;
        std::vector<QuotedText> chunks;
        const std::vector<std::string_view> lines = split_lines(value.text(), true);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const bool last = i + 1 == lines.size();
            QuotedText line = line_of(interpreter_, value.part(lines[i]));
            if (text_length(line.text) <= width - (last ? allowance : 0))
                chunks.push_back(std::move(line));
            else
                cut_line(chunks, value, lines[i], width, last ? allowance : 0);
        }
        if (chunks.size() == 1) return write(whole);
        if (level == 0) out_.append("(");
        for (std::size_t i = 0; i < chunks.size(); ++i) {
            if (i > 0) new_line("", indent);
            write(chunks[i]);
        }
        if (level == 0) out_.append(")");
    }

    void cut_line(std::vector<QuotedText>& chunks, const Value& value, std::string_view line,
                  std::int64_t width, std::int64_t allowance) {
        const std::vector<std::string_view> words = words_with_space(line);
        std::string_view current = line.substr(0, 0);
        for (std::size_t i = 0; i < words.size(); ++i) {
            const std::string_view candidate(current.data(), current.size() + words[i].size());
            if (i + 1 == words.size()) width -= allowance;
            if (text_length(line_of(interpreter_, value.part(candidate)).text) <= width) {
                current = candidate;
                continue;
            }
            if (!current.empty()) chunks.push_back(line_of(interpreter_, value.part(current)));
            current = words[i];
        }
        if (!current.empty()) chunks.push_back(line_of(interpreter_, value.part(current)));
    }

    Interpreter& interpreter_;
    QuotedText out_;
};

}  // namespace

Value pprint_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    bind(arguments, "pprint", {});
    Printer printer(interpreter);
    printer.print(value, 0, 0, 0);
    return Value(printer.take());
}

}  // namespace hearth::text::jinja
