// models/chat.cpp - template, then tokenizer.
#include "models/chat.h"

#include <boost/json.hpp>

namespace hearth::models {
namespace {

// Templates read a message's reasoning by one of these names.
void name_reasoning(boost::json::object& message) {
    static constexpr const char* kNames[] = {"reasoning_content", "thinking", "reasoning"};
    for (const char* name : kNames) {
        const Json* given = message.if_contains(name);
        if (given == nullptr || given->is_null()) continue;
        const Json reasoning = *given;
        message["reasoning_content"] = reasoning;
        if (!message.contains("thinking")) message["thinking"] = reasoning;
        return;
    }
}

}  // namespace

Prompter::Prompter(const text::Tokenizer& tokenizer, const LoadedTemplate& loaded)
    : tokenizer_(tokenizer), loaded_(loaded), reader_(tokenizer, loaded.chat_template.source()) {}

Result<text::QuotedText> Prompter::render(const Json& conversation) const {
    if (!conversation.is_object()) return fail(Fault::usage, "expected a conversation as a JSON object");
    boost::json::object context = conversation.get_object();
    for (const char* key : {"tools", "documents"})
        if (!context.contains(key)) context[key] = nullptr;
    if (Json* messages = context.if_contains("messages"); messages != nullptr && messages->is_array())
        for (Json& message : messages->get_array())
            if (message.is_object()) name_reasoning(message.get_object());
    // Whoever asks does not say which tokens begin and end a text; where the files do not, the tokenizer may.
    context.erase("bos_token");
    context.erase("eos_token");
    if (!loaded_.bos_token && tokenizer_.bos())
        context["bos_token"] = tokenizer_.piece_bytes(*tokenizer_.bos());
    if (!loaded_.eos_token && tokenizer_.eos())
        context["eos_token"] = tokenizer_.piece_bytes(*tokenizer_.eos());
    return models::render(loaded_, Json(std::move(context)));
}

Result<std::vector<int>> Prompter::read(const text::QuotedText& rendered) const {
    return reader_.read(rendered);
}

Result<Prompter::Prompt> Prompter::make(const Json& conversation) const {
    HEARTH_TRY(text::QuotedText rendered, render(conversation));
    Prompt prompt;
    HEARTH_TRY(prompt.ids, read(rendered));
    prompt.text = std::move(rendered.text);
    return prompt;
}

Result<std::string> render_chat(const Model& model, const Json& conversation) {
    if (!model.chat_template)
        return fail(Fault::unsupported, "{}: expected a chat template, saw none",
                    model.checkpoint.path().string());
    HEARTH_TRY(text::QuotedText rendered, render(*model.chat_template, conversation));
    return std::move(rendered.text);
}

Result<std::vector<int>> encode_chat(const Model& model, const Json& conversation) {
    const bool has_tokenizer = model.tokenizer.has_value();
    if (!has_tokenizer || !model.chat_template)
        return fail(Fault::unsupported, "{}: expected a {}, saw none", model.checkpoint.path().string(),
                    has_tokenizer ? "chat template" : "tokenizer");
    HEARTH_TRY(Prompter::Prompt prompt, Prompter(*model.tokenizer, *model.chat_template).make(conversation));
    return std::move(prompt.ids);
}

}  // namespace hearth::models
