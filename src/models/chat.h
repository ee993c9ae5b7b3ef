// models/chat.h - a conversation as the token ids that a model was trained to read.
#pragma once

#include <vector>

#include "base/json.h"
#include "models/model.h"

namespace hearth::models {

// The text of {"messages": [...], "add_generation_prompt": true, ...} by the model's template.
// Errors: unsupported (no template or no tokenizer), those of the template.
Result<std::string> render_chat(const Model& model, const Json& conversation);

// The same as ids. Control tokens of the template are read as such, and so are those that a message spells:
// callers that take messages from strangers must refuse or rewrite them first.
Result<std::vector<int>> encode_chat(const Model& model, const Json& conversation);

}  // namespace hearth::models
