// server/openai/messages.h - the `messages` of a request, checked and brought into the shape templates
// expect.
#pragma once

#include <boost/json/array.hpp>

#include "server/openai/errors.h"

namespace hearth::server::openai {

// Errors: usage, out_of_range; params like "messages[3].content[0].type".
ApiResult<Json> read_messages(const boost::json::array& messages);

}  // namespace hearth::server::openai
