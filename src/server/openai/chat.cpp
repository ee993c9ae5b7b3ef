// server/openai/chat.cpp - a chat answer: n choices of one prompt, gathered or streamed as they come.
#include "server/openai/chat.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>
#include <random>
#include <set>

#include "base/check.h"
#include "server/openai/chat_request.h"
#include "server/sse.h"

namespace hearth::server::openai {
namespace {

constexpr double kLogprobMin = -9999;  // what the OpenAI API writes for minus infinity

std::uint64_t random_bits() {
    thread_local std::random_device device;
    return std::uint64_t{device()} << 32 | device();
}

// Runs on the engine thread once its requests are accepted, so that nothing here needs a lock.
class ChatAnswer : public std::enable_shared_from_this<ChatAnswer> {
  public:
    // `begun`: what the prompt already holds of the answer.
    ChatAnswer(std::shared_ptr<Exchange> exchange, const ServedModel& model, ChatRequest request,
               bool in_reasoning, std::string_view begun)
        : exchange_(std::move(exchange)),
          model_(model),
          request_(std::move(request)),
          unfinished_(request_.n) {
        for (const std::string& mark : model.answer_format.marks()) marks_.insert(mark);
        for (int i = 0; i < request_.n; ++i)
            choices_.push_back(
                {text::AnswerParser(model.answer_format, {.in_reasoning = in_reasoning,
                                                          .read_calls = request_.tools.is_array(),
                                                          .tools = &request_.tools}),
                 {},
                 {},
                 {}});
        for (Choice& choice : choices_)
            for (text::AnswerPart& part : choice.parser.push(begun)) append(choice.answer, std::move(part));
        id_ = fmt::format("chatcmpl-{:016x}{:08x}", random_bits(), random_bits() & 0xFFFFFFFF);
        created_ = static_cast<std::int64_t>(std::time(nullptr));
    }

    std::vector<EngineThread::Job> jobs(std::vector<int> prompt);
    void begin();

  private:
    struct Choice {
        text::AnswerParser parser;
        text::Answer answer;
        boost::json::array logprobs;
        engine::Completion completion;
    };

    bool on_token(std::size_t index, const engine::TokenOut& token);
    void on_done(std::size_t index, Result<engine::Completion> done);
    void finish();
    Json head(std::string_view object) const;
    Json logprob_entry(const engine::TokenLogprob& logprob) const;
    void take(std::size_t index, std::vector<text::AnswerPart> parts, Json logprobs);
    Json call_json(const text::ToolCall& call) const;
    void send_chunk(std::size_t index, boost::json::object delta, Json logprobs, Json reason);
    Json usage() const;
    Json timings() const;
    HttpReply reply_head() const;

