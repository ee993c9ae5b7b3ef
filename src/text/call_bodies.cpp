// text/call_bodies.cpp - small readers that give up rather than guess.
#include "text/call_bodies.h"

#include <boost/json.hpp>
#include <optional>

#include "text/utf8.h"

namespace hearth::text {
namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpaces = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// Where the JSON value that text begins with ends; nothing when it does not end.
std::optional<std::size_t> json_end(std::string_view text) {
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') ++i;
            if (c == '"') quoted = false;
            continue;
        }
        if (c == '"') quoted = true;
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && --depth <= 0) return i + 1;
    }
    return std::nullopt;
}

// The text of an object; arguments that are a JSON text themselves are opened.
std::optional<std::string> object_text(const Json& value) {
    if (value.is_object()) return to_json(value);
    if (!value.is_string()) return std::nullopt;
    const auto inner = parse_json(std::string_view(value.get_string()), "arguments");
    if (!inner || !inner->is_object()) return std::nullopt;
    return to_json(*inner);
}

// {"name": F, "arguments" or "parameters": {...}}, or a list of those.
bool read_json_call(const Json& value, std::vector<ToolCall>& calls) {
    if (value.is_array()) {
        for (const Json& one : value.get_array())
            if (!one.is_object() || !read_json_call(one, calls)) return false;
        return !value.get_array().empty();
    }
    if (!value.is_object()) return false;
    const auto& object = value.get_object();
    const Json* function = object.if_contains("function");
    if (function != nullptr && function->is_object()) return read_json_call(*function, calls);
    const Json* name = object.if_contains("name");
    if (name == nullptr) name = object.if_contains("tool_name");
    const Json* arguments = object.if_contains("arguments");
    if (arguments == nullptr) arguments = object.if_contains("parameters");
    if (name == nullptr || !name->is_string() || name->get_string().empty()) return false;
    const auto text = arguments == nullptr ? std::optional<std::string>("{}") : object_text(*arguments);
    if (!text) return false;
    calls.push_back({std::string(name->get_string()), *text});
    return true;
}

BodyState read_json(std::string_view body, std::vector<ToolCall>& calls) {
    const std::string_view text = trimmed(body);
    const auto value = parse_json(text, "call");
    if (value && read_json_call(*value, calls)) return BodyState::whole;
    calls.clear();
    const bool begun = text.starts_with('{') || text.starts_with('[');
    return !value && begun && !json_end(text) ? BodyState::incomplete : BodyState::wrong;
}

