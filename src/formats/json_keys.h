// formats/json_keys.h - the one check that JSON parsers leave out: no object may name a member twice.
#pragma once

#include <string_view>

#include "base/result.h"

namespace hearth::formats {

// `text` is JSON that parse_json accepts with this depth. Errors: corrupt, naming the member.
Status refuse_duplicate_keys(std::string_view text, std::string_view where, std::size_t depth_max);

// True when a name can be printed and compared safely: not empty, no control characters.
bool plain_name(std::string_view name);

}  // namespace hearth::formats
