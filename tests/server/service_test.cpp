// tests/server/service_test.cpp - the whole server over loopback, with a scripted engine, and with ember:
// what a client sees, whole and streamed, alone and in company.
#include "server/service.h"

#include <boost/json.hpp>

#include "loopback_client.h"
#include "material.h"
#include "models/model.h"
#include "scripted_engine.h"

namespace hearth::server {
namespace {

using namespace std::chrono_literals;
using tests::Answer;
using tests::get;
using tests::LoopbackClient;
using tests::post;
using tests::ScriptedEngine;

constexpr const char* kChat = "/v1/chat/completions";

const models::LoadedTemplate& chatml() {
    static const models::LoadedTemplate loaded{
        text::ChatTemplate::parse(
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
            "{% endfor %}<|im_start|>assistant{{ '\\n' }}",
            "chatml")
            .value(),
        std::nullopt, std::nullopt};
    return loaded;
}

std::string chat_body(const std::string& content, const std::string& more = {}) {
    return R"({"messages":[{"role":"user","content":")" + content + "\"}]" + more + "}";
}

Json json_of(const Answer& answer) {
    auto parsed = parse_json(answer.body, "answer");
    EXPECT_TRUE(parsed.has_value()) << answer.head << answer.body;
    return parsed.value_or(Json());
}

// The chunks of a stream; fails when it does not end as it should.
std::vector<Json> events_of(const std::string& body) {
    std::vector<Json> events;
    std::string_view rest = body;
    bool done = false;
    while (!rest.empty()) {
        const auto end = rest.find("\n\n");
        EXPECT_NE(end, std::string_view::npos);
        if (end == std::string_view::npos) break;
        const std::string_view event = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        if (event.starts_with(":")) continue;
        EXPECT_TRUE(event.starts_with("data: ")) << event;
        EXPECT_FALSE(done) << event;
        if (event == "data: [DONE]")
            done = true;
        else
            events.push_back(*parse_json(event.substr(6), "event"));
    }
    return events;
}
std::string streamed_text(const std::vector<Json>& events, std::int64_t index = 0) {
    std::string text;
    for (const Json& event : events)
        if (event.as_object().contains("choices"))
            for (const Json& choice : event.at("choices").get_array())
                if (choice.at("index").to_number<std::int64_t>() == index)
                    if (const Json* content = choice.at("delta").get_object().if_contains("content"))
                        text += content->get_string();
    return text;
}
std::string whole_text(const Answer& answer, std::size_t index = 0) {
    const Json body = json_of(answer);
    if (answer.status != 200) return {};
    return std::string(body.at("choices").at(index).at("message").at("content").get_string());
}

class ServiceTest : public ::testing::Test {
  protected:
    void start(ServiceOptions options = {}) {
        static const text::Tokenizer tokenizer = tests::tiny_tokenizer();
        prompter_ = std::make_unique<models::Prompter>(tokenizer, chatml());
        open({"tiny", "fp_test", 1, tests::kTinyVocab, 256, prompter_.get(), answer_format_},
             std::make_unique<ScriptedEngine>(watch_), std::move(options));
    }
    void open(openai::ServedModel model, std::unique_ptr<Stepper> stepper, ServiceOptions options) {
        options.http.port = 0;
        auto opened = Service::open(std::move(model), std::move(stepper), std::move(options));
        ASSERT_OK(opened);
        service_ = std::move(*opened);
        thread_ = std::thread([this] { service_->run(); });
    }
    void TearDown() override {
        if (!service_) return;
        service_->stop();
        service_->stop();
        thread_.join();
        service_.reset();
    }
    Answer ask(const std::string& request) {
        LoopbackClient client(service_->port());
        client.send(request);
        return client.read_answer();
    }
    Answer chat(const std::string& body) { return ask(post(kChat, body)); }

