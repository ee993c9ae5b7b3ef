// text/answer_format.cpp - how each family marks reasoning and tool calls, and how a model's family is told.
#include "text/answer_format.h"

#include <boost/json.hpp>

#include "text/utf8.h"

namespace hearth::text {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

}  // namespace

Marks marks_of(CallSyntax syntax) {
    switch (syntax) {
        case CallSyntax::json_tags:  // Nemotron and Command R write lists, each between marks of its own
            return {{"<tool_call>", "<TOOLCALL>", "<|START_ACTION|>"},
                    {"</tool_call>", "</TOOLCALL>", "<|END_ACTION|>"}};
        case CallSyntax::function_tags:
        case CallSyntax::arg_tags:
            return {{"<tool_call>"}, {"</tool_call>"}};
        case CallSyntax::gemma:
            return {{"<|tool_call>"}, {"<tool_call|>"}};
        case CallSyntax::mistral:
            return {{"[TOOL_CALLS]"}, {}};
        case CallSyntax::invoke_tags:
            return {{"<｜DSML｜function_calls>", "<｜DSML｜tool_calls>", "<minimax:tool_call>"},
                    {"</｜DSML｜function_calls>", "</｜DSML｜tool_calls>", "</minimax:tool_call>"}};
        case CallSyntax::deepseek:
            return {{"<｜tool▁calls▁begin｜>"}, {"<｜tool▁calls▁end｜>"}};
        case CallSyntax::kimi:
            return {{"<|tool_calls_section_begin|>"}, {"<|tool_calls_section_end|>"}};
        case CallSyntax::bare_json:
            return {{"<|python_tag|>"}, {}};
        case CallSyntax::harmony:
        case CallSyntax::none:
            return {};
    }
    return {};
}

std::vector<std::string> AnswerFormat::marks() const {
    std::vector<std::string> all;
    const auto add = [&](std::initializer_list<std::string_view> some) {
        all.insert(all.end(), some.begin(), some.end());
    };
    const Marks own = marks_of(calls);
    all.insert(all.end(), own.open.begin(), own.open.end());
    all.insert(all.end(), own.close.begin(), own.close.end());
    if (!reasoning_open.empty()) add({reasoning_open, reasoning_close});
    switch (calls) {
        case CallSyntax::harmony:
            add({"<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>",
                 "<|return|>"});
            break;
        case CallSyntax::mistral:
            add({"[ARGS]", "[CALL_ID]"});
            break;
        case CallSyntax::gemma:
            add({"<|\"|>"});
            break;
        case CallSyntax::arg_tags:
            add({"<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"});
            break;
        case CallSyntax::deepseek:
            add({"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"});
            break;
        case CallSyntax::kimi:
            add({"<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"});
            break;
        default:
            break;
    }
    return all;
}

bool ends_in_reasoning(std::string_view prompt, const AnswerFormat& format) {
    const auto without_spaces = [](std::string_view text) {
        return text.substr(0, text.find_last_not_of(kSpaces) + 1);
    };
    const std::string_view open = without_spaces(format.reasoning_open);
    return !open.empty() && without_spaces(prompt).ends_with(open);
}

