// text/tool_calls.h - what a model wrote, parted into content, reasoning and tool calls, as it comes.
//
// Each family has its own way to mark them (notes stand with each in answer_format.cpp). The parsers are
// total: any bytes give content and calls, what cannot be read as a call is content, and the result does not
// depend on how the text was cut into pieces.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/quoted_text.h"
#include "text/tokenizer.h"

namespace hearth::text {

enum class CallSyntax {
    none,
    json_tags,      // <tool_call>{"name": F, "arguments": {...}}</tool_call>: Qwen 3, Hermes, ember
    function_tags,  // <tool_call><function=F><parameter=P>V</parameter></function></tool_call>: Qwen 3.5,
                    // Step
    arg_tags,       // <tool_call>F<arg_key>K</arg_key><arg_value>V</arg_value></tool_call>: GLM
    gemma,          // <|tool_call>call:F{k:<|"|>v<|"|>}<tool_call|>: Gemma 4
    bare_json,      // {"name": F, "parameters": {...}} as the whole answer: Llama 3
    harmony,        // <|channel|>commentary to=functions.F<|message|>{...}<|call|>: gpt-oss
    mistral,        // [TOOL_CALLS]F[ARGS]{...}: Mistral
    invoke_tags,    // <invoke name="F"><parameter name="P">V</parameter></invoke>: DeepSeek's DSML, MiniMax
    deepseek,  // <｜tool▁call▁begin｜>F<｜tool▁sep｜>{...}<｜tool▁call▁end｜>: DeepSeek V3
    kimi,      // <|tool_call_begin|>functions.F:0<|tool_call_argument_begin|>{...}<|tool_call_end|>: Kimi K2
};

// How a family writes its answers.
struct AnswerFormat {
    CallSyntax calls = CallSyntax::none;
    std::string reasoning_open, reasoning_close;  // empty: no reasoning of this kind (harmony has channels)
    // What stands before and after the name of a call's function, as the model's own turns have it.
    std::string before_name = {}, after_name = {};

    // The marks that a parser must see: control tokens among them stay in the text that it is given.
    [[nodiscard]] std::vector<std::string> marks() const;
};

// From a chat template's source: templates write the marks that their models write. What a template does not
// name is looked for among the added tokens: a model may have been taught calls that its template never
// writes.
AnswerFormat answer_format(std::string_view template_source, const Tokenizer* tokenizer = nullptr);

// The beginning of a call, which the model can only go on with: of the function `name`, or, where it is
// empty, of any. Empty text: this family has no calls. `in_reasoning`: a thought is open, and ends first.
QuotedText call_opening(const AnswerFormat& format, std::string_view name, bool in_reasoning);

// Whether a prompt leaves a thought open that the answer begins in.
bool ends_in_reasoning(std::string_view prompt, const AnswerFormat& format);

struct ToolCall {
    std::string name;
    std::string arguments;  // the text of a JSON object
    bool operator==(const ToolCall&) const = default;
};

// What has become certain. Text of one kind may come in many pieces.
struct AnswerPart {
    enum class Kind { content, reasoning, call } kind = Kind::content;
    std::string text;
    ToolCall call;
};

struct AnswerOptions {
    bool in_reasoning = false;  // the prompt ended with reasoning_open
    bool read_calls = true;     // false: calls are content
    const Json* tools =
        nullptr;  // the request's, to know which parameters are strings; must outlive the parser
};

class AnswerParser {
  public:
    AnswerParser(AnswerFormat format, AnswerOptions options);
    AnswerParser(AnswerParser&&) noexcept;
    AnswerParser& operator=(AnswerParser&&) noexcept;
    ~AnswerParser();

    std::vector<AnswerPart> push(std::string_view text);
    std::vector<AnswerPart> finish();  // what was held back; nothing may follow

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// A whole answer: the parts joined.
struct Answer {
    std::string content, reasoning;
    std::vector<ToolCall> calls;
    bool operator==(const Answer&) const = default;
};
Answer parse_answer(const AnswerFormat& format, const AnswerOptions& options, std::string_view text);
void append(Answer& answer, AnswerPart part);

}  // namespace hearth::text
