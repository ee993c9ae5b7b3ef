// server/openai/errors.cpp - from the fault table, and a short one for what only HTTP knows.
#include "server/openai/errors.h"

#include <boost/json.hpp>

namespace hearth::server::openai {
namespace {

struct HttpRefusal {
    int status;
    std::string_view type, code;
};
constexpr HttpRefusal kRefusals[] = {
    {400, "invalid_request_error", "bad_request"},
    {401, "authentication_error", "invalid_api_key"},
    {403, "permission_error", "forbidden"},
    {404, "not_found_error", "not_found"},
    {405, "invalid_request_error", "method_not_allowed"},
    {413, "invalid_request_error", "body_too_large"},
    {415, "invalid_request_error", "unsupported_media_type"},
    {431, "invalid_request_error", "headers_too_large"},
    {501, "invalid_request_error", "not_implemented"},
};
constexpr HttpRefusal kOther = {500, "server_error", "internal"};

Json body(std::string_view message, std::string_view type, std::string_view param, std::string_view code) {
    Json where = nullptr;
    if (!param.empty()) where = param;
    return {{"error", {{"message", message}, {"type", type}, {"param", std::move(where)}, {"code", code}}}};
}

}  // namespace

Json error_json(const ApiError& error) {
    const FaultInfo& fault = info(error.error.fault);
    return body(error.error.message, fault.openai_type, error.param,
                error.code.empty() ? fault.name : std::string_view(error.code));
}

HttpReply error_reply(const ApiError& error) {
    HttpReply reply;
    reply.status = info(error.error.fault).http_status;
    reply.body = to_json(error_json(error)) + "\n";
    if (reply.status == 429) reply.headers.push_back({"retry-after", "1"});
    return reply;
}

HttpReply refusal_reply(int status, std::string_view message) {
    const HttpRefusal* row = &kOther;
    for (const HttpRefusal& one : kRefusals)
        if (one.status == status) row = &one;
    HttpReply reply;
    reply.status = status;
    reply.body = to_json(body(message, row->type, {}, row->code)) + "\n";
    if (status == 401) reply.headers.push_back({"www-authenticate", "Bearer"});
    return reply;
}

}  // namespace hearth::server::openai
