// server/auth.h - who may ask: API keys, and the Host and Origin headers that keep web pages of others out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/http.h"

namespace hearth::server {

struct AuthOptions {
    std::vector<std::string> api_keys;  // none: everyone who can connect
    // Names that a Host header may carry; none: any. On loopback a page of another site that had its name
    // point to 127.0.0.1 (DNS rebinding) would carry that name.
    std::vector<std::string> hosts;
    std::vector<std::string> open_paths = {"/health"};  // need no key
};

// Why a request is refused; status 401 or 403.
struct AuthRefusal {
    int status = 401;
    std::string message;
};

// `Authorization: Bearer KEY` or `x-api-key: KEY`.
std::optional<AuthRefusal> refuse_unknown(const HttpRequest& head, const AuthOptions& options);

// Takes the same time for any two texts of the same lengths.
bool equal_constant_time(std::string_view a, std::string_view b);

// The name in "name", "name:port", "[v6]:port"; nothing when it is none of these.
std::optional<std::string> host_name(std::string_view host_header);

// The names of loopback, and the address that the server listens on.
std::vector<std::string> loopback_hosts(std::string_view listen_ip);

// One key a line, blank lines and lines that begin with '#' aside. Errors: corrupt (no key, a key shorter
// than 8 or longer than 512 characters, or one with white space inside).
Result<std::vector<std::string>> read_api_keys(std::string_view text, std::string_view where);

}  // namespace hearth::server
