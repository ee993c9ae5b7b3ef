// server/http_server.cpp - listens, accepts, and stops in order.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <random>
#include <unordered_map>

#include "base/log.h"
#include "server/http_connection.h"

namespace hearth::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct HttpServer::State {
    asio::io_context io{1};
    asio::thread_pool workers;
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
    tcp::acceptor acceptor{io};
    asio::signal_set signals{io};
    asio::steady_timer drain_timer{io};
    asio::steady_timer accept_timer{io};
    ConnectionHost host;
    std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
    std::uint16_t port = 0;
    std::uint64_t id_seed, id_next = 0;

    explicit State(int handler_threads)
        : workers(static_cast<std::size_t>(handler_threads)), id_seed(std::random_device{}()) {}
    Status listen();
    void accept();
    void wait_for_signal();
    void stop();
    void cut();
};

Result<ListenAddress> resolve_listen_address(const std::string& host) {
    error_code ec;
    const auto literal = asio::ip::make_address(host, ec);
    if (!ec) return ListenAddress{literal.to_string(), literal.is_loopback()};
    if (host == "localhost") return ListenAddress{"127.0.0.1", true};
    return fail(Fault::usage, "--host: expected an IP address or \"localhost\", saw \"{}\"", host);
}

Status HttpServer::State::listen() {
    HEARTH_TRY(const ListenAddress address, resolve_listen_address(host.options.host));
    const tcp::endpoint endpoint(asio::ip::make_address(address.ip), host.options.port);
    error_code ec;
    const auto refused = [&] {
        return fail(Fault::io, "cannot listen on {}:{}: {}", address.ip, host.options.port, ec.message());
    };
    if (acceptor.open(endpoint.protocol(), ec)) return refused();
    acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
    if (acceptor.bind(endpoint, ec)) return refused();
    if (acceptor.listen(asio::socket_base::max_listen_connections, ec)) return refused();
    port = acceptor.local_endpoint(ec).port();
    return {};
}

void HttpServer::State::accept() {
    acceptor.async_accept([this](error_code ec, tcp::socket socket) {
        if (!acceptor.is_open()) return;
        if (ec) {
            // Out of descriptors, most likely: wait for some to close rather than spin.
            log::warning("cannot accept a connection: {}", ec.message());
            accept_timer.expires_after(std::chrono::milliseconds(100));
            accept_timer.async_wait([this](error_code stopped) {
                if (!stopped && acceptor.is_open()) accept();
            });
            return;
        }
        if (connections.size() >= host.options.connections_max) {
            log::warning("refused a connection: {} are open", connections.size());
            socket.close(ec);
        } else {
            const auto connection = std::make_shared<Connection>(std::move(socket), host);
            connections.emplace(connection.get(), connection);
            connection->start();
        }
        accept();
    });
}

void HttpServer::State::wait_for_signal() {
    signals.async_wait([this](error_code ec, int) {
        if (ec) return;
        wait_for_signal();  // before: what stops at once takes back this wait too
        stop();
    });
}

void HttpServer::State::stop() {
    if (host.draining) return cut();
    host.draining = true;
    error_code ec;
    acceptor.close(ec);
    accept_timer.cancel();
    auto open = connections;  // drain may close and erase
    for (auto& [key, connection] : open) connection->drain();
    if (connections.empty()) return cut();
    log::info("stopping: {} answers have {} s to finish", connections.size(),
              static_cast<double>(host.options.drain_time.count()) / 1000);
    drain_timer.expires_after(host.options.drain_time);
    drain_timer.async_wait([this](error_code stopped) {
        if (!stopped) cut();
    });
}

void HttpServer::State::cut() {
    auto open = connections;
    for (auto& [key, connection] : open) connection->close();
    drain_timer.cancel();
    error_code ec;
    signals.cancel(ec);
    work.reset();
}

Result<std::unique_ptr<HttpServer>> HttpServer::open(HttpOptions options, HttpHandlers handlers) {
    auto state = std::make_unique<State>(options.handler_threads);
    State& s = *state;
    s.host.options = std::move(options);
    s.host.handlers = std::move(handlers);
    s.host.workers = &s.workers;
    s.host.new_request_id = [&s] { return fmt::format("req_{:08x}{:08x}", s.id_seed, ++s.id_next); };
    s.host.closed = [&s](Connection* connection) {
        s.connections.erase(connection);
        if (s.host.draining && s.connections.empty()) s.cut();
    };
    HEARTH_TRY_STATUS(s.listen());
    if (s.host.options.stop_on_signals) {
        error_code ec;
        s.signals.add(SIGINT, ec);
        s.signals.add(SIGTERM, ec);
        s.wait_for_signal();
    }
    s.accept();
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() {
    state_->workers.join();
    // Handlers that never ran hold connections, and those their exchanges.
    state_->connections.clear();
}

std::uint16_t HttpServer::port() const { return state_->port; }

void HttpServer::run() {
    state_->io.run();
    state_->workers.join();
}

void HttpServer::stop() {
    asio::post(state_->io, [state = state_.get()] { state->stop(); });
}

const std::string* HttpRequest::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (key.size() != name.size()) continue;
        bool same = true;
        for (std::size_t i = 0; i < name.size() && same; ++i) {
            const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
            same = lower(key[i]) == lower(name[i]);
        }
        if (same) return &value;
    }
    return nullptr;
}

int HttpRequest::count(std::string_view name) const {
    int n = 0;
    HttpRequest one;
    for (const auto& field : headers) {
        one.headers.assign(1, field);
        if (one.header(name) != nullptr) ++n;
    }
    return n;
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 204:
            return "No Content";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 422:
            return "Unprocessable Content";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 499:
            return "Client Closed Request";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        case 507:
            return "Insufficient Storage";
        default:
            return "Status";
    }
}

}  // namespace hearth::server