// Steps over `mark` at `at`; white space before it counts for nothing.
bool take(std::string_view text, std::size_t& at, std::string_view mark) {
    std::size_t i = at;
    while (i < text.size() && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t')) ++i;
    if (!text.substr(i).starts_with(mark)) return false;
    at = i + mark.size();
    return true;
}
// What stands before `mark`, which is stepped over; nothing when it is not there.
std::optional<std::string_view> until(std::string_view text, std::size_t& at, std::string_view mark) {
    const std::size_t end = text.find(mark, at);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view found = text.substr(at, end - at);
    at = end + mark.size();
    return found;
}

// Templates put a value on lines of its own.
std::string_view unlined(std::string_view text) {
    if (text.starts_with('\n')) text.remove_prefix(1);
    if (text.ends_with('\n')) text.remove_suffix(1);
    return text;
}

BodyState read_function_tags(std::string_view body, const Json* tools, std::vector<ToolCall>& calls) {
    std::size_t at = 0;
    while (take(body, at, "<function=")) {
        const auto name = until(body, at, ">");
        if (!name) return BodyState::incomplete;
        boost::json::object arguments;
        while (take(body, at, "<parameter=")) {
            const auto key = until(body, at, ">");
            const auto value = key ? until(body, at, "</parameter>") : std::nullopt;
            if (!value) return BodyState::incomplete;
            arguments[replace_invalid(*key)] = parameter_value(unlined(*value), tools, *name, *key);
        }
        if (!take(body, at, "</function>"))
            return trimmed(body.substr(at)).empty() ? BodyState::incomplete : BodyState::wrong;
        if (trimmed(*name).empty()) return BodyState::wrong;
        calls.push_back({replace_invalid(trimmed(*name)), to_json(arguments)});
    }
    return !calls.empty() && trimmed(body.substr(at)).empty() ? BodyState::whole : BodyState::wrong;
}

BodyState read_arg_tags(std::string_view body, const Json* tools, std::vector<ToolCall>& calls) {
    std::size_t at = std::min(body.find("<arg_key>"), body.size());
    const std::string name = replace_invalid(trimmed(body.substr(0, at)));
    if (name.empty() || name.find_first_of("<>{}\n") != std::string::npos) return BodyState::wrong;
    boost::json::object arguments;
    while (take(body, at, "<arg_key>")) {
        const auto key = until(body, at, "</arg_key>");
        if (!key || !take(body, at, "<arg_value>")) return BodyState::wrong;
        const auto value = until(body, at, "</arg_value>");
        if (!value) return BodyState::incomplete;
        arguments[replace_invalid(trimmed(*key))] = parameter_value(*value, tools, name, trimmed(*key));
    }
    if (!trimmed(body.substr(at)).empty()) return BodyState::wrong;
    calls.push_back({name, to_json(arguments)});
    return BodyState::whole;
}

// DSML and MiniMax: tags with a name; DeepSeek spells "｜DSML｜" before each tag's name.
BodyState read_invoke_tags(std::string_view body, const Json* tools, std::vector<ToolCall>& calls) {
    const std::string mark = body.find("<｜DSML｜") != std::string_view::npos ? "｜DSML｜" : "";
    std::size_t at = 0;
    while (take(body, at, "<" + mark + "invoke name=\"")) {
        const auto name = until(body, at, "\">");
        if (!name || trimmed(*name).empty()) return BodyState::wrong;
        boost::json::object arguments;
        while (take(body, at, "<" + mark + "parameter name=\"")) {
            const auto key = until(body, at, "\"");
            const auto rest = key ? until(body, at, ">") : std::nullopt;  // ` string="true"`, or nothing
            if (!rest) return BodyState::incomplete;
            const auto value = until(body, at, "</" + mark + "parameter>");
            if (!value) return BodyState::incomplete;
            const bool is_string = rest->find("string=\"true\"") != std::string_view::npos;
            arguments[replace_invalid(*key)] =
                is_string ? Json(replace_invalid(*value)) : parameter_value(*value, tools, *name, *key);
        }
        if (!take(body, at, "</" + mark + "invoke>")) return BodyState::wrong;
        calls.push_back({replace_invalid(trimmed(*name)), to_json(arguments)});
    }
    return !calls.empty() && trimmed(body.substr(at)).empty() ? BodyState::whole : BodyState::wrong;
}

// Gemma's values: <|"|>text<|"|>, {k:v}, [v], and numbers, true, false, null as JSON has them.
class GemmaReader {
  public:
    GemmaReader(std::string_view text, std::size_t at) : text_(text), at_(at) {}

    std::optional<Json> value(int depth) {
        constexpr int kDepthMax = 64;
        skip();
        if (depth > kDepthMax || at_ >= text_.size()) return std::nullopt;
        if (take(text_, at_, kQuote)) {
            const auto found = until(text_, at_, kQuote);
            if (!found) return std::nullopt;
            return Json(replace_invalid(*found));
        }
        if (text_[at_] == '{') return object(depth);
        if (text_[at_] == '[') return list(depth);
        const std::size_t end = std::min(text_.find_first_of(",}]", at_), text_.size());
        const std::string_view bare = trimmed(text_.substr(at_, end - at_));
        at_ = end;
        const auto parsed = parse_json(bare, "value");
        return parsed ? *parsed : Json(replace_invalid(bare));
    }
    std::optional<Json> object(int depth) {
        if (!take(text_, at_, "{")) return std::nullopt;
        boost::json::object out;
        if (take(text_, at_, "}")) return Json(std::move(out));
        for (;;) {
            skip();
            std::optional<std::string_view> key;
            if (take(text_, at_, kQuote)) {
                key = until(text_, at_, kQuote);
                if (!key || !take(text_, at_, ":")) return std::nullopt;
            } else {
                key = until(text_, at_, ":");
            }
            if (!key) return std::nullopt;
            auto one = value(depth + 1);
            if (!one) return std::nullopt;
            out[replace_invalid(trimmed(*key))] = std::move(*one);
            if (take(text_, at_, "}")) return Json(std::move(out));
            if (!take(text_, at_, ",")) return std::nullopt;
        }
    }
    [[nodiscard]] std::size_t at() const { return at_; }

  private:
    static constexpr std::string_view kQuote = "<|\"|>";
    std::optional<Json> list(int depth) {
        boost::json::array out;
        if (!take(text_, at_, "[")) return std::nullopt;
        if (take(text_, at_, "]")) return Json(std::move(out));
        for (;;) {
            auto one = value(depth + 1);
            if (!one) return std::nullopt;
            out.push_back(std::move(*one));
            if (take(text_, at_, "]")) return Json(std::move(out));
            if (!take(text_, at_, ",")) return std::nullopt;
        }
    }
    void skip() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    }
    std::string_view text_;
    std::size_t at_;
};

