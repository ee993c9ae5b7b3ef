// models/gguf_vocabulary.h - a GGUF file's tokenizer keys as the text module reads them.
#pragma once

#include <string_view>

#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace hearth::models {

// From tokenizer.ggml.*. Errors: not_found (the file has no tokenizer), corrupt (keys of other types).
Result<text::GgufVocabulary> read_gguf_vocabulary(const formats::Gguf& gguf, std::string_view where);

}  // namespace hearth::models
