// models/chat.h - a conversation as the token ids that a model was trained to read.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "models/model.h"
#include "text/prompt_reader.h"

namespace hearth::models {

// {"messages": [...], "tools": [...], "add_generation_prompt": true, ...} to ids, with one promise: what a
// message, a tool or any other text of the conversation spells is never a control token
// (text/prompt_reader.h). Immutable; may be used from any number of threads.
class Prompter {
  public:
    // Both must outlive it.
    Prompter(const text::Tokenizer& tokenizer, const LoadedTemplate& loaded);

    struct Prompt {
        std::string text;  // as the template wrote it
        std::vector<int> ids;
    };
    // As `transformers` does, `tools` and `documents` are none where the conversation has none, and a
    // message's reasoning goes by each of the names that templates read. Errors: those of the template and
    // the tokenizer.
    [[nodiscard]] Result<Prompt> make(const Json& conversation) const;
    // The two steps of it, for who has something to add in between.
    [[nodiscard]] Result<text::QuotedText> render(const Json& conversation) const;
    [[nodiscard]] Result<std::vector<int>> read(const text::QuotedText& rendered) const;

    [[nodiscard]] const text::Tokenizer& tokenizer() const { return tokenizer_; }

  private:
    const text::Tokenizer& tokenizer_;
    const LoadedTemplate& loaded_;
    text::PromptReader reader_;
};

// The text of a conversation by the model's template.
// Errors: unsupported (no template), those of the template.
Result<std::string> render_chat(const Model& model, const Json& conversation);

// One conversation's ids. Errors: unsupported (no template or no tokenizer), those of Prompter::make.
Result<std::vector<int>> encode_chat(const Model& model, const Json& conversation);

}  // namespace hearth::models