BodyState read_gemma(std::string_view body, std::vector<ToolCall>& calls) {
    std::size_t at = 0;
    if (!take(body, at, "call:")) return BodyState::wrong;
    const std::size_t brace = body.find('{', at);
    if (brace == std::string_view::npos) return BodyState::wrong;
    const std::string name = replace_invalid(trimmed(body.substr(at, brace - at)));
    GemmaReader reader(body, brace);
    const auto arguments = reader.object(0);
    if (!arguments) {  // a closing mark inside a quoted value?
        std::size_t quotes = 0;
        for (std::size_t i = body.find("<|\"|>"); i != std::string_view::npos; i = body.find("<|\"|>", i + 1))
            ++quotes;
        return quotes % 2 == 1 ? BodyState::incomplete : BodyState::wrong;
    }
    if (name.empty() || !trimmed(body.substr(reader.at())).empty()) return BodyState::wrong;
    calls.push_back({name, to_json(*arguments)});
    return BodyState::whole;
}

// Sections of calls, each between two marks: a name, a mark, and arguments as JSON.
struct Sections {
    std::string_view open, part, close;
};
BodyState read_sections(std::string_view body, const Sections& marks, std::vector<ToolCall>& calls) {
    std::size_t at = 0;
    while (take(body, at, marks.open)) {
        const auto head = until(body, at, marks.part);
        const auto rest = head ? until(body, at, marks.close) : std::nullopt;
        if (!rest) return BodyState::incomplete;
        std::string_view name = trimmed(*head), arguments = trimmed(*rest);
        if (name == "function") {  // DeepSeek V3 and R1: function<sep>NAME\n```json\n{...}\n```
            const std::size_t line = std::min(arguments.find('\n'), arguments.size());
            name = trimmed(arguments.substr(0, line));
            const std::size_t begin = arguments.find('{');
            const std::size_t end = arguments.rfind('}');
            if (begin == std::string_view::npos || end == std::string_view::npos || end < begin)
                return BodyState::wrong;
            arguments = arguments.substr(begin, end - begin + 1);
        }
        if (name.starts_with("functions.")) {  // Kimi: functions.NAME:INDEX
            name.remove_prefix(10);
            name = name.substr(0, name.rfind(':'));
        }
        const auto value = parse_json(arguments, "arguments");
        if (!value || !value->is_object() || name.empty()) return BodyState::wrong;
        calls.push_back({replace_invalid(name), to_json(*value)});
    }
    return !calls.empty() && trimmed(body.substr(at)).empty() ? BodyState::whole : BodyState::wrong;
}

// Llama 3: objects parted by semicolons or nothing; or NAME.call(key="value", ...) of its own tools.
BodyState read_bare(std::string_view body, std::vector<ToolCall>& calls) {
    std::string_view rest = trimmed(body);
    while (!rest.empty()) {
        const auto end = rest.starts_with('{') ? json_end(rest) : std::nullopt;
        const auto value =
            end ? parse_json(rest.substr(0, *end), "call") : Result<Json>(fail(Fault::corrupt, ""));
        if (!value || !read_json_call(*value, calls)) return BodyState::wrong;
        rest = trimmed(rest.substr(*end));
        if (rest.starts_with(';')) rest = trimmed(rest.substr(1));
    }
    return calls.empty() ? BodyState::wrong : BodyState::whole;
}

}  // namespace

