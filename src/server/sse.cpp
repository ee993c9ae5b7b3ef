// server/sse.cpp - see sse.h.
#include "server/sse.h"

#include <fmt/format.h>

#include "base/check.h"

namespace hearth::server {

std::string sse_event(std::string_view data) {
    HEARTH_CHECK(data.find_first_of("\r\n") == std::string_view::npos, "an event's data is one line");
    return fmt::format("data: {}\n\n", data);
}

}  // namespace hearth::server
