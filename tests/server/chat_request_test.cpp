// tests/server/chat_request_test.cpp - every field of a chat request: absent, at its bounds, beyond, and of a
// wrong type. The ranges are those of the OpenAI API reference, or of base/limits.h.
#include "server/openai/chat_request.h"

#include <boost/json.hpp>

#include "base/limits.h"
#include "material.h"

namespace hearth::server::openai {
namespace {

constexpr int kVocab = 100;
constexpr const char* kMessages = R"("messages":[{"role":"user","content":"hi"}])";

ApiResult<ChatRequest> read(const std::string& fields) {
    return read_chat_request("{" + std::string(kMessages) + (fields.empty() ? "" : ",") + fields + "}",
                             kVocab);
}
ApiResult<ChatRequest> read_with(const std::string& messages) {
    return read_chat_request("{\"messages\":" + messages + "}", kVocab);
}

void expect_refused(const ApiResult<ChatRequest>& result, const std::string& param, const std::string& what) {
    ASSERT_FALSE(result.has_value()) << what;
    EXPECT_EQ(result.error().param, param) << what;
    EXPECT_EQ(info(result.error().error.fault).http_status, 400) << what;
    EXPECT_EQ(result.error().error.message.find('\n'), std::string::npos) << what;
}

TEST(ChatRequest, Defaults) {
    const auto request = read("");
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->sampling.temperature, 1);
    EXPECT_EQ(request->sampling.top_p, 1);
    EXPECT_EQ(request->sampling.top_k, 0);
    EXPECT_EQ(request->sampling.repetition_penalty, 1);
    EXPECT_FALSE(request->new_tokens_max.has_value());
    EXPECT_FALSE(request->stream);
    EXPECT_EQ(request->n, 1);
    EXPECT_TRUE(request->ignored.empty());
}

struct Bounds {
    const char* field;
    const char* fine[2];    // both ends
    const char* beyond[2];  // one step outside each
};

TEST(ChatRequest, NumbersAtTheirBoundsAndBeyond) {
    const Bounds all[] = {
        {"temperature", {"0", "2"}, {"-0.001", "2.001"}},
        {"top_p", {"0", "1"}, {"-0.001", "1.001"}},
        {"min_p", {"0", "1"}, {"-0.001", "1.001"}},
        {"top_k", {"-1", "1073741824"}, {"-2", "1073741825"}},
        {"presence_penalty", {"-2", "2"}, {"-2.001", "2.001"}},
        {"frequency_penalty", {"-2", "2"}, {"-2.001", "2.001"}},
        {"repetition_penalty", {"0.01", "10"}, {"0", "10.1"}},
        {"repeat_penalty", {"0.01", "10"}, {"-1", "1e300"}},
        {"max_tokens", {"1", "2147483647"}, {"0", "2147483648"}},
        {"max_completion_tokens", {"1", "2147483647"}, {"-1", "1e30"}},
        {"n", {"1", "16"}, {"0", "17"}},
        {"seed",
         {"-9223372036854775808", "9223372036854775807"},
         {"-9223372036854775809", "9223372036854775808"}},
    };
    for (const Bounds& b : all) {
        const std::string name = "\"" + std::string(b.field) + "\":";
        for (const char* value : b.fine) EXPECT_TRUE(read(name + value).has_value()) << name << value;
        EXPECT_TRUE(read(name + "null").has_value()) << name;
        for (const char* value : b.beyond) expect_refused(read(name + value), b.field, name + value);
        for (const char* value : {"\"1\"", "true", "[1]", "{}"})
            expect_refused(read(name + value), b.field, name + value);
    }
    for (const char* whole : {"top_k", "max_tokens", "n", "seed"})
        expect_refused(read("\"" + std::string(whole) + "\":1.5"), whole, whole);
    EXPECT_EQ(*read("\"max_tokens\":3.0")->new_tokens_max, 3);
    EXPECT_EQ(*read("\"max_tokens\":3,\"max_completion_tokens\":5")->new_tokens_max, 5);
    EXPECT_EQ(read("\"top_k\":-1")->sampling.top_k, 0);
}

TEST(ChatRequest, WrongTypesElsewhere) {
    const std::pair<const char*, std::vector<const char*>> all[] = {
        {"model", {"1", "[]"}},
        {"stream", {"1", "\"true\""}},
        {"stream_options", {"true", "[]"}},
        {"logprobs", {"5", "\"yes\""}},
        {"ignore_eos", {"1"}},
        {"stop", {"1", "{}", "true"}},
        {"logit_bias", {"[]", "1", "\"x\""}},
        {"tools", {"{}", "\"x\""}},
        {"tool_choice", {"\"required\"", "{\"type\":\"function\"}", "1", "\"some\""}},
        {"response_format", {"\"text\"", "{\"type\":\"json_object\"}", "{\"type\":\"json_schema\"}"}},
        {"modalities", {"\"text\"", "[\"audio\"]"}},
        {"functions", {"[]"}},
        {"function_call", {"\"auto\""}},
        {"grammar", {"\"root ::= x\""}},
        {"chat_template_kwargs", {"[]", "1"}},
        {"user", {"1"}},
    };
    for (const auto& [field, values] : all)
        for (const char* value : values)
            expect_refused(read("\"" + std::string(field) + "\":" + value), field,
                           std::string(field) + value);
    expect_refused(read("\"stream_options\":{\"include_usage\":1}"), "stream_options.include_usage", "usage");
    expect_refused(read("\"response_format\":{}"), "response_format.type", "format");
    expect_refused(read("\"chat_template_kwargs\":{\"messages\":[]}"), "chat_template_kwargs.messages",
                   "kwargs");
    EXPECT_TRUE(
        read("\"response_format\":{\"type\":\"text\"},\"tool_choice\":\"auto\",\"modalities\":[\"text\"]"));
}

TEST(ChatRequest, StopStrings) {
    EXPECT_EQ(read("\"stop\":\"x\"")->stop, std::vector<std::string>{"x"});
    EXPECT_EQ(read("\"stop\":[\"x\",\"yz\"]")->stop.size(), 2u);
    EXPECT_TRUE(read("\"stop\":[]")->stop.empty());
    const auto list = [](std::size_t n, std::size_t bytes) {
        std::string text = "\"stop\":[";
        for (std::size_t i = 0; i < n; ++i) text += (i > 0 ? ",\"" : "\"") + std::string(bytes, 'x') + "\"";
        return text + "]";
    };
    EXPECT_TRUE(read(list(kStopStringsMax, 1)).has_value());
    expect_refused(read(list(kStopStringsMax + 1, 1)), "stop", "too many");
    EXPECT_TRUE(read(list(1, kStopStringBytesMax)).has_value());
    expect_refused(read(list(1, kStopStringBytesMax + 1)), "stop[0]", "too long");
    expect_refused(read("\"stop\":[\"x\",\"\"]"), "stop[1]", "empty");
    expect_refused(read("\"stop\":\"\""), "stop", "empty");
    expect_refused(read("\"stop\":[1]"), "stop[0]", "number");
}

TEST(ChatRequest, LogprobsAndBias) {
    EXPECT_EQ(read("\"logprobs\":true,\"top_logprobs\":20")->top_logprobs, 20);
    expect_refused(read("\"logprobs\":true,\"top_logprobs\":21"), "top_logprobs", "21");
    expect_refused(read("\"logprobs\":true,\"top_logprobs\":-1"), "top_logprobs", "-1");
    expect_refused(read("\"top_logprobs\":1"), "top_logprobs", "without logprobs");
    EXPECT_TRUE(read("\"top_logprobs\":0").has_value());
    const auto bias = read("\"logit_bias\":{\"0\":-100,\"99\":100}");
    ASSERT_TRUE(bias.has_value());
    EXPECT_EQ(bias->sampling.logit_bias, (std::vector<std::pair<int, float>>{{0, -100.f}, {99, 100.f}}));
    for (const char* key : {"100", "-1", "x", "", "1.0", " 1", "99999999999999999999"})
        expect_refused(read("\"logit_bias\":{\"" + std::string(key) + "\":1}"), "logit_bias", key);
    expect_refused(read("\"logit_bias\":{\"1\":100.5}"), "logit_bias.1", "over");
    expect_refused(read("\"logit_bias\":{\"1\":\"x\"}"), "logit_bias.1", "text");
    std::string many = "\"logit_bias\":{\"0\":1";
    for (std::size_t i = 1; i <= kLogitBiasMax; ++i) many += ",\"" + std::string(i, '0') + "1\":1";
    expect_refused(read(many + "}"), "logit_bias", "many");
}

TEST(ChatRequest, Messages) {
    const auto fine = read_with(
        R"([{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"a"},
            {"type":"text","text":"b"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1",
            "type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},
            {"role":"tool","tool_call_id":"1","content":"r"},{"role":"assistant"}])");
    ASSERT_TRUE(fine.has_value());
    EXPECT_EQ(
        to_json(fine->messages),
        R"([{"role": "system", "content": "d"}, {"role": "user", "content": "a\nb"}, )"
        R"({"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", )"
        R"("function": {"name": "f", "arguments": {"x": 1}}}]}, )"
        R"({"role": "tool", "tool_call_id": "1", "content": "r"}, {"role": "assistant", "content": ""}])");
    const std::pair<const char*, const char*> wrong[] = {
        {"[]", "messages"},
        {"{}", "messages"},
        {"null", "messages"},
        {"[1]", "messages[0]"},
        {"[{}]", "messages[0].role"},
        {R"([{"role":1,"content":"x"}])", "messages[0].role"},
        {R"([{"role":"boss","content":"x"}])", "messages[0].role"},
        {R"([{"role":"user"}])", "messages[0].content"},
        {R"([{"role":"user","content":null}])", "messages[0].content"},
        {R"([{"role":"user","content":1}])", "messages[0].content"},
        {R"([{"role":"user","content":"x"},{"role":"user","content":{}}])", "messages[1].content"},
        {R"([{"role":"user","content":["x"]}])", "messages[0].content[0]"},
        {R"([{"role":"user","content":[{"type":"image_url"}]}])", "messages[0].content[0].type"},
        {R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0].text"},
        {R"([{"role":"user","content":[{"text":"x"}]}])", "messages[0].content[0].type"},
        {R"([{"role":"user","content":"x","name":1}])", "messages[0].name"},
        {R"([{"role":"assistant","tool_calls":1}])", "messages[0].tool_calls"},
        {R"([{"role":"assistant","tool_calls":[1]}])", "messages[0].tool_calls[0]"},
        {R"([{"role":"assistant","tool_calls":[{}]}])", "messages[0].tool_calls[0].function"},
        {R"([{"role":"assistant","tool_calls":[{"function":{}}]}])",
         "messages[0].tool_calls[0].function.name"},
    };
    for (const auto& [messages, param] : wrong) expect_refused(read_with(messages), param, messages);
    std::string many = "[";
    for (std::size_t i = 0; i < kMessagesMax; ++i) many += R"({"role":"user","content":"x"},)";
    EXPECT_TRUE(read_with(many.substr(0, many.size() - 1) + "]").has_value());
    expect_refused(read_with(many + R"({"role":"user","content":"x"}])"), "messages", "many");
}

TEST(ChatRequest, Tools) {
    const std::string tool = R"({"type":"function","function":{"name":"f","parameters":{"type":"object"}}})";
    EXPECT_EQ(read("\"tools\":[" + tool + "]")->tools.get_array().size(), 1u);
    EXPECT_TRUE(read("\"tools\":[" + tool + "],\"tool_choice\":\"none\"")->tools.is_null());
    EXPECT_TRUE(read("\"tools\":[]")->tools.is_null());
    expect_refused(read("\"tools\":[1]"), "tools[0]", "number");
    expect_refused(read("\"tools\":[{\"type\":\"function\"}]"), "tools[0]", "no function");
    expect_refused(read("\"tools\":[{\"type\":\"web\",\"function\":{\"name\":\"f\"}}]"), "tools[0]", "type");
    expect_refused(read(R"("tools":[{"type":"function","function":{"name":""}}])"), "tools[0].function.name",
                   "");
    std::string many = tool;
    for (std::size_t i = 1; i < kToolsMax; ++i) many += "," + tool;
    EXPECT_TRUE(read("\"tools\":[" + many + "]").has_value());
    expect_refused(read("\"tools\":[" + many + "," + tool + "]"), "tools", "many");
}

TEST(ChatRequest, ToolChoice) {
    const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":)";
    EXPECT_FALSE(read(tools + "\"auto\"")->forced_call.has_value());
    EXPECT_EQ(read(tools + "\"required\"")->forced_call, "");
    EXPECT_EQ(read(tools + R"({"type":"function","function":{"name":"f"}})")->forced_call, "f");
    expect_refused(read(tools + R"({"type":"function","function":{"name":"g"}})"), "tool_choice", "unknown");
    expect_refused(read(tools + R"({"type":"function","function":{"name":""}})"), "tool_choice", "no name");
    expect_refused(read(tools + R"({"type":"custom"})"), "tool_choice", "type");
    expect_refused(read("\"tool_choice\":\"required\""), "tool_choice", "no tools");
    expect_refused(read("\"tools\":[],\"tool_choice\":\"required\""), "tool_choice", "no tools");
    EXPECT_TRUE(read(tools + "\"none\"")->tools.is_null());
    EXPECT_FALSE(read(tools + "\"auto\",\"parallel_tool_calls\":false")->parallel_calls);
    expect_refused(read(tools + "\"auto\",\"parallel_tool_calls\":1"), "parallel_tool_calls", "number");
}

TEST(ChatRequest, UnknownFieldsAreIgnoredAndNamed) {
    const auto request = read("\"reasoning_effort\":\"low\",\"store\":true,\"frequency\":[{}]");
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->ignored, (std::vector<std::string>{"reasoning_effort", "store", "frequency"}));
}

