// server/openai/chat.h - POST /v1/chat/completions: from a request to the engine and back, whole or streamed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "models/chat.h"
#include "server/engine_thread.h"
#include "server/http.h"
#include "text/tool_calls.h"

namespace hearth::server::openai {

// The one model that is served. Everything in it outlives the server.
struct ServedModel {
    std::string id;           // what `model` in a request names
    std::string fingerprint;  // of the program, and of the model's name, shape and size; not of its bytes
    std::int64_t created = 0;
    int vocab = 0;
    int context_max = 0;
    const models::Prompter* prompter = nullptr;
    text::AnswerFormat answer_format = {};  // how its answers mark reasoning and tool calls
};

// Answers the exchange, now or later on the engine thread. May be called from any thread.
void answer_chat(const std::shared_ptr<Exchange>& exchange, const ServedModel& model, EngineThread& engine);

}  // namespace hearth::server::openai
