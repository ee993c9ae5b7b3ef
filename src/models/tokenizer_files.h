// models/tokenizer_files.h - a model's tokenizer and chat template, from whichever files hold them.
#pragma once

#include <optional>
#include <string>

#include "base/file.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace hearth::models {

// `path`: a model folder, a tokenizer.json, tokenizer.model (SentencePiece) or tekken.json, or a .gguf (a
// vocabulary alone is enough). Errors: not_found, and those of text/tokenizer_spec.h's readers.
Result<text::Tokenizer> load_tokenizer(const fs::path& path);

struct LoadedTemplate {
    text::ChatTemplate chat_template;
    std::optional<std::string> bos_token, eos_token;  // their text, where the files name them
};

// `path`: a model folder (chat_template.jinja, else chat_template in tokenizer_config.json), a .gguf, or a
// bare template file. Errors: not_found (no template), corrupt.
Result<LoadedTemplate> load_chat_template(const fs::path& path);

// The template's text for {"messages": [...], "tools": [...], ...}; bos_token and eos_token are added unless
// the conversation gives them. Errors: those of text::ChatTemplate::render.
Result<text::QuotedText> render(const LoadedTemplate& loaded, const Json& conversation);

}  // namespace hearth::models
