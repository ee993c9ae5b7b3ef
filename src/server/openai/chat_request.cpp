// server/openai/chat_request.cpp - a table of fields in code: each with its type, its range and its default.
#include "server/openai/chat_request.h"

#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "base/limits.h"
#include "server/openai/fields.h"
#include "server/openai/messages.h"

namespace hearth::server::openai {
namespace {

ApiResult<void> read_sampling(Fields& fields, int vocab, ChatRequest& to) {
    engine::SamplingParams& p = to.sampling;
    HEARTH_TRY(const auto temperature, fields.number("temperature", 0, 2));
    HEARTH_TRY(const auto top_p, fields.number("top_p", 0, 1));
    HEARTH_TRY(const auto min_p, fields.number("min_p", 0, 1));
    HEARTH_TRY(const auto top_k, fields.integer("top_k", -1, 1 << 30));
    HEARTH_TRY(const auto presence, fields.number("presence_penalty", -2, 2));
    HEARTH_TRY(const auto frequency, fields.number("frequency_penalty", -2, 2));
    HEARTH_TRY(const auto repetition, fields.number("repetition_penalty", 0.01, 10));
    HEARTH_TRY(const auto repeat, fields.number("repeat_penalty", 0.01, 10));
    HEARTH_TRY(const auto seed, fields.integer("seed", INT64_MIN, INT64_MAX));
    HEARTH_TRY(const auto* bias, fields.object("logit_bias"));
    p.temperature = temperature.value_or(1);
    p.top_p = top_p.value_or(1);
    p.min_p = min_p.value_or(0);
    p.top_k = static_cast<int>(std::max<std::int64_t>(top_k.value_or(0), 0));
    p.presence_penalty = presence.value_or(0);
    p.frequency_penalty = frequency.value_or(0);
    p.repetition_penalty = repetition.value_or(repeat.value_or(1));
    to.has_seed = seed.has_value();
    p.seed = static_cast<std::uint64_t>(seed.value_or(0));
    if (bias == nullptr) return {};
    if (bias->size() > kLogitBiasMax)
        return refuse(Fault::out_of_range, "logit_bias", "logit_bias: expected at most {} entries, saw {}",
                      kLogitBiasMax, bias->size());
    Fields entries(*bias, "logit_bias.");
    for (const auto& [key, value] : *bias) {
        int id = -1;
        const char* end = key.data() + key.size();
        const auto [at, ec] = std::from_chars(key.data(), end, id);
        if (ec != std::errc() || at != end || id < 0 || id >= vocab)
            return refuse(Fault::out_of_range, "logit_bias",
                          "logit_bias: expected token ids from 0 to {} as keys, saw \"{}\"", vocab - 1,
                          std::string_view(key).substr(0, 32));
        HEARTH_TRY(const auto amount, entries.number(key, -100, 100));
        if (amount) p.logit_bias.emplace_back(id, static_cast<float>(*amount));
    }
    return {};
}

ApiResult<void> read_stop(Fields& fields, ChatRequest& to) {
    const Json* stop = fields.find("stop");
    if (stop == nullptr) return {};
    boost::json::array one;
    if (stop->is_string()) one.push_back(*stop);
    if (!stop->is_string() && !stop->is_array())
        return refuse(Fault::usage, "stop", "stop: expected a string or an array of strings, saw {}",
                      kind_name(*stop));
    const boost::json::array& all = stop->is_array() ? stop->get_array() : one;
    if (all.size() > kStopStringsMax)
        return refuse(Fault::out_of_range, "stop", "stop: expected at most {} strings, saw {}",
                      kStopStringsMax, all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::string param = stop->is_array() ? fmt::format("stop[{}]", i) : "stop";
        if (!all[i].is_string())
            return refuse(Fault::usage, param, "{}: expected a string, saw {}", param, kind_name(all[i]));
        const std::string_view text = all[i].get_string();
        if (text.empty() || text.size() > kStopStringBytesMax)
            return refuse(Fault::out_of_range, param, "{}: expected 1 to {} bytes, saw {}", param,
                          kStopStringBytesMax, text.size());
        to.stop.emplace_back(text);
    }
    return {};
}

ApiResult<void> read_output(Fields& fields, ChatRequest& to) {
    HEARTH_TRY(const auto n, fields.integer("n", 1, kChoicesMax));
    HEARTH_TRY(const auto old_max, fields.integer("max_tokens", 1, INT32_MAX));
    HEARTH_TRY(const auto new_max, fields.integer("max_completion_tokens", 1, INT32_MAX));
    HEARTH_TRY(const auto stream, fields.boolean("stream"));
    HEARTH_TRY(const auto* options, fields.object("stream_options"));
    HEARTH_TRY(const auto logprobs, fields.boolean("logprobs"));
    HEARTH_TRY(const auto top, fields.integer("top_logprobs", 0, kTopLogprobsMax));
    HEARTH_TRY(const auto ignore_eos, fields.boolean("ignore_eos"));
    to.n = static_cast<int>(n.value_or(1));
    if (new_max || old_max) to.new_tokens_max = static_cast<int>(*(new_max ? new_max : old_max));
    to.stream = stream.value_or(false);
    to.logprobs = logprobs.value_or(false);
    to.top_logprobs = static_cast<int>(top.value_or(0));
    to.ignore_eos = ignore_eos.value_or(false);
    if (to.top_logprobs > 0 && !to.logprobs)
        return refuse(Fault::usage, "top_logprobs", "top_logprobs: expected logprobs to be true with it");
    if (options != nullptr) {
        Fields inner(*options, "stream_options.");
        HEARTH_TRY(const auto usage, inner.boolean("include_usage"));
        to.include_usage = usage.value_or(false);
    }
    return read_stop(fields, to);
}

// What would change the answer's meaning and cannot be done here is refused rather than dropped.
ApiResult<void> refuse_unsupported(Fields& fields) {
    HEARTH_TRY(const auto* format, fields.object("response_format"));
    if (format != nullptr) {
        Fields inner(*format, "response_format.");
        HEARTH_TRY(const auto type, inner.string("type"));
        if (!type)
            return refuse(Fault::usage, "response_format.type",
                          "response_format.type: expected a string, saw none");
        if (*type != "text")
            return refuse(Fault::usage, "response_format",
                          "response_format: expected type \"text\"; constrained output is not supported yet");
    }
    HEARTH_TRY(const auto* modalities, fields.array("modalities"));
    if (modalities != nullptr)
        for (const Json& one : *modalities)
            if (!one.is_string() || one.get_string() != "text")
                return refuse(Fault::usage, "modalities", "modalities: expected [\"text\"] alone");
    for (const char* name : {"functions", "function_call"})
        if (fields.find(name) != nullptr)
            return refuse(Fault::usage, name, "{}: expected `tools` instead; the old form is not supported",
                          name);
    for (const char* name : {"audio", "grammar", "json_schema", "guided_json", "structured_outputs"})
        if (fields.find(name) != nullptr) return refuse(Fault::usage, name, "{}: not supported yet", name);
    return {};
}

// "none", "auto", "required", or one function by name.
ApiResult<void> read_tool_choice(const Json& choice, ChatRequest& to) {
    if (choice == "none" || choice == "auto") return {};
    if (choice == "required") {
        to.forced_call = "";
        return {};
    }
    if (choice.is_object()) {
        Fields fields(choice.get_object(), "tool_choice.");
        HEARTH_TRY(const auto type, fields.string("type"));
        HEARTH_TRY(const auto* function, fields.object("function"));
        if (type.value_or("") == "function" && function != nullptr) {
            Fields inner(*function, "tool_choice.function.");
            HEARTH_TRY(const auto name, inner.string("name"));
            if (name && !name->empty()) {
                to.forced_call = *name;
                return {};
            }
        }
    }
    return refuse(Fault::usage, "tool_choice",
                  "tool_choice: expected \"none\", \"auto\", \"required\" or {{\"type\": \"function\", "
                  "\"function\": {{\"name\": ...}}}}");
}

ApiResult<void> read_tools(Fields& fields, ChatRequest& to) {
    HEARTH_TRY(const auto* tools, fields.array("tools"));
    HEARTH_TRY(const auto parallel, fields.boolean("parallel_tool_calls"));
    to.parallel_calls = parallel.value_or(true);
    const Json* choice = fields.find("tool_choice");
    const bool none = choice != nullptr && *choice == "none";
    if (choice != nullptr) {
        if (auto ok = read_tool_choice(*choice, to); !ok) return tl::make_unexpected(ok.error());
    }
    if (to.forced_call && (tools == nullptr || tools->empty()))
        return refuse(Fault::usage, "tool_choice", "tool_choice: expected tools to choose from, saw none");
    if (tools == nullptr) return {};
    bool known = !to.forced_call || to.forced_call->empty();
    if (tools->size() > kToolsMax)
        return refuse(Fault::out_of_range, "tools", "tools: expected at most {}, saw {}", kToolsMax,
                      tools->size());
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const std::string param = fmt::format("tools[{}]", i);
        if (!(*tools)[i].is_object())
            return refuse(Fault::usage, param, "{}: expected an object, saw {}", param,
                          kind_name((*tools)[i]));
        Fields tool((*tools)[i].get_object(), param + ".");
        HEARTH_TRY(const auto type, tool.string("type"));
        HEARTH_TRY(const auto* function, tool.object("function"));
        if (type.value_or("") != "function" || function == nullptr)
            return refuse(Fault::usage, param, "{}: expected type \"function\" and its `function`", param);
        Fields inner(*function, param + ".function.");
        HEARTH_TRY(const auto name, inner.string("name"));
        if (!name || name->empty() || name->size() > 256)
            return refuse(Fault::usage, inner.param("name"), "{}: expected a name of 1 to 256 bytes",
                          inner.param("name"));
        known = known || *name == *to.forced_call;
    }
    if (!known)
        return refuse(Fault::usage, "tool_choice", "tool_choice: expected one of the tools, saw \"{}\"",
                      to.forced_call->substr(0, 256));
    if (!none && !tools->empty()) to.tools = *tools;
    return {};
}

}  // namespace

