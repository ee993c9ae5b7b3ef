// tests/text/tool_calls_test.cpp - answers parted into content, reasoning and calls: what each family's own
// template writes for a call is read back as that call, whole and in pieces; and no bytes break a parser.
#include "text/tool_calls.h"

#include <boost/json.hpp>
#include <chrono>

#include "base/file.h"
#include "base/limits.h"
#include "base/rng.h"
#include "material.h"
#include "text/chat_template.h"

namespace hearth::text {
namespace {

constexpr CallSyntax kAll[] = {CallSyntax::none,     CallSyntax::json_tags, CallSyntax::function_tags,
                               CallSyntax::arg_tags, CallSyntax::gemma,     CallSyntax::bare_json,
                               CallSyntax::harmony,  CallSyntax::mistral,   CallSyntax::invoke_tags,
                               CallSyntax::deepseek, CallSyntax::kimi};

AnswerFormat thinking(CallSyntax calls) { return {calls, "<think>", "</think>"}; }

Answer in_pieces(const AnswerFormat& format, const AnswerOptions& options,
                 const std::vector<std::string_view>& pieces) {
    Answer answer;
    AnswerParser parser(format, options);
    for (const std::string_view piece : pieces)
        for (AnswerPart& part : parser.push(piece)) append(answer, std::move(part));
    for (AnswerPart& part : parser.finish()) append(answer, std::move(part));
    return answer;
}

// The answer; the same in two pieces cut anywhere, and byte by byte.
Answer parsed(const AnswerFormat& format, std::string_view text, AnswerOptions options = {}) {
    const Answer whole = in_pieces(format, options, {text});
    for (std::size_t cut = 0; cut <= text.size(); ++cut)
        EXPECT_EQ(in_pieces(format, options, {text.substr(0, cut), text.substr(cut)}), whole)
            << text << " at " << cut;
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
    EXPECT_EQ(in_pieces(format, options, bytes), whole) << text;
    return whole;
}

Json json(std::string_view text) { return parse_json(text, "test").value(); }

const char* const kTools =
    R"([{"type": "function", "function": {"name": "get_weather", "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "which"},
    "days": {"type": "integer", "description": "how many"}, "exact": {"type": "boolean", "description": "or not"}},
    "required": ["city"]}}}])";

struct Template {
    const char* file;
    CallSyntax calls;
};
const Template kTemplates[] = {{"Qwen-Qwen3-0.6B", CallSyntax::json_tags},
                               {"ibm-granite-granite-4.0", CallSyntax::json_tags},
                               {"NVIDIA-Nemotron-Nano-v2", CallSyntax::json_tags},
                               {"Qwen3.5-4B", CallSyntax::function_tags},
                               {"Qwen3-Coder", CallSyntax::function_tags},
                               {"StepFun3.5-Flash", CallSyntax::function_tags},
                               {"GLM-4.7-Flash", CallSyntax::arg_tags},
                               {"google-gemma-4-31B-it", CallSyntax::gemma},
                               {"meta-llama-Llama-3.1-8B-Instruct", CallSyntax::bare_json},
                               {"openai-gpt-oss-120b", CallSyntax::harmony},
                               {"mistralai-Ministral-3-14B-Reasoning-2512", CallSyntax::mistral},
                               {"MiniMax-M2", CallSyntax::invoke_tags},
                               {"deepseek-ai-DeepSeek-V3.1", CallSyntax::deepseek}};

class TemplateCalls : public testing::TestWithParam<Template> {};