namespace {

// The marks that templates write, most telling first: a family's own before those that others share.
AnswerFormat format_of(std::string_view source) {
    const auto has = [&](std::string_view mark) { return source.find(mark) != std::string_view::npos; };
    AnswerFormat format;
    if (has("<|channel|>")) {
        format.calls = CallSyntax::harmony;
        return format;
    }
    if (has("<|tool_call>")) {
        format.calls = CallSyntax::gemma;
        format.reasoning_open = "<|channel>thought\n";
        format.reasoning_close = "<channel|>";
        return format;
    }
    if (has("[TOOL_CALLS]")) {
        format.calls = CallSyntax::mistral;
        if (has("[THINK]")) {
            format.reasoning_open = "[THINK]";
            format.reasoning_close = "[/THINK]";
        }
        return format;
    }
    if (has("<think>") || has("</think>")) {
        format.reasoning_open = "<think>";
        format.reasoning_close = "</think>";
    }
    format.calls = has("DSML") || has("minimax:tool_call")        ? CallSyntax::invoke_tags
                   : has("<｜tool▁call▁begin｜>")                 ? CallSyntax::deepseek
                   : has("<|tool_call_begin|>")                   ? CallSyntax::kimi
                   : has("<arg_key>")                             ? CallSyntax::arg_tags
                   : has("<function=")                            ? CallSyntax::function_tags
                   : has("<tool_call>")                           ? CallSyntax::json_tags
                   : has("<TOOLCALL>") || has("<|START_ACTION|>") ? CallSyntax::json_tags
                   : has("<|python_tag|>")                        ? CallSyntax::bare_json
                                                                  : CallSyntax::none;
    return format;
}

// What stands around a name in each family.
struct Frame {
    std::string_view before, after;
};
Frame frame_of(CallSyntax syntax, std::string_view source) {
    const auto has = [&](std::string_view mark) { return source.find(mark) != std::string_view::npos; };
    switch (syntax) {
        case CallSyntax::json_tags:
            if (has("<TOOLCALL>")) return {"<TOOLCALL>[{\"name\": \"", "\", \"arguments\": "};
            if (has("<|START_ACTION|>"))
                return {"<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"",
                        "\", \"parameters\": "};
            return {"<tool_call>\n{\"name\": \"", "\", \"arguments\": "};
        case CallSyntax::function_tags:
            return {"<tool_call>\n<function=", ">\n"};
        case CallSyntax::arg_tags:
            return {"<tool_call>", "\n"};
        case CallSyntax::gemma:
            return {"<|tool_call>call:", "{"};
        case CallSyntax::bare_json:
            return {"{\"name\": \"", "\", \"parameters\": "};
        case CallSyntax::harmony:
            return {" to=functions.", "<|channel|>commentary json<|message|>"};
        case CallSyntax::mistral:
            return {"[TOOL_CALLS]", "[ARGS]"};
        case CallSyntax::invoke_tags:
            if (has("minimax:tool_call")) return {"<minimax:tool_call>\n<invoke name=\"", "\">\n"};
            if (has("DSML｜tool_calls")) return {"<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"", "\">\n"};
            return {"<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"", "\">\n"};
        case CallSyntax::deepseek:
            if (has("```json"))
                return {"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>", "\n```json\n"};
            return {"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>", "<｜tool▁sep｜>"};
        case CallSyntax::kimi:
            return {"<|tool_calls_section_begin|><|tool_call_begin|>functions.",
                    ":0<|tool_call_argument_begin|>"};
        case CallSyntax::none:
            break;
    }
    return {};
}

}  // namespace

AnswerFormat answer_format(std::string_view source, const Tokenizer* tokenizer) {
    AnswerFormat format = format_of(source);
    if (format.calls == CallSyntax::none && tokenizer != nullptr) {
        std::string words;  // the added tokens, none running into the next
        for (int id = 0; id < tokenizer->vocab_size(); ++id)
            if (tokenizer->is_added(id)) words += tokenizer->piece_bytes(id) + "\n";
        const AnswerFormat known = format_of(words);
        format.calls = known.calls;
        if (format.reasoning_open.empty()) {
            format.reasoning_open = known.reasoning_open;
            format.reasoning_close = known.reasoning_close;
        }
    }
    const Frame frame = frame_of(format.calls, source);
    format.before_name = frame.before;
    format.after_name = frame.after;
    return format;
}

QuotedText call_opening(const AnswerFormat& format, std::string_view name, bool in_reasoning) {
    QuotedText out;
    if (format.before_name.empty()) return out;
    if (in_reasoning) out.append(format.reasoning_close + "\n\n");
    out.append(format.before_name);
    if (name.empty()) return out;
    const bool in_json = format.before_name.ends_with("\": \"");
    std::string spelled = in_json ? to_json(Json(replace_invalid(name))) : replace_invalid(name);
    if (in_json) spelled = spelled.substr(1, spelled.size() - 2);
    out.append(spelled, Author::outside);
    out.append(format.after_name);
    return out;
}

}  // namespace hearth::text
