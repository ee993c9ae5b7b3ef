// text/prompt_reader.cpp - see prompt_reader.h.
#include "text/prompt_reader.h"

#include <algorithm>

#include "text/tool_calls.h"

namespace hearth::text {

PromptReader::PromptReader(const Tokenizer& tokenizer, std::string_view template_source)
    : tokenizer_(tokenizer), marks_(static_cast<std::size_t>(tokenizer.vocab_size())) {
    const std::vector<std::string> marks = answer_format(template_source, &tokenizer).marks();
    for (int id = 0; id < tokenizer.vocab_size(); ++id) {
        const std::string& spelling = tokenizer.piece_bytes(id);
        if (!tokenizer.is_added(id) || spelling.find_first_not_of(" \t\r\n") == std::string::npos) continue;
        const bool named = template_source.find(spelling) != std::string_view::npos ||
                           std::find(marks.begin(), marks.end(), spelling) != marks.end();
        marks_[static_cast<std::size_t>(id)] = named ? 1 : 0;
    }
}

Result<std::vector<int>> PromptReader::read(const QuotedText& rendered) const {
    return tokenizer_.encode(rendered.text,
                             {.parse_special = true, .quoted = rendered.ranges, .marks = marks_});
}

}  // namespace hearth::text