    std::shared_ptr<Exchange> exchange_;
    const ServedModel& model_;
    ChatRequest request_;
    std::vector<Choice> choices_;
    std::set<std::string, std::less<>> marks_;  // control tokens that the parser must see
    int unfinished_;
    std::optional<Error> failure_;
    std::string id_;
    std::int64_t created_ = 0;
};

// A call that was asked for by name ends an answer as a text does.
std::string_view reason_name(engine::StopReason reason, const text::Answer& answer,
                             const ChatRequest& request) {
    if (reason == engine::StopReason::length) return "length";
    const bool named = request.forced_call && !request.forced_call->empty();
    return answer.calls.empty() || named ? "stop" : "tool_calls";
}

// Parts as they became certain: into the answer, and out to the client.
void ChatAnswer::take(std::size_t index, std::vector<text::AnswerPart> parts, Json logprobs) {
    Choice& choice = choices_[index];
    const auto send = [&](boost::json::object delta) {
        if (request_.stream) send_chunk(index, std::move(delta), std::exchange(logprobs, nullptr), nullptr);
    };
    for (text::AnswerPart& part : parts) {
        if (part.kind == text::AnswerPart::Kind::content) {
            send({{"content", part.text}});
        } else if (part.kind == text::AnswerPart::Kind::reasoning) {
            send({{"reasoning_content", part.text}});
        } else if (!request_.parallel_calls && !choice.answer.calls.empty()) {
            continue;
        } else {
            boost::json::object call = call_json(part.call).get_object();
            call["index"] = choice.answer.calls.size();
            send({{"tool_calls", boost::json::array{std::move(call)}}});
        }
        append(choice.answer, std::move(part));
    }
    if (!logprobs.is_null()) send({{"content", ""}});
}

Json ChatAnswer::call_json(const text::ToolCall& call) const {
    return {{"id", fmt::format("call_{:016x}", random_bits())},
            {"type", "function"},
            {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

std::vector<EngineThread::Job> ChatAnswer::jobs(std::vector<int> prompt) {
    const int room = model_.context_max - static_cast<int>(prompt.size());
    const std::uint64_t seed = request_.has_seed ? request_.sampling.seed : random_bits();
    std::vector<EngineThread::Job> jobs;
    for (std::size_t i = 0; i < choices_.size(); ++i) {
        engine::Request one;
        one.prompt = prompt;
        one.sampling = request_.sampling;
        one.sampling.seed = seed + i;
        one.new_tokens_max = std::min(request_.new_tokens_max.value_or(room), room);
        one.stop_strings = request_.stop;
        one.ignore_eos = request_.ignore_eos;
        one.want_logprobs = request_.logprobs;
        one.top_logprobs = request_.top_logprobs;
        one.on_token = [self = shared_from_this(), i](const engine::TokenOut& token) {
            return self->on_token(i, token);
        };
        jobs.push_back({std::move(one), [self = shared_from_this(), i](Result<engine::Completion> done) {
                            self->on_done(i, std::move(done));
                        }});
    }
    return jobs;
}

HttpReply ChatAnswer::reply_head() const {
    HttpReply head;
    std::string names;
    for (const std::string& name : request_.ignored) {
        const bool plain = name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
                               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                           });
        if (plain && names.size() < 512) names += (names.empty() ? "" : ", ") + name;
    }
    if (!names.empty()) head.headers.push_back({"x-hearth-ignored", names});
    return head;
}

void ChatAnswer::begin() {
    if (!request_.stream) return;
    HttpReply reply = reply_head();
    reply.content_type = "text/event-stream; charset=utf-8";
    reply.headers.push_back({"cache-control", "no-store"});
    exchange_->begin(std::move(reply), std::string(kSsePing));
    for (std::size_t i = 0; i < choices_.size(); ++i)
        send_chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
}

bool ChatAnswer::on_token(std::size_t index, const engine::TokenOut& token) {
    Choice& choice = choices_[index];
    std::string_view text = token.text;
    // A control token that does not end the answer is not part of its text, but it may mark its parts.
    if (token.id >= 0 && model_.prompter->tokenizer().is_special(token.id)) {
        const std::string& spelling = model_.prompter->tokenizer().piece_bytes(token.id);
        if (text.ends_with(spelling) && !marks_.contains(spelling)) text.remove_suffix(spelling.size());
    }
    Json logprobs = nullptr;
    if (token.logprob != nullptr) {
        Json entry = logprob_entry(*token.logprob);
        if (request_.stream)
            logprobs = {{"content", boost::json::array{std::move(entry)}}, {"refusal", nullptr}};
        else
            choice.logprobs.push_back(std::move(entry));
    }
    take(index, choice.parser.push(text), std::move(logprobs));
    return !exchange_->gone();
}

void ChatAnswer::on_done(std::size_t index, Result<engine::Completion> done) {
    if (!done) {
        failure_ = done.error();
    } else if (done->reason == engine::StopReason::cancelled) {
        failure_ = Error{Fault::cancelled, "the answer was cancelled before its end"};
    } else {
        Choice& choice = choices_[index];
        choice.completion = std::move(*done);
        take(index, choice.parser.finish(), nullptr);
        if (request_.stream)
            send_chunk(index, {}, nullptr,
                       boost::json::string(reason_name(choice.completion.reason, choice.answer, request_)));
    }
    if (--unfinished_ == 0) finish();
}

void ChatAnswer::finish() {
    if (failure_ && !request_.stream) return exchange_->reply(error_reply({*failure_}));
    if (failure_) {
        exchange_->write(sse_event(to_json(error_json({*failure_}))));
        return exchange_->end();
    }
    if (request_.stream) {
        if (request_.include_usage) {
            Json chunk = head("chat.completion.chunk");
            chunk.get_object()["choices"] = boost::json::array();
            chunk.get_object()["usage"] = usage();
            chunk.get_object()["timings"] = timings();
            exchange_->write(sse_event(to_json(chunk)));
        }
        exchange_->write(std::string(kSseDone));
        return exchange_->end();
    }
    boost::json::array choices;
    for (std::size_t i = 0; i < choices_.size(); ++i) {
        Choice& choice = choices_[i];
        Json logprobs = nullptr;
        if (request_.logprobs) logprobs = {{"content", std::move(choice.logprobs)}, {"refusal", nullptr}};
        const text::Answer& answer = choice.answer;
        boost::json::object message = {
            {"role", "assistant"}, {"content", answer.content}, {"refusal", nullptr}};
        if (!answer.reasoning.empty()) message["reasoning_content"] = answer.reasoning;
        if (!answer.calls.empty()) {
            boost::json::array calls;
            for (const text::ToolCall& call : answer.calls) calls.push_back(call_json(call));
            message["tool_calls"] = std::move(calls);
            if (answer.content.empty()) message["content"] = nullptr;
        }
        choices.push_back({{"index", i},
                           {"message", std::move(message)},
                           {"logprobs", std::move(logprobs)},
                           {"finish_reason", reason_name(choice.completion.reason, answer, request_)}});
    }
    Json answer = head("chat.completion");
    answer.get_object()["choices"] = std::move(choices);
    answer.get_object()["usage"] = usage();
    answer.get_object()["timings"] = timings();
    HttpReply reply = reply_head();
    reply.body = to_json(answer) + "\n";
    exchange_->reply(std::move(reply));
}

Json ChatAnswer::head(std::string_view object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_.id},
            {"system_fingerprint", model_.fingerprint}};
}

Json ChatAnswer::logprob_entry(const engine::TokenLogprob& logprob) const {
    const text::Tokenizer& tokenizer = model_.prompter->tokenizer();
    const auto entry = [&](int id, float value) {
        boost::json::array bytes;
        for (const char c : tokenizer.piece_bytes(id)) bytes.push_back(static_cast<unsigned char>(c));
        const int ids[] = {id};
        return boost::json::object{{"token", tokenizer.decode(ids)},
                                   {"logprob", std::max(static_cast<double>(value), kLogprobMin)},
                                   {"bytes", std::move(bytes)}};
    };
    boost::json::array top;
    for (const auto& [id, value] : logprob.top) top.push_back(entry(id, value));
    boost::json::object whole = entry(logprob.id, logprob.logprob);
    whole["top_logprobs"] = std::move(top);
    return whole;
}

void ChatAnswer::send_chunk(std::size_t index, boost::json::object delta, Json logprobs, Json reason) {
    Json chunk = head("chat.completion.chunk");
    boost::json::object choice{{"index", index}, {"delta", std::move(delta)}};
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = std::move(reason);
    boost::json::array choices;
    choices.push_back(std::move(choice));
    chunk.get_object()["choices"] = std::move(choices);
    if (request_.include_usage) chunk.get_object()["usage"] = nullptr;
    exchange_->write(sse_event(to_json(chunk)));
}

Json ChatAnswer::usage() const {
    const auto prompt = static_cast<std::int64_t>(choices_[0].completion.prompt_tokens);
    std::int64_t answered = 0;
    for (const Choice& choice : choices_) answered += static_cast<std::int64_t>(choice.completion.ids.size());
    return {{"prompt_tokens", prompt},
            {"completion_tokens", answered},
            {"total_tokens", prompt + answered},
            {"prompt_tokens_details", {{"cached_tokens", choices_[0].completion.cached_tokens}}}};
}

// Of the first choice; the names are llama-server's, whose clients read them.
Json ChatAnswer::timings() const {
    const engine::Completion& c = choices_[0].completion;
    const auto answered = static_cast<double>(c.ids.size());
    // Decoding begins with the second token: the first falls out of the prompt.
    const double decoded = std::max(answered - 1, 0.0);
    const auto rate = [](double n, double seconds) { return seconds > 0 ? n / seconds : 0.0; };
    const int evaluated = c.prompt_tokens - c.cached_tokens;
    return {{"cache_n", c.cached_tokens},
            {"prompt_n", evaluated},
            {"prompt_ms", c.prefill_seconds * 1000},
            {"prompt_per_second", rate(evaluated, c.prefill_seconds)},
            {"predicted_n", c.ids.size()},
            {"predicted_ms", c.decode_seconds * 1000},
            {"predicted_per_second", rate(decoded, c.decode_seconds)}};
}

}  // namespace

