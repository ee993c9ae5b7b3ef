// server/openai/chat_request.h - the body of POST /v1/chat/completions, read and checked field by field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "server/openai/errors.h"

namespace hearth::server::openai {

struct ChatRequest {
    std::string model;  // empty: whatever is served
    // As templates want them: role system, user, assistant or tool (developer becomes system); content one
    // string (text parts joined by newlines) or null; other members as sent, arguments of tool calls as
    // objects.
    Json messages;
    Json tools;  // an array, or null
    // A call that must come: of the function of this name, or of any if empty. Absent: as the model likes.
    std::optional<std::string> forced_call;
    bool parallel_calls = true;  // false: at most one call
    Json template_extra;         // chat_template_kwargs: an object, or null
    engine::SamplingParams sampling;
    bool has_seed = false;
    std::optional<int> new_tokens_max;  // absent: what the context leaves
    std::vector<std::string> stop;
    int n = 1;
    bool stream = false, include_usage = false;
    bool logprobs = false;
    int top_logprobs = 0;
    bool ignore_eos = false;
    std::vector<std::string> ignored;  // fields that were sent and have no effect here
};

// `vocab` bounds the ids of logit_bias. Errors: usage, out_of_range, unsupported; each names its param.
ApiResult<ChatRequest> read_chat_request(std::string_view body, int vocab);

}  // namespace hearth::server::openai
