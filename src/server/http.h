// server/http.h - an HTTP/1.1 server behind a small interface: requests in, replies or streams out, every
// bound and timeout stated. Boost.Beast stays in http_connection.cpp and http_server.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace hearth::server {

struct HttpHeader {
    std::string name, value;
};

struct HttpRequest {
    std::string method;
    std::string path;   // as sent: percent-encoded, no query
    std::string query;  // after the '?'
    std::vector<HttpHeader> headers;
    std::string body;
    std::string id;    // the client's x-request-id when it is a plain word, else one of ours
    std::string peer;  // address of the other end

    [[nodiscard]] const std::string* header(std::string_view name) const;  // the first; any case
    [[nodiscard]] int count(std::string_view name) const;
};

struct HttpReply {
    int status = 200;
    std::string body = {};
    std::string content_type = "application/json";
    std::vector<HttpHeader> headers = {};
};

// One request and its answer. Any thread may answer; calls after the client left do nothing. Exactly one of
// reply, or begin ... end. An exchange that is dropped unanswered answers 500. It must not outlive its
// server.
class Exchange {
  public:
    virtual ~Exchange() = default;
    [[nodiscard]] virtual const HttpRequest& request() const = 0;
    virtual void reply(HttpReply reply) = 0;

    // A stream: the head now, pieces later. While nothing is written, `ping` goes out now and then.
    virtual void begin(HttpReply head, std::string ping) = 0;
    virtual bool write(std::string piece) = 0;  // false: the client is gone, or reads too slowly to keep
    virtual void end() = 0;

    // Called once, on the network thread, if the client leaves before the end; at once if it has left.
    virtual void on_gone(std::function<void()> call) = 0;
    [[nodiscard]] virtual bool gone() const = 0;
};

struct HttpOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8080;  // 0: any free one
    int handler_threads = 4;
    bool stop_on_signals = false;  // SIGINT and SIGTERM drain; a second one cuts

    std::size_t header_bytes_max = kHttpHeaderBytesMax;
    std::size_t headers_max = kHttpHeadersMax;
    std::size_t body_bytes_max = kHttpBodyBytesMax;
    std::size_t connections_max = kHttpConnectionsMax;
    std::size_t backlog_bytes_max = kHttpBacklogBytesMax;
    std::chrono::milliseconds header_time = kHttpHeaderTime;
    std::chrono::milliseconds body_gap_time = kHttpBodyGapTime;
    std::chrono::milliseconds body_time = kHttpBodyTime;
    std::chrono::milliseconds idle_time = kHttpIdleTime;
    std::chrono::milliseconds write_time = kHttpWriteTime;
    std::chrono::milliseconds ping_time = kHttpPingTime;
    std::chrono::milliseconds drain_time = kHttpDrainTime;
};

// What the server calls. `admit` sees the head before any byte of the body is read, on the network thread: a
// reply refuses. `handle` runs on the network thread for requests without a body (it must not linger), else
// on a handler thread. `refusal` gives the body for refusals that HTTP itself demands.
struct HttpHandlers {
    std::function<std::optional<HttpReply>(const HttpRequest& head)> admit;
    std::function<void(std::shared_ptr<Exchange>)> handle;
    std::function<HttpReply(int status, std::string_view message)> refusal;
};

// Errors: usage (no such address).
struct ListenAddress {
    std::string ip;
    bool loopback = false;
};
Result<ListenAddress> resolve_listen_address(const std::string& host);

class HttpServer {
  public:
    // Binds and listens. Errors: usage (no such address), io (port taken or not allowed).
    static Result<std::unique_ptr<HttpServer>> open(HttpOptions options, HttpHandlers handlers);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] std::uint16_t port() const;
    // Serves until stopped, on the calling thread: accepts no more, lets running answers finish for
    // drain_time, cuts the rest.
    void run();
    void stop();  // from any thread; a second call cuts at once

  private:
    struct State;
    explicit HttpServer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

std::string_view reason_phrase(int status);

}  // namespace hearth::server
