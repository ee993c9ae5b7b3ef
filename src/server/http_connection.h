// server/http_connection.h - one client's connection; included by the two HTTP sources alone.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "server/http.h"

namespace hearth::server {

class Connection;

// What connections need of their server. Lives longer than all of them.
struct ConnectionHost {
    HttpOptions options;
    HttpHandlers handlers;
    boost::asio::thread_pool* workers = nullptr;
    bool draining = false;
    std::function<void(Connection*)> closed;
    std::function<std::string()> new_request_id;
};

// A body that grows as bytes arrive, so that a large Content-Length alone reserves nothing.
struct GrowingBody {
    using value_type = std::string;
    class reader {
      public:
        template <bool is_request, class Fields>
        reader(boost::beast::http::header<is_request, Fields>&, value_type& body) : body_(body) {}
        static void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& ec) { ec = {}; }
        template <class Buffers>
        std::size_t put(const Buffers& buffers, boost::beast::error_code& ec) {
            ec = {};
            for (const auto piece : boost::beast::buffers_range_ref(buffers))
                body_.append(static_cast<const char*>(piece.data()), piece.size());
            return boost::beast::buffer_bytes(buffers);
        }
        static void finish(boost::beast::error_code& ec) { ec = {}; }

      private:
        value_type& body_;
    };
};

struct ExchangeLink;

// Everything here runs on the network thread. One read is pending at most; while an answer is under way it
// watches for the client's leaving and keeps what is pipelined.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(boost::asio::ip::tcp::socket socket, ConnectionHost& host);
    void start();
    void drain();  // closes when idle; else after the answer under way
    void close();

    void take_queued();  // writes what the exchange has queued
    boost::asio::any_io_executor executor() { return socket_.get_executor(); }

  private:
    enum class Phase { idle, head, body, answering, lingering, closed };
    using Parser = boost::beast::http::request_parser<GrowingBody>;
    using Timer = boost::asio::steady_timer;

    void read();
    void on_read(boost::beast::error_code ec, std::size_t n);
    void advance();
    void parse_head();
    void on_head();
    void parse_body();
    void dispatch();
    std::optional<HttpReply> wrong_framing() const;
    void refuse(HttpReply reply);
    void write();
    void on_written(boost::beast::error_code ec, std::size_t n);
    void finish_answer();
    void linger();
    void arm(Timer& timer, std::chrono::milliseconds time, void (Connection::*expired)());
    void on_ping();

    ConnectionHost& host_;
    boost::asio::ip::tcp::socket socket_;
    Timer read_timer_, body_timer_, write_timer_, ping_timer_;
    boost::beast::flat_buffer buffer_;
    std::optional<Parser> parser_;
    HttpRequest request_;
    std::string peer_;
    std::shared_ptr<ExchangeLink> link_;  // of the answer under way
    std::deque<std::string> out_;
    std::string ping_;
    Phase phase_ = Phase::idle;
    std::size_t head_bytes_ = 0;
    bool reading_ = false, writing_ = false, last_taken_ = false, keep_alive_ = true;
    bool has_body_ = false;  // of which something is unread
};

// What a connection and its exchange share across threads. The link outlives either; `connection` is touched
// on the network thread alone.
struct ExchangeLink {
    std::weak_ptr<Connection> connection;
    std::atomic<bool> gone{false};
    std::atomic<std::size_t> backlog_bytes{0};
    std::mutex mutex;  // guards what follows
    std::function<void()> on_gone;
    // Bytes on their way to the network thread, in the order of the calls: posts alone would not keep it, as
    // Asio runs what other threads posted before what the network thread itself did.
    std::string queued, ping;
    bool last_queued = false;

    void leave();  // marks it gone and tells the listener, once
};

// The answer to one request, on whatever thread its handler likes.
class LiveExchange : public Exchange {
  public:
    LiveExchange(std::shared_ptr<Connection> connection, std::shared_ptr<ExchangeLink> link,
                 ConnectionHost& host, HttpRequest request, bool keep_alive, bool http_1_0);
    ~LiveExchange() override;

    const HttpRequest& request() const override { return request_; }
    void reply(HttpReply reply) override;
    void begin(HttpReply head, std::string ping) override;
    bool write(std::string piece) override;
    void end() override;
    void on_gone(std::function<void()> call) override;
    bool gone() const override { return link_->gone.load(std::memory_order_acquire); }

  private:
    enum class Stage { open, streaming, ended };
    std::string head_text(const HttpReply& reply, std::optional<std::size_t> length) const;
    void post(std::string_view bytes, bool last);
    void log(int status) const;

    std::shared_ptr<ExchangeLink> link_;
    boost::asio::any_io_executor executor_;
    ConnectionHost& host_;
    HttpRequest request_;
    bool keep_alive_, chunked_;
    std::atomic<Stage> stage_{Stage::open};
    int status_ = 0;
    std::size_t bytes_ = 0;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace hearth::server
