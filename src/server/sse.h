// server/sse.h - server-sent events as the OpenAI API writes them.
#pragma once

#include <string>
#include <string_view>

namespace hearth::server {

inline constexpr std::string_view kSsePing = ": ping\n\n";  // a comment: clients skip it
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

// One event. `data` is one line (JSON without newlines).
std::string sse_event(std::string_view data);

}  // namespace hearth::server
