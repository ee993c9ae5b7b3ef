// models/chat.cpp - template, then tokenizer.
#include "models/chat.h"

namespace hearth::models {

Result<std::string> render_chat(const Model& model, const Json& conversation) {
    if (!model.chat_template)
        return fail(Fault::unsupported, "{}: expected a chat template, saw none",
                    model.checkpoint.path().string());
    return render(*model.chat_template, conversation);
}

Result<std::vector<int>> encode_chat(const Model& model, const Json& conversation) {
    if (!model.tokenizer)
        return fail(Fault::unsupported, "{}: expected a tokenizer, saw none",
                    model.checkpoint.path().string());
    HEARTH_TRY(const std::string text, render_chat(model, conversation));
    return model.tokenizer->encode(text, {.parse_special = true});
}

}  // namespace hearth::models