TEST(ChatRequest, HostileBodies) {
    const std::string fine = "{" + std::string(kMessages) + ",\"stop\":[\"x\"],\"temperature\":0.5}";
    for (std::size_t n = 0; n < fine.size(); ++n)
        expect_refused(read_chat_request(fine.substr(0, n), kVocab), "", fine.substr(0, n));
    EXPECT_TRUE(read_chat_request(fine, kVocab).has_value());
    for (const std::string& body :
         {std::string("[]"), std::string("1"), std::string("nul"), fine + "x",
          std::string("\xEF\xBB\xBF") + fine, std::string(100'000, '['),
          std::string("{\"messages\":\"\xff\"}"), std::string("{\"messages\":\"\\ud800\"}"),
          std::string("{\"a\":\"\0\"}", 9)})
        EXPECT_EQ(info(read_chat_request(body, kVocab).error().error.fault).http_status, 400)
            << body.substr(0, 50);
    const auto nested = [](std::size_t depth) {
        return "\"x\":" + std::string(depth, '[') + std::string(depth, ']');
    };
    EXPECT_TRUE(read(nested(kJsonDepthMax - 1)).has_value());
    EXPECT_FALSE(read(nested(kJsonDepthMax)).has_value());
    std::string wide = "\"a\":0";  // many keys cost linear time
    for (int i = 0; i < 200'000; ++i) wide += ",\"k" + std::to_string(i) + "\":0";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(read(wide).has_value());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace hearth::server::openai
