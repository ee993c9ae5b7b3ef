// server/router.cpp - see router.h.
#include "server/router.h"

namespace hearth::server {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        const int byte = high * 16 + low;
        if (byte < 0x20 || byte == 0x7f) return std::nullopt;
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

void Router::add(std::string method, std::string path, Handler handler) {
    routes_.push_back({std::move(method), std::move(path), std::move(handler)});
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
    Match match;
    for (const Route& route : routes_) {
        std::string_view pattern = route.path;
        const bool open = pattern.ends_with('*');
        if (open) pattern.remove_suffix(1);
        if (open ? !(path.size() > pattern.size() && path.starts_with(pattern)) : path != pattern) continue;
        if (!match.allow.empty()) match.allow += ", ";
        match.allow += route.method == "GET" ? "GET, HEAD" : route.method;
        const bool same = route.method == method || (route.method == "GET" && method == "HEAD");
        if (!same) {
            if (match.found != Found::yes) match.found = Found::no_method;
            continue;
        }
        const auto rest = percent_decoded(open ? path.substr(pattern.size()) : std::string_view());
        match.found = rest ? Found::yes : Found::bad_path;
        match.rest = rest.value_or("");
        match.handler = &route.handler;
    }
    if (!match.allow.empty()) match.allow += ", OPTIONS";
    return match;
}

}  // namespace hearth::server