    ScriptedEngine::Watch watch_;
    text::AnswerFormat answer_format_;
    std::unique_ptr<models::Prompter> prompter_;
    std::unique_ptr<Service> service_;
    std::thread thread_;
};

TEST_F(ServiceTest, AnswersWhole) {
    start();
    const Answer answer = chat(chat_body("hi", R"(,"max_tokens":7,"store":true,"model":"tiny")"));
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.header("content-type"), "application/json");
    EXPECT_EQ(answer.header("x-hearth-ignored"), "store");
    const Json body = json_of(answer);
    EXPECT_EQ(body.at("object"), "chat.completion");
    EXPECT_EQ(body.at("model"), "tiny");
    EXPECT_EQ(body.at("system_fingerprint"), "fp_test");
    EXPECT_TRUE(std::string_view(body.at("id").get_string()).starts_with("chatcmpl-"));
    const Json& choice = body.at("choices").at(0);
    EXPECT_EQ(choice.at("finish_reason"), "length");
    EXPECT_EQ(choice.at("message").at("role"), "assistant");
    EXPECT_TRUE(choice.at("logprobs").is_null());
    EXPECT_EQ(choice.at("message").at("content").get_string().size(), 7u);
    EXPECT_EQ(body.at("usage").at("completion_tokens"), 7);
    EXPECT_EQ(body.at("usage").at("total_tokens").to_number<int>(),
              body.at("usage").at("prompt_tokens").to_number<int>() + 7);
    EXPECT_EQ(body.at("timings").at("predicted_n"), 7);
}

TEST_F(ServiceTest, StreamsTheSameText) {
    start();
    const std::string whole = whole_text(chat(chat_body("hi", R"(,"max_tokens":9)")));
    const Answer answer =
        chat(chat_body("hi", R"(,"max_tokens":9,"stream":true,"stream_options":{"include_usage":true})"));
    EXPECT_EQ(answer.header("content-type"), "text/event-stream; charset=utf-8");
    EXPECT_TRUE(answer.body.ends_with("data: [DONE]\n\n"));
    const auto events = events_of(answer.body);
    ASSERT_EQ(events.size(), 12u);  // role, nine tokens, the end, usage
    EXPECT_EQ(streamed_text(events), whole);
    EXPECT_EQ(events[0].at("choices").at(0).at("delta").at("role"), "assistant");
    EXPECT_EQ(events[10].at("choices").at(0).at("finish_reason"), "length");
    EXPECT_TRUE(events[11].at("choices").get_array().empty());
    EXPECT_EQ(events[11].at("usage").at("completion_tokens"), 9);
    for (std::size_t i = 0; i < 11; ++i) EXPECT_TRUE(events[i].at("usage").is_null());
    for (const Json& event : events) EXPECT_EQ(event.at("id"), events[0].at("id"));
    const Answer quiet = chat(chat_body("hi", R"(,"max_tokens":1,"stream":true)"));
    EXPECT_EQ(quiet.body.find("usage"), std::string::npos);
}

// The streamed deltas put together, and the whole message, are the same parts.
TEST_F(ServiceTest, ReasoningAndToolCallsAreTheirOwnParts) {
    answer_format_ = {text::CallSyntax::json_tags, "<think>", "</think>"};
    watch_.script =
        "<think>\nhm, 1 < 2\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n"
        "</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>";
    start();
    const std::string tools = R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
    const Json message = json_of(chat(chat_body("hi", tools))).at("choices").at(0);
    EXPECT_EQ(message.at("finish_reason"), "tool_calls");
    EXPECT_EQ(message.at("message").at("content"), "I look.");
    EXPECT_EQ(message.at("message").at("reasoning_content"), "hm, 1 < 2");
    const auto& calls = message.at("message").at("tool_calls").get_array();
    ASSERT_EQ(calls.size(), 2u);
    EXPECT_EQ(calls[0].at("type"), "function");
    EXPECT_EQ(calls[0].at("function").at("name"), "f");
    EXPECT_EQ(calls[0].at("function").at("arguments"), R"({"a": 1})");
    EXPECT_NE(calls[0].at("id"), calls[1].at("id"));

    std::string content, reasoning;
    std::vector<std::string> names;
    const auto events = events_of(chat(chat_body("hi", tools + R"(,"stream":true)")).body);
    for (const Json& event : events) {
        const auto& delta = event.at("choices").at(0).at("delta").get_object();
        if (const Json* text = delta.if_contains("content")) content += text->get_string();
        if (const Json* text = delta.if_contains("reasoning_content")) reasoning += text->get_string();
        if (const Json* some = delta.if_contains("tool_calls")) {
            EXPECT_EQ(some->at(0).at("index").to_number<std::size_t>(), names.size());
            names.emplace_back(some->at(0).at("function").at("name").get_string());
        }
    }
    EXPECT_EQ(content, "I look.");
    EXPECT_EQ(reasoning, "hm, 1 < 2");
    EXPECT_EQ(names, (std::vector<std::string>{"f", "g"}));
    EXPECT_EQ(events.back().at("choices").at(0).at("finish_reason"), "tool_calls");

    // Without tools nothing is a call.
    const Json plain = json_of(chat(chat_body("hi"))).at("choices").at(0);
    EXPECT_EQ(plain.at("finish_reason"), "stop");
    EXPECT_NE(std::string_view(plain.at("message").at("content").get_string()).find("<tool_call>"),
              std::string_view::npos);
    EXPECT_FALSE(plain.at("message").get_object().contains("tool_calls"));
}

