// text/prompt_reader.h - from a rendered conversation to token ids. What the template wrote is read with
// control tokens. In what others wrote, the spelling of a control token, or of another added token that the
// template gives a meaning (<think>, <tool_call>), is plain text, wherever the template put it; the
// assistant's own turns may hold the latter. Other added tokens (spaces, HTML tags) are read in any text, as
// the reference does.
#pragma once

#include <string_view>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace hearth::text {

class PromptReader {
  public:
    // The tokenizer must outlive it.
    PromptReader(const Tokenizer& tokenizer, std::string_view template_source);

    // Errors: those of Tokenizer::encode.
    [[nodiscard]] Result<std::vector<int>> read(const QuotedText& rendered) const;

  private:
    const Tokenizer& tokenizer_;
    std::vector<unsigned char> marks_;  // by id: added tokens that the template gives a meaning
};

}  // namespace hearth::text