ApiResult<ChatRequest> read_chat_request(std::string_view body, int vocab) {
    if (body.empty())
        return refuse(Fault::usage, {}, "expected a JSON object as the request's body, saw none");
    const auto parsed = parse_json(body, "request body");
    if (!parsed)
        return tl::make_unexpected(
            ApiError{{parsed.error().fault == Fault::corrupt ? Fault::usage : parsed.error().fault,
                      parsed.error().message}});
    if (!parsed->is_object())
        return refuse(Fault::usage, {}, "request body: expected an object, saw {}", kind_name(*parsed));
    Fields fields(parsed->get_object());
    ChatRequest request;
    HEARTH_TRY(const auto model, fields.string("model"));
    request.model = model.value_or("");
    HEARTH_TRY(const auto* messages, fields.array("messages"));
    if (messages == nullptr) return refuse(Fault::usage, "messages", "messages: expected an array, saw none");
    HEARTH_TRY(request.messages, read_messages(*messages));
    if (auto ok = read_sampling(fields, vocab, request); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = read_output(fields, request); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = read_tools(fields, request); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = refuse_unsupported(fields); !ok) return tl::make_unexpected(ok.error());
    HEARTH_TRY(const auto* extra, fields.object("chat_template_kwargs"));
    if (extra != nullptr) {
        // What the server itself gives to the template may not be overridden from outside.
        for (const char* reserved :
             {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "chat_template"})
            if (extra->contains(reserved))
                return refuse(Fault::usage, fmt::format("chat_template_kwargs.{}", reserved),
                              "chat_template_kwargs: may not set \"{}\"", reserved);
        request.template_extra = *extra;
    }
    HEARTH_TRY(const auto user, fields.string("user"));
    request.ignored = fields.unread();
    return request;
}

}  // namespace hearth::server::openai