// A call that must come is begun for the model, which goes on with it.
TEST_F(ServiceTest, ForcedToolCalls) {
    answer_format_ = text::answer_format("<think><tool_call>");
    const std::string tools = R"(,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":)";
    watch_.script = R"({"a": 1}})"
                    "\n</tool_call>";
    start();
    const std::string named = tools + R"({"type":"function","function":{"name":"f"}})";
    const Json one = json_of(chat(chat_body("hi", named))).at("choices").at(0);
    EXPECT_EQ(one.at("finish_reason"), "stop");  // as the API has it for calls by name
    const Json call = one.at("message").at("tool_calls").at(0).at("function");
    EXPECT_EQ(call.at("name"), "f");
    EXPECT_EQ(call.at("arguments"), R"({"a": 1})");
    EXPECT_TRUE(one.at("message").at("content").is_null());
    std::string streamed;
    for (const Json& event : events_of(chat(chat_body("hi", named + R"(,"stream":true)")).body))
        if (const Json* some = event.at("choices").at(0).at("delta").get_object().if_contains("tool_calls"))
            streamed += some->at(0).at("function").at("arguments").get_string();
    EXPECT_EQ(streamed, R"({"a": 1})");

    watch_.script = R"(f", "arguments": {}})"
                    "\n</tool_call>"
                    R"(<tool_call>{"name": "f"}</tool_call>)";
    const Json any = json_of(chat(chat_body("hi", tools + "\"required\""))).at("choices").at(0);
    EXPECT_EQ(any.at("finish_reason"), "tool_calls");
    EXPECT_EQ(any.at("message").at("tool_calls").get_array().size(), 2u);
    const Json single = json_of(chat(chat_body("hi", tools + "\"required\",\"parallel_tool_calls\":false")))
                            .at("choices")
                            .at(0);
    EXPECT_EQ(single.at("message").at("tool_calls").get_array().size(), 1u);
    TearDown();

    answer_format_ = {};
    start();
    EXPECT_EQ(chat(chat_body("hi", tools + "\"required\"")).status, 400);
}

TEST_F(ServiceTest, SeveralChoicesAndLogprobs) {
    start();
    const std::string more = R"(,"max_tokens":4,"n":3,"logprobs":true,"top_logprobs":2)";
    const Json body = json_of(chat(chat_body("hi", more)));
    ASSERT_EQ(body.at("choices").get_array().size(), 3u);
    EXPECT_EQ(body.at("usage").at("completion_tokens"), 12);
    for (std::size_t i = 0; i < 3; ++i) {
        const Json& choice = body.at("choices").at(i);
        EXPECT_EQ(choice.at("index").to_number<std::size_t>(), i);
        const auto& content = choice.at("logprobs").at("content").get_array();
        ASSERT_EQ(content.size(), 4u);
        EXPECT_EQ(content[0].at("logprob"), -0.5);
        EXPECT_EQ(content[0].at("top_logprobs").get_array().size(), 2u);
        EXPECT_EQ(content[0].at("bytes").get_array().size(), 1u);
    }
    const auto events = events_of(chat(chat_body("hi", more + ",\"stream\":true")).body);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(streamed_text(events, static_cast<std::int64_t>(i)),
                  std::string(body.at("choices").at(i).at("message").at("content").get_string()));
}

