// server/router.h - which handler answers which path; the rest is 404 or 405.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"

namespace hearth::server {

class Router {
  public:
    // `rest` is what stands in the path where the route has a trailing '*', decoded; else empty.
    using Handler = std::function<void(std::shared_ptr<Exchange>, const std::string& rest)>;

    // A path ends in '*' to take every longer path. GET routes answer HEAD too.
    void add(std::string method, std::string path, Handler handler);

    enum class Found { yes, no_path, no_method, bad_path };
    struct Match {
        Found found = Found::no_path;
        const Handler* handler = nullptr;
        std::string rest;
        std::string allow;  // the methods of the path: "GET, HEAD, OPTIONS"
    };
    [[nodiscard]] Match find(std::string_view method, std::string_view path) const;

  private:
    struct Route {
        std::string method, path;
        Handler handler;
    };
    std::vector<Route> routes_;
};

// Percent-decoding. Nothing for a bad escape, or one of a control character.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace hearth::server
