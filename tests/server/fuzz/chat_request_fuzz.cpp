// tests/server/fuzz/chat_request_fuzz.cpp - any bytes as the body of a chat request: a request or a 400, and
// what was accepted stays inside the ranges that the engine demands.
#include <boost/json.hpp>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/limits.h"
#include "server/openai/chat_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth;
    const auto request = server::openai::read_chat_request({reinterpret_cast<const char*>(data), size}, 1000);
    if (!request) {
        HEARTH_CHECK(info(request.error().error.fault).http_status == 400 ||
                         request.error().error.fault == Fault::no_memory,
                     "a body is refused with 400");
        return 0;
    }
    const auto& p = request->sampling;
    HEARTH_CHECK(p.temperature >= 0 && p.temperature <= 2 && p.top_p >= 0 && p.top_p <= 1, "in range");
    HEARTH_CHECK(request->n >= 1 && request->n <= kChoicesMax && p.top_k >= 0, "in range");
    HEARTH_CHECK(!request->new_tokens_max || *request->new_tokens_max >= 1, "in range");
    for (const auto& [id, bias] : p.logit_bias) HEARTH_CHECK(id >= 0 && id < 1000, "in range");
    HEARTH_CHECK(request->messages.is_array() && !request->messages.get_array().empty(), "messages");
    return 0;
}