BodyState read_mistral_calls(std::string_view body, std::vector<ToolCall>& calls, std::size_t& end) {
    constexpr std::string_view kArguments = "[ARGS]", kId = "[CALL_ID]";
    const std::size_t begin = std::min(body.find_first_not_of(" \n"), body.size());
    const std::size_t mark = body.find(kArguments);
    const bool is_list = body.substr(begin).starts_with('[') && !body.substr(begin).starts_with(kArguments) &&
                         !body.substr(begin).starts_with(kId);
    const std::size_t brace = is_list ? begin : mark == std::string_view::npos ? mark : body.find('{', mark);
    if (brace == std::string_view::npos) return BodyState::incomplete;
    const auto length = json_end(body.substr(brace));
    if (!length) return BodyState::incomplete;
    end = brace + *length;
    const auto value = parse_json(body.substr(brace, *length), "call");
    if (!value) return BodyState::wrong;
    if (is_list) return read_json_call(*value, calls) ? BodyState::whole : BodyState::wrong;
    std::string_view name = body.substr(begin, mark - begin);
    name = trimmed(name.substr(0, name.find(kId)));
    if (name.empty() || name.find('[') != std::string_view::npos ||
        !trimmed(body.substr(mark + kArguments.size(), brace - mark - kArguments.size())).empty())
        return BodyState::wrong;
    calls.push_back({replace_invalid(name), to_json(*value)});
    return BodyState::whole;
}

Json parameter_value(std::string_view text, const Json* tools, std::string_view tool, std::string_view name) {
    std::string type;
    if (tools != nullptr && tools->is_array()) {
        for (const Json& one : tools->get_array()) {
            const Json* function = one.is_object() ? one.get_object().if_contains("function") : nullptr;
            const JsonCursor cursor(function != nullptr ? *function : one, "tool");
            const auto own = cursor.string_or("name", "");
            if (!own || *own != trimmed(tool)) continue;
            const auto parameters = cursor.find("parameters");
            const auto properties = parameters ? parameters->find("properties") : std::nullopt;
            const auto property = properties ? properties->find(name) : std::nullopt;
            if (property) type = property->string_or("type", "").value_or("");
        }
    }
    if (type == "string") return Json(replace_invalid(text));
    // Templates that print values as Python does teach models these.
    for (const auto& [spelling, meant] :
         {std::pair("True", Json(true)), {"False", Json(false)}, {"None", Json()}})
        if (trimmed(text) == spelling) return meant;
    const auto value = parse_json(trimmed(text), "value");
    if (value && (!type.empty() || !value->is_string())) return *value;
    return Json(replace_invalid(text));
}

BodyState read_calls(CallSyntax syntax, std::string_view body, const Json* tools,
                     std::vector<ToolCall>& calls) {
    calls.clear();
    BodyState state = BodyState::wrong;
    switch (syntax) {
        case CallSyntax::json_tags:
            state = read_json(body, calls);
            break;
        case CallSyntax::function_tags:
            state = read_function_tags(body, tools, calls);
            break;
        case CallSyntax::arg_tags:
            state = read_arg_tags(body, tools, calls);
            break;
        case CallSyntax::gemma:
            state = read_gemma(body, calls);
            break;
        case CallSyntax::bare_json:
            state = read_bare(body, calls);
            break;
        case CallSyntax::invoke_tags:
            state = read_invoke_tags(body, tools, calls);
            break;
        case CallSyntax::deepseek:
            state = read_sections(body, {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"},
                                  calls);
            break;
        case CallSyntax::kimi:
            state = read_sections(
                body, {"<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"}, calls);
            break;
        case CallSyntax::mistral:
        case CallSyntax::harmony:
        case CallSyntax::none:
            break;
    }
    if (state != BodyState::whole) calls.clear();
    return state;
}

}  // namespace hearth::text