// The turn of an assistant that made this call, as the template writes it: an answer of its model.
Result<std::string> turn_of_call(const ChatTemplate& made, const Json& arguments) {
    const Json call = {{"id", "call12345"},
                       {"type", "function"},
                       {"function", {{"name", "get_weather"}, {"arguments", arguments}}}};
    boost::json::object context = {{"messages", {{{"role", "user"}, {"content", "Weather?"}}}},
                                   {"tools", json(kTools)},
                                   {"bos_token", ""},
                                   {"eos_token", ""},
                                   {"add_generation_prompt", true}};
    HEARTH_TRY(const QuotedText asked, made.render(Json(context)));
    const std::string& prompt = asked.text;
    context["messages"].as_array().push_back(
        {{"role", "assistant"}, {"content", ""}, {"tool_calls", boost::json::array{call}}});
    context["add_generation_prompt"] = false;
    HEARTH_TRY(const QuotedText answered, made.render(Json(context)));
    const std::string& all = answered.text;
    // Where they part, an opened thought may stand in the prompt alone.
    std::size_t at = 0;
    while (at < prompt.size() && at < all.size() && prompt[at] == all[at]) ++at;
    if (const std::size_t mark = all.rfind('<', at); mark != std::string::npos && all.find('>', mark) >= at)
        at = mark;  // not in the middle of a mark
    std::string answer = all.substr(at);
    if (const std::size_t think = answer.find("</think>"); think != std::string::npos)
        answer.erase(0, think + 8);
    for (const char* end : {"<|im_end|>", "<turn|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "[e~[",
                            "</s>", "<SPECIAL_12>", "<|tool_response>", "<｜end▁of▁sentence｜>"})
        if (const std::size_t cut = answer.rfind(end); cut != std::string::npos) answer.erase(cut);
    return answer;
}

TEST_P(TemplateCalls, AreReadBack) {
    HEARTH_NEEDS_SHARED("data/templates");
    const fs::path path = tests::shared("data/templates") / (std::string(GetParam().file) + ".jinja");
    const std::string source = read_text(path, kTemplateSourceBytesMax).value();
    const AnswerFormat format = answer_format(source);
    EXPECT_EQ(format.calls, GetParam().calls);
    const auto made = ChatTemplate::parse(source, GetParam().file);
    ASSERT_OK(made);
    const Json arguments = json(R"({"city": "Z\u00fcrich \"x\" {y}", "days": 3, "exact": true})");
    const auto answer = turn_of_call(*made, arguments);
    ASSERT_OK(answer);
    const Json tools = json(kTools);
    const Answer got = parsed(format, *answer, {.tools = &tools});
    ASSERT_EQ(got.calls.size(), 1u) << *answer;
    EXPECT_EQ(got.calls[0].name, "get_weather");
    EXPECT_EQ(json(got.calls[0].arguments), arguments) << *answer;
    EXPECT_EQ(got.content, "") << *answer;
}
// A call that is begun for the model begins as the template writes it.
TEST_P(TemplateCalls, AreBegunAsTheTemplateWritesThem) {
    HEARTH_NEEDS_SHARED("data/templates");
    const fs::path path = tests::shared("data/templates") / (std::string(GetParam().file) + ".jinja");
    const std::string source = read_text(path, kTemplateSourceBytesMax).value();
    const AnswerFormat format = answer_format(source);
    const auto made = ChatTemplate::parse(source, GetParam().file);
    ASSERT_OK(made);
    const auto answer = turn_of_call(*made, json(R"({"city": "Oslo"})"));
    ASSERT_OK(answer);
    const std::string any = call_opening(format, "", false).text;
    const std::string named = call_opening(format, "get_weather", false).text;
    const auto letters = [](std::string text) {  // but for white space, which models take as it comes
        std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
        return text;
    };
    EXPECT_NE(letters(*answer).find(letters(any)), std::string::npos) << *answer << "\nbegun " << any;
    EXPECT_NE(letters(*answer).find(letters(named)), std::string::npos) << *answer << "\nbegun " << named;
    const std::string thought = call_opening(format, "get_weather", true).text;
    EXPECT_EQ(thought, format.reasoning_close + "\n\n" + named);
}

INSTANTIATE_TEST_SUITE_P(Each, TemplateCalls, testing::ValuesIn(kTemplates), [](const auto& one) {
    std::string name = one.param.file;
    for (char& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return name;
});

TEST(ToolCalls, WhatATemplateDoesNotNameTheVocabularyMay) {
    const auto tokenizer = [](std::initializer_list<const char*> added) {
        TokenizerSpec spec;
        spec.where = "test";
        for (const char* content : added) {
            TokenizerSpec::Added token;
            token.id = static_cast<int>(spec.tokens.size());
            token.content = content;
            spec.added.push_back(token);
            spec.tokens.emplace_back(content);
        }
        return Tokenizer::make(std::move(spec)).value();
    };
    const std::string chatml = "{{ '<|im_start|>' }}{{ messages }}";
    EXPECT_EQ(answer_format(chatml).calls, CallSyntax::none);
    const Tokenizer ember = tokenizer({"<|im_start|>", "<tool_call>", "</tool_call>"});
    EXPECT_EQ(answer_format(chatml, &ember).calls, CallSyntax::json_tags);
    EXPECT_EQ(answer_format("<function=" + chatml, &ember).calls, CallSyntax::function_tags);
    const Tokenizer kimi = tokenizer({"<|tool_call_begin|>", "<think>"});
    EXPECT_EQ(answer_format(chatml, &kimi).calls, CallSyntax::kimi);
    EXPECT_EQ(answer_format(chatml, &kimi).reasoning_open, "<think>");
    const Tokenizer none = tokenizer({"<|im_start|>"});
    EXPECT_EQ(answer_format(chatml, &none).calls, CallSyntax::none);
    EXPECT_EQ(call_opening(answer_format(chatml, &none), "f", false).text, "");
}

TEST(ToolCalls, ANameInABegunCallIsNobodysMark) {
    const AnswerFormat format = answer_format("<tool_call>");
    const QuotedText begun = call_opening(format, "f\"<|im_end|>", false);
    EXPECT_EQ(begun.text, "<tool_call>\n{\"name\": \"f\\\"<|im_end|>\", \"arguments\": ");
    ASSERT_EQ(begun.ranges.size(), 1u);
    EXPECT_EQ(begun.text.substr(begun.ranges[0].begin, begun.ranges[0].end - begun.ranges[0].begin),
              "f\\\"<|im_end|>");
}

TEST(ToolCalls, ContentReasoningAndCallsTogether) {
    const Answer answer =
        parsed(thinking(CallSyntax::json_tags),
               "<think>\nlet me see\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": "
               "{\"a\": 1.50}}\n</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>\nDone. ");
    EXPECT_EQ(answer.reasoning, "let me see");
    EXPECT_EQ(answer.content, "I look.Done.");
    EXPECT_EQ(answer.calls, (std::vector<ToolCall>{{"f", R"({"a": 1.5})"}, {"g", "{}"}}));
    EXPECT_EQ(parsed(thinking(CallSyntax::none), "all of\nit</think> yes", {.in_reasoning = true}),
              (Answer{"yes", "all of\nit", {}}));
    EXPECT_EQ(parsed(thinking(CallSyntax::none), " plain \n text \n"), (Answer{" plain \n text \n", "", {}}));
    EXPECT_EQ(parsed(thinking(CallSyntax::json_tags), "<think>never closed"),
              (Answer{"", "never closed", {}}));
}

TEST(ToolCalls, ACallWithoutItsClosingMarkIsACall) {
    EXPECT_EQ(
        parsed(thinking(CallSyntax::json_tags), R"(<tool_call>{"name": "f", "arguments": {}})").calls.size(),
        1u);
    EXPECT_EQ(parsed({CallSyntax::function_tags, "", ""}, "<tool_call><function=f></function>").calls.size(),
              1u);
}

TEST(ToolCalls, ClosingMarksInsideValues) {
    const Answer answer =
        parsed(thinking(CallSyntax::json_tags),
               R"(<tool_call>{"name": "f", "arguments": {"x": "</tool_call>"}}</tool_call>)");
    ASSERT_EQ(answer.calls.size(), 1u);
    EXPECT_EQ(json(answer.calls[0].arguments), json(R"({"x": "</tool_call>"})"));
    const Answer tags = parsed({CallSyntax::function_tags, "", ""},
                               "<tool_call>\n<function=f>\n<parameter=x>\na </tool_call> b\n</parameter>\n"
                               "</function>\n</tool_call>");
    ASSERT_EQ(tags.calls.size(), 1u);
    EXPECT_EQ(json(tags.calls[0].arguments), json(R"({"x": "a </tool_call> b"})"));
}

TEST(ToolCalls, WhatIsNoCallIsContent) {
    const AnswerFormat format{CallSyntax::json_tags, "", ""};
    for (const std::string text :
         {"<tool_call>{bad}</tool_call>", "<tool_call>", "a <tool_call>{\"name\": 3}</tool_call> b",
          "<tool_call>[]</tool_call>", "</tool_call>", "<tool_cal"})
        EXPECT_EQ(parsed(format, text), (Answer{text, "", {}}));
    const Answer later =
        parsed(format, R"(<tool_call>{bad}</tool_call><tool_call>{"name": "f"}</tool_call>)");
    EXPECT_EQ(later.content, "<tool_call>{bad}</tool_call>");
    EXPECT_EQ(later.calls.size(), 1u);
    // Asked not to read calls, they stand in the content.
    const std::string call = R"(<tool_call>{"name": "f"}</tool_call>)";
    EXPECT_EQ(parsed(format, call, {.read_calls = false}).content, call);
}

TEST(ToolCalls, HarmonyHasChannels) {
    const AnswerFormat format{CallSyntax::harmony, "", ""};
    EXPECT_EQ(parsed(format,
                     "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>"
                     "Yes.<|return|>"),
              (Answer{"Yes.", "Hm.", {}}));
    const Answer call = parsed(format,
                               "<|channel|>analysis<|message|>need it<|end|><|start|>assistant<|channel|>"
                               "commentary to=functions.f <|constrain|>json<|message|>{}<|call|>");
    EXPECT_EQ(call, (Answer{"", "need it", {{"f", "{}"}}}));
    EXPECT_EQ(parsed(format, " to=functions.f<|channel|>commentary json<|message|>{}").calls.size(), 1u);
    EXPECT_EQ(parsed(format, "no channel at all"), (Answer{"no channel at all", "", {}}));
}

TEST(ToolCalls, MistralAndDsmlBesideTheirTemplates) {
    const Answer mistral =
        parsed({CallSyntax::mistral, "[THINK]", "[/THINK]"},
               R"([THINK]t[/THINK]ok[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{"a": "]}"}[TOOL_CALLS]g[ARGS]{})");
    EXPECT_EQ(mistral, (Answer{"ok", "t", {{"f", R"({"a": "]}"})"}, {"g", "{}"}}}));
    EXPECT_EQ(
        parsed({CallSyntax::mistral, "", ""}, R"([TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}])").calls,
        (std::vector<ToolCall>{{"f", R"({"a": 1})"}}));
    const Answer dsml =
        parsed({CallSyntax::invoke_tags, "<think>", "</think>"},
               "x\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" "
               "string=\"true\">1</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">[2]"
               "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>");
    ASSERT_EQ(dsml.calls.size(), 1u);
    EXPECT_EQ(dsml.content, "x");
    EXPECT_EQ(json(dsml.calls[0].arguments), json(R"({"a": "1", "b": [2]})"));
}

