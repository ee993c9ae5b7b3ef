// server/openai/models.h - GET /v1/models and GET /v1/models/{id}: the one model that is served.
#pragma once

#include <memory>
#include <string>

#include "server/openai/chat.h"

namespace hearth::server::openai {

void answer_models(const std::shared_ptr<Exchange>& exchange, const ServedModel& model);
void answer_model(const std::shared_ptr<Exchange>& exchange, const ServedModel& model, const std::string& id);

}  // namespace hearth::server::openai
