// server/openai/errors.h - errors as the OpenAI API words them: {"error": {message, type, param, code}}.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "server/http.h"

namespace hearth::server::openai {

// An error of a request: the fault gives status and type; param names the field.
struct ApiError {
    Error error;
    std::string param = {};  // "messages[0].content"; empty: none
    std::string code = {};   // empty: the fault's name
};
template <class T>
using ApiResult = tl::expected<T, ApiError>;

template <class... Args>
[[nodiscard]] tl::unexpected<ApiError> refuse(Fault fault, std::string param,
                                              fmt::format_string<Args...> format, Args&&... args) {
    return tl::make_unexpected(
        ApiError{{fault, fmt::format(format, std::forward<Args>(args)...)}, std::move(param)});
}

Json error_json(const ApiError& error);
HttpReply error_reply(const ApiError& error);  // 429 carries retry-after

// Refusals that HTTP demands (401, 403, 404, 405, 413, 415, 431, 501...), in the same shape.
HttpReply refusal_reply(int status, std::string_view message);

}  // namespace hearth::server::openai