namespace {
// What the template sees.
Json conversation_of(const ChatRequest& request) {
    boost::json::object context;
    if (request.template_extra.is_object()) context = request.template_extra.get_object();
    context["messages"] = request.messages;
    if (request.tools.is_array()) context["tools"] = request.tools;
    context["add_generation_prompt"] = true;
    return context;
}
}  // namespace

void answer_chat(const std::shared_ptr<Exchange>& exchange, const ServedModel& model, EngineThread& engine) {
    auto request = read_chat_request(exchange->request().body, model.vocab);
    if (!request) return exchange->reply(error_reply(request.error()));
    if (!request->model.empty() && request->model != model.id)
        return exchange->reply(error_reply(
            {{Fault::not_found, fmt::format("model: expected \"{}\", the one served here, saw \"{}\"",
                                            model.id, request->model.substr(0, 128))},
             "model",
             "model_not_found"}));
    auto rendered = model.prompter->render(conversation_of(*request));
    if (!rendered) {  // whatever stops the template is the request's fault
        Error error = rendered.error();
        if (error.fault != Fault::no_memory)
            error = Error{Fault::usage, "messages: the chat template refused them: " + error.message};
        return exchange->reply(error_reply({std::move(error), "messages"}));
    }
    bool in_reasoning = ends_in_reasoning(rendered->text, model.answer_format);
    std::string begun;
    if (request->forced_call) {
        const text::QuotedText opening =
            text::call_opening(model.answer_format, *request->forced_call, in_reasoning);
        if (opening.text.empty())
            return exchange->reply(error_reply(
                {{Fault::usage, "tool_choice: this model has no way to call a tool"}, "tool_choice"}));
        begun = opening.text.substr(in_reasoning ? model.answer_format.reasoning_close.size() : 0);
        in_reasoning = false;
        rendered->append(opening);
    }
    auto prompt = model.prompter->read(*rendered);
    if (!prompt) return exchange->reply(error_reply({prompt.error(), "messages"}));
    const auto n_tokens = static_cast<std::int64_t>(prompt->size());
    if (n_tokens >= model.context_max)
        return exchange->reply(error_reply(
            {{Fault::out_of_range, fmt::format("messages: expected a prompt shorter than the context of {} "
                                               "tokens, saw {} tokens",
                                               model.context_max, n_tokens)},
             "messages",
             "context_length_exceeded"}));
    if (exchange->gone()) return exchange->reply(refusal_reply(499, "the client left"));
    const auto answer =
        std::make_shared<ChatAnswer>(exchange, model, std::move(*request), in_reasoning, begun);
    const auto ticket = engine.submit(answer->jobs(std::move(*prompt)), [&] { answer->begin(); });
    if (!ticket) return exchange->reply(error_reply({ticket.error()}));
    exchange->on_gone([&engine, ticket = *ticket] { engine.cancel(ticket); });
}

}  // namespace hearth::server::openai