// The template of Kimi K2 changes a list in place, which transformers' sandbox refuses, and so do we.
TEST(ToolCalls, KimiAndOldDeepseek) {
    const Answer kimi = parsed(
        {CallSyntax::kimi, "", ""},
        "I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
        "<|tool_call_argument_begin|>{\"city\": \"Bern\"}<|tool_call_end|><|tool_call_begin|>functions.f:1"
        "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>");
    EXPECT_EQ(kimi, (Answer{"I look.", "", {{"get_weather", R"({"city": "Bern"})"}, {"f", "{}"}}}));
    const Answer deepseek =
        parsed({CallSyntax::deepseek, "", ""},
               "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```"
               "<｜tool▁call▁end｜><｜tool▁calls▁end｜>");
    EXPECT_EQ(deepseek.calls, (std::vector<ToolCall>{{"f", R"({"a": 1})"}}));
}

// Marks, pieces of marks, JSON and other bytes in any order: the same answer for any cut.
TEST(ToolCalls, AnyBytesInAnyPieces) {
    Philox random(7);
    for (const CallSyntax calls : kAll) {
        const AnswerFormat format = thinking(calls);
        std::vector<std::string> words = format.marks();
        for (const char* word : {"{", "}", "\"", "name", "{\"name\": \"f\", \"arguments\": {}}", " ", "\n",
                                 "a", "<function=f>", "</function>", "<parameter=p>", "</parameter>",
                                 "[ARGS]", "call:f{", "<", "\xff", "\xe2\x82", "\\", "to=functions.f"})
            words.emplace_back(word);
        for (int i = 0; i < 300; ++i) {
            std::string text;
            for (std::uint64_t n = random.below(12); n > 0; --n) {
                const std::string& word = words[random.below(words.size())];
                text += random.below(4) == 0 ? word.substr(0, random.below(word.size() + 1)) : word;
            }
            const AnswerOptions options{.in_reasoning = random.below(4) == 0};
            const Answer whole = in_pieces(format, options, {text});
            std::vector<std::string_view> pieces;
            for (std::size_t at = 0; at < text.size();) {
                const std::size_t n = 1 + random.below(4);
                pieces.push_back(std::string_view(text).substr(at, n));
                at += n;
            }
            ASSERT_EQ(in_pieces(format, options, pieces), whole) << static_cast<int>(calls) << ": " << text;
            ASSERT_EQ(parse_answer(format, options, text), whole);
        }
    }
}

TEST(ToolCalls, AMegabyteOfMarksIsReadInTime) {
    for (const CallSyntax calls : kAll)
        for (const char* word : {"<tool_call>", "</tool_call>", "<tool_call>{\"</tool_call>",
                                 "[TOOL_CALLS]f[ARGS]{", "<|channel|>", "{"}) {
            std::string text;
            while (text.size() < 1'000'000) text += word;
            const auto start = std::chrono::steady_clock::now();
            static_cast<void>(parse_answer(thinking(calls), {}, text));
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
            EXPECT_LT(took.count(), 10.0) << static_cast<int>(calls) << " " << word;
        }
}

}  // namespace
}  // namespace hearth::text