TEST_F(ServiceTest, RefusesWithTheApisErrors) {
    start();
    const auto expect = [&](const std::string& request, int status, const std::string& code,
                            const char* param) {
        const Answer answer = ask(request);
        EXPECT_EQ(answer.status, status) << request;
        const Json body = json_of(answer);
        if (!body.is_object()) return;
        EXPECT_EQ(body.at("error").at("code"), boost::json::string(code)) << request;
        EXPECT_FALSE(body.at("error").at("message").get_string().empty());
        EXPECT_TRUE(body.at("error").at("type").is_string());
        if (param == nullptr)
            EXPECT_TRUE(body.at("error").at("param").is_null());
        else
            EXPECT_EQ(body.at("error").at("param"), param);
    };
    expect(post(kChat, "{"), 400, "usage", nullptr);
    expect(post(kChat, ""), 400, "usage", nullptr);
    expect(post(kChat, std::string(100'000, '[')), 400, "usage", nullptr);
    expect(post(kChat, "{\"messages\":\"\xff\"}"), 400, "usage", nullptr);
    expect(post(kChat, "{}"), 400, "usage", "messages");
    expect(post(kChat, chat_body("x", ",\"temperature\":9")), 400, "out_of_range", "temperature");
    expect(post(kChat, chat_body("x", ",\"model\":\"other\"")), 404, "model_not_found", "model");
    expect(post(kChat, chat_body(std::string(300, 'x'))), 400, "context_length_exceeded", "messages");
    expect(get(kChat), 405, "method_not_allowed", nullptr);
    expect("DELETE /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_not_allowed", nullptr);
    expect(get("/v1/nothing"), 404, "not_found", nullptr);
    expect(get("/v1/models/other"), 404, "model_not_found", "model");
    expect(get("/v1/models/%zz"), 400, "bad_request", nullptr);
    expect("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "forbidden", nullptr);
    expect(get("/v1/models", "Origin: http://evil.example\r\n"), 403, "forbidden", nullptr);
}

TEST_F(ServiceTest, ThePromptMayFillAllButOneToken) {
    start();  // 256 tokens of context, a token a byte
    const int frame = static_cast<int>(
        models::render(chatml(), {{"messages", {{{"role", "user"}, {"content", ""}}}}})->text.size());
    const Answer longest = chat(chat_body(std::string(static_cast<std::size_t>(255 - frame), 'x')));
    ASSERT_EQ(longest.status, 200) << longest.body;
    EXPECT_EQ(json_of(longest).at("usage").at("completion_tokens"), 1);
    EXPECT_EQ(chat(chat_body(std::string(static_cast<std::size_t>(256 - frame), 'x'))).status, 400);
}

TEST_F(ServiceTest, ModelsHealthHeadAndOptions) {
    start();
    EXPECT_EQ(json_of(ask(get("/health"))).at("status"), "ok");
    const Json models = json_of(ask(get("/v1/models")));
    EXPECT_EQ(models.at("object"), "list");
    EXPECT_EQ(models.at("data").at(0).at("id"), "tiny");
    EXPECT_EQ(json_of(ask(get("/v1/models/tiny"))).at("object"), "model");
    EXPECT_EQ(json_of(ask(get("/v1/models?limit=1"))).at("object"), "list");
    LoopbackClient client(service_->port());
    client.send("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(client.read_answer(true).status, 200);
    client.send("OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const Answer options = client.read_answer();
    EXPECT_EQ(options.status, 204);
    EXPECT_EQ(options.header("allow"), "POST, OPTIONS");
    EXPECT_EQ(options.header("access-control-allow-origin"), "");
}

TEST_F(ServiceTest, KeysGuardAllButHealth) {
    ServiceOptions options;
    options.api_keys = {"the-right-key"};
    start(std::move(options));
    EXPECT_EQ(ask(get("/health")).status, 200);
    for (const std::string& request :
         {get("/v1/models"), post(kChat, chat_body("x")), get("/nothing"), get("/metrics")})
        EXPECT_EQ(ask(request).status, 401) << request;
    EXPECT_EQ(ask(post(kChat, chat_body("x", ",\"max_tokens\":1"), "Authorization: Bearer the-right-key\r\n"))
                  .status,
              200);
}

TEST(Service, BeyondLoopbackAKeyIsNeeded) {
    ScriptedEngine::Watch watch;
    const text::Tokenizer tokenizer = tests::tiny_tokenizer();
    const models::Prompter prompter(tokenizer, chatml());
    ServiceOptions options;
    options.http.host = "0.0.0.0";
    options.http.port = 0;
    const openai::ServedModel model{"tiny", "fp", 1, 260, 256, &prompter};
    const auto refused = Service::open(model, std::make_unique<ScriptedEngine>(watch), options);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().fault, Fault::usage);
    options.api_keys = {"a-key-of-mine"};
    EXPECT_OK(Service::open(model, std::make_unique<ScriptedEngine>(watch), options));
}

TEST_F(ServiceTest, DisconnectingCancels) {
    watch_.step_micros = 1000;
    start();
    for (const char* stream : {"true", "false"}) {
        const int before = watch_.cancelled;
        {
            LoopbackClient client(service_->port());
            client.send(
                post(kChat, chat_body("x", ",\"ignore_eos\":true,\"stream\":" + std::string(stream))));
            for (int i = 0; i < 10'000 && watch_.running == 0; ++i) std::this_thread::sleep_for(1ms);
        }
        for (int i = 0; i < 10'000 && watch_.cancelled == before; ++i) std::this_thread::sleep_for(1ms);
        EXPECT_EQ(watch_.cancelled, before + 1);
        for (int i = 0; i < 10'000 && watch_.running != 0; ++i) std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(chat(chat_body("x", ",\"max_tokens\":2")).status, 200);
}

TEST_F(ServiceTest, AFullQueueAnswers429) {
    watch_.step_micros = 2000;
    ServiceOptions options;
    options.engine = {.running_max = 1, .waiting_max = 1};
    start(std::move(options));
    LoopbackClient a(service_->port()), b(service_->port());
    a.send(post(kChat, chat_body("a", ",\"stream\":true")));
    a.read_until("data:");
    b.send(post(kChat, chat_body("b", ",\"stream\":true")));
    b.read_until("data:");
    for (const char* stream : {"", ",\"stream\":true"}) {
        const Answer full = chat(chat_body("c", stream));
        EXPECT_EQ(full.status, 429);
        EXPECT_EQ(full.header("retry-after"), "1");
        EXPECT_EQ(json_of(full).at("error").at("type"), "rate_limit_error");
    }
}

TEST_F(ServiceTest, AFailingEngineIsToldInTheStream) {
    watch_.step_micros = 1000;
    start();
    LoopbackClient client(service_->port());
    client.send(post(kChat, chat_body("x", ",\"stream\":true")));
    client.read_until("data:");
    watch_.fail_next_step = true;
    const auto events = events_of(client.read_answer().body);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().at("error").at("code"), "io");
    watch_.fail_next_step = true;
    EXPECT_EQ(chat(chat_body("x")).status, 500);
    EXPECT_EQ(chat(chat_body("x", ",\"max_tokens\":1")).status, 200);
}

TEST_F(ServiceTest, ManyClientsEachGetTheirOwnAnswer) {
    ServiceOptions options;
    options.engine.waiting_max = 1000;
    start(std::move(options));
    std::vector<std::string> alone;
    for (int i = 0; i < 40; ++i)
        alone.push_back(whole_text(chat(chat_body(std::to_string(i), ",\"max_tokens\":30"))));
    std::vector<std::thread> clients;
    for (int i = 0; i < 40; ++i)
        clients.emplace_back([&, i] {
            const bool stream = i % 2 == 0;
            const Answer answer = chat(chat_body(
                std::to_string(i), stream ? ",\"max_tokens\":30,\"stream\":true" : ",\"max_tokens\":30"));
            EXPECT_EQ(stream ? streamed_text(events_of(answer.body)) : whole_text(answer),
                      alone[static_cast<std::size_t>(i)]);
        });
    for (auto& client : clients) client.join();
}

// Ember, the model inside the program.
TEST_F(ServiceTest, EmberAnswersTheSameInAnyCompany) {
    ThreadPool pool({.threads = 2});
    const auto model = models::load_model(tests::source_dir() / "models" / "ember", pool);
    ASSERT_OK(model);
    auto engine = engine::Engine::open(*model, {.threads = 2, .batch_max = 4});
    ASSERT_OK(engine);
    prompter_ = std::make_unique<models::Prompter>(*(*model)->tokenizer, chatml());
    open({"ember", "fp", 1, static_cast<int>((*model)->config().vocab), (*engine)->options().context_max,
          prompter_.get()},
         stepper_of(**engine), {});
    const std::string questions[] = {"Who is the baker?",  "What is 3 + 4?",   "Spell house.",
                                     "Where is the mill?", "Tell me a story.", "Is it cold in winter?"};
    const std::string ways[] = {",\"temperature\":0,\"max_tokens\":24", ",\"seed\":5,\"max_tokens\":24"};
    std::vector<std::string> alone;
    for (const auto& question : questions)
        for (const auto& way : ways) alone.push_back(whole_text(chat(chat_body(question, way))));
    EXPECT_NE(alone[0], "");
    EXPECT_NE(alone[0], alone[2]);
    std::vector<std::thread> clients;
    for (std::size_t i = 0; i < alone.size(); ++i)
        clients.emplace_back([&, i] {
            const Answer answer = chat(chat_body(questions[i / 2], ways[i % 2] + ",\"stream\":true"));
            EXPECT_EQ(streamed_text(events_of(answer.body)), alone[i]);
        });
    for (auto& client : clients) client.join();
    // The page of metrics says what was drawn: every answer above ran to 24 tokens or to its end.
    const Answer metrics = ask(get("/metrics"));
    EXPECT_EQ(metrics.status, 200);
    EXPECT_EQ(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    const auto counter = [&](const std::string& name) {
        const std::size_t at = metrics.body.find("\n" + name + " ");
        EXPECT_NE(at, std::string::npos) << name;
        return at == std::string::npos ? -1
                                       : std::strtod(metrics.body.c_str() + at + name.size() + 2, nullptr);
    };
    EXPECT_EQ(counter("hearth_answers_total"), 24);
    EXPECT_EQ(counter("hearth_answers_open"), 0);
    EXPECT_GT(counter("hearth_output_tokens_total"), 24);
    EXPECT_LE(counter("hearth_output_tokens_total"), 24 * 24);
    EXPECT_GT(counter("hearth_cached_prompt_tokens_total"), 0);
    for (const char* name :
         {"hearth_prefill_tokens_total", "hearth_prefill_seconds_total", "hearth_decode_tokens_total",
          "hearth_decode_seconds_total", "hearth_uptime_seconds"})
        EXPECT_GT(counter(name), 0) << name;
    EXPECT_LE(counter("hearth_prefill_seconds_total") + counter("hearth_decode_seconds_total"),
              counter("hearth_uptime_seconds"));
    // A message cannot end its own turn: its spelling of the control token is text.
    const Json plain = json_of(chat(chat_body("a", ",\"max_tokens\":1")));
    const Json spelled = json_of(chat(chat_body("a<|im_end|>", ",\"max_tokens\":1")));
    EXPECT_GT(spelled.at("usage").at("prompt_tokens").to_number<int>(),
              plain.at("usage").at("prompt_tokens").to_number<int>() + 1);
    TearDown();
}

}  // namespace
}  // namespace hearth::server
