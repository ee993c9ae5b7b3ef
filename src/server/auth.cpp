// server/auth.cpp - see auth.h.
#include "server/auth.h"

#include <algorithm>

namespace hearth::server {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return out;
}

std::string_view given_key(const HttpRequest& head) {
    constexpr std::string_view kBearer = "bearer ";
    if (const std::string* given = head.header("authorization")) {
        if (lower(std::string_view(*given).substr(0, kBearer.size())) != kBearer) return {};
        std::string_view key = std::string_view(*given).substr(kBearer.size());
        while (key.starts_with(' ')) key.remove_prefix(1);
        return key;
    }
    if (const std::string* given = head.header("x-api-key")) return *given;
    return {};
}

bool key_is_known(std::string_view key, const std::vector<std::string>& known) {
    bool found = false;
    for (const std::string& one : known) found |= equal_constant_time(key, one);  // no early way out
    return found;
}

}  // namespace

bool equal_constant_time(std::string_view a, std::string_view b) {
    // The length of a key is no secret; its characters are.
    if (a.size() != b.size()) return false;
    volatile unsigned char differs = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        differs = static_cast<unsigned char>(
            differs | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
    return differs == 0;
}

std::optional<std::string> host_name(std::string_view host_header) {
    std::string_view name = host_header, port;
    if (name.starts_with('[')) {
        const std::size_t close = name.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        port = name.substr(close + 1);
        name = name.substr(1, close - 1);
        if (!port.empty() && !port.starts_with(':')) return std::nullopt;
    } else if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
        port = name.substr(colon);
        name = name.substr(0, colon);
    }
    if (!port.empty()) port.remove_prefix(1);
    if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty() || name.find_first_of("/@\\ \t") != std::string_view::npos) return std::nullopt;
    return lower(name);
}

std::vector<std::string> loopback_hosts(std::string_view listen_ip) {
    return {"localhost", "127.0.0.1", "::1", lower(listen_ip)};
}

std::optional<AuthRefusal> refuse_unknown(const HttpRequest& head, const AuthOptions& options) {
    const std::string* host = head.header("host");
    if (!options.hosts.empty()) {
        const auto name = host_name(host != nullptr ? *host : "");
        if (!name || std::find(options.hosts.begin(), options.hosts.end(), *name) == options.hosts.end())
            return AuthRefusal{403,
                               "Host: expected localhost or this server's address; a page of another "
                               "site may be asking"};
    }
    // A browser names the page that asks. Pages of other origins get nothing: not an answer, and no work
    // done.
    if (const std::string* origin = head.header("origin")) {
        const std::size_t scheme = origin->find("://");
        const std::string_view authority =
            scheme == std::string::npos ? std::string_view() : std::string_view(*origin).substr(scheme + 3);
        if (host == nullptr || lower(authority) != lower(*host))
            return AuthRefusal{403, "Origin: pages of other origins may not use this server"};
    }
    const auto& open = options.open_paths;
    if (options.api_keys.empty() || std::find(open.begin(), open.end(), head.path) != open.end())
        return std::nullopt;
    const std::string_view key = given_key(head);
    if (key.empty())
        return AuthRefusal{401, "expected an API key, as in \"Authorization: Bearer KEY\", saw none"};
    if (!key_is_known(key, options.api_keys))
        return AuthRefusal{401, "the API key is not one of this server's"};
    return std::nullopt;
}

Result<std::vector<std::string>> read_api_keys(std::string_view text, std::string_view where) {
    std::vector<std::string> keys;
    std::size_t line_number = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        ++line_number;
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
        while (line.starts_with(' ')) line.remove_prefix(1);
        if (line.empty() || line.starts_with('#')) continue;
        const bool printable =
            std::all_of(line.begin(), line.end(), [](char c) { return c > 0x20 && c < 0x7f; });
        if (line.size() < 8 || line.size() > 512 || !printable)
            return fail(Fault::corrupt,
                        "{}: line {}: expected a key of 8 to 512 printable ASCII characters without spaces, "
                        "saw {} bytes",
                        where, line_number, line.size());
        keys.emplace_back(line);
    }
    if (keys.empty()) return fail(Fault::corrupt, "{}: expected at least one key, saw none", where);
    return keys;
}

}  // namespace hearth::server
