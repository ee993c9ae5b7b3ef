// text/tokenizer_json_steps.h - the parts of a tokenizer.json around its model. What would change token ids
// or text and is not understood is an error: unsupported, with its place.
#pragma once

#include "base/json.h"
#include "text/tokenizer_spec.h"

namespace hearth::text {

Status read_normalizer(const JsonCursor& at, TokenizerSpec& spec, int depth = 0);
Status read_pre_tokenizer(const JsonCursor& at, TokenizerSpec& spec, int depth = 0);  // sets byte_level
Status read_post_processor(const JsonCursor& at, TokenizerSpec& spec, int depth = 0);
Status read_decoder(const JsonCursor& at, TokenizerSpec& spec, int depth = 0);

// Nothing when the text is no base64; padding may be absent.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace hearth::text
