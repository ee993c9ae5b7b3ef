// models/tokenizer_files.h - a model's tokenizer, from whichever file holds it.
#pragma once

#include "base/file.h"
#include "base/limits.h"
#include "text/tokenizer.h"

namespace hearth::models {

// `path`: a model folder or a tokenizer.json. Errors: not_found, and those of text::read_tokenizer_json.
Result<text::Tokenizer> load_tokenizer(const fs::path& path);

}  // namespace hearth::models
