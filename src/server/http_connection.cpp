// server/http_connection.cpp - reads requests with Beast's parser, byte by byte if need be, and writes
// answers.
#include "server/http_connection.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "base/log.h"

namespace hearth::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::beast::error_code;

constexpr std::size_t kReadBytes = 16u << 10;
constexpr std::chrono::milliseconds kLingerTime{2'000};  // for a client that is still sending what we refused

bool is_plain_word(std::string_view text) {
    if (text.empty() || text.size() > 64) return false;
    for (const char c : text) {
        const bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          c == '-' || c == '_' || c == '.';
        if (!fine) return false;
    }
    return true;
}

HttpRequest request_of(const http::request<GrowingBody>& message) {
    HttpRequest request;
    request.method = std::string(message.method_string());
    const std::string_view target(message.target().data(), message.target().size());
    const std::size_t mark = target.find('?');
    request.path = std::string(target.substr(0, mark));
    if (mark != std::string_view::npos) request.query = std::string(target.substr(mark + 1));
    for (const auto& field : message)
        request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    return request;
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, ConnectionHost& host)
    : host_(host),
      socket_(std::move(socket)),
      read_timer_(socket_.get_executor()),
      body_timer_(socket_.get_executor()),
      write_timer_(socket_.get_executor()),
      ping_timer_(socket_.get_executor()) {
    error_code ec;
    const auto remote = socket_.remote_endpoint(ec);
    peer_ = ec ? "?" : remote.address().to_string();
    socket_.set_option(asio::ip::tcp::no_delay(true), ec);
}

void Connection::start() {
    phase_ = Phase::head;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(host_.options.header_bytes_max));
    parser_->body_limit(host_.options.body_bytes_max);
    head_bytes_ = 0;
    arm(read_timer_, host_.options.header_time, &Connection::close);
    read();
}

void Connection::arm(Timer& timer, std::chrono::milliseconds time, void (Connection::*expired)()) {
    timer.expires_after(time);
    timer.async_wait([self = shared_from_this(), &timer, expired](error_code ec) {
        // A timer that was armed again after it went off has a later expiry.
        if (ec || timer.expiry() > std::chrono::steady_clock::now()) return;
        (self.get()->*expired)();
    });
}

void Connection::read() {
    if (reading_ || phase_ == Phase::closed) return;
    reading_ = true;
    socket_.async_read_some(
        buffer_.prepare(kReadBytes),
        [self = shared_from_this()](error_code ec, std::size_t n) { self->on_read(ec, n); });
}

void Connection::on_read(error_code ec, std::size_t n) {
    reading_ = false;
    if (phase_ == Phase::closed) return;
    if (ec) return close();
    if (phase_ == Phase::lingering) return read();
    buffer_.commit(n);
    advance();
}

void Connection::advance() {
    if (phase_ == Phase::idle) {
        if (buffer_.size() == 0) return read();
        phase_ = Phase::head;
        arm(read_timer_, host_.options.header_time, &Connection::close);
    }
    if (phase_ == Phase::head) return parse_head();
    if (phase_ == Phase::body) return parse_body();
    // While an answer is under way, read on to see the client leave, up to one more request's head.
    if (phase_ == Phase::answering && buffer_.size() < host_.options.header_bytes_max) read();
}

void Connection::parse_head() {
    error_code ec;
    const std::size_t used = parser_->put(buffer_.data(), ec);
    buffer_.consume(used);
    head_bytes_ += used;
    const std::size_t seen = head_bytes_ + (parser_->is_header_done() ? 0 : buffer_.size());
    if (ec == http::error::header_limit || seen > host_.options.header_bytes_max)
        return refuse(host_.handlers.refusal(
            431, fmt::format("request headers: expected at most {} bytes", host_.options.header_bytes_max)));
    if (ec == http::error::need_more) return read();
    if (ec == http::error::body_limit)
        return refuse(host_.handlers.refusal(
            413, fmt::format("request body: expected at most {} bytes", host_.options.body_bytes_max)));
    if (ec)
        return refuse(
            host_.handlers.refusal(400, fmt::format("expected an HTTP/1.1 request, saw {}", ec.message())));
    on_head();
}

std::optional<HttpReply> Connection::wrong_framing() const {
    const auto refusal = [&](int status, std::string_view why) {
        return host_.handlers.refusal(status, why);
    };
    if (request_.headers.size() > host_.options.headers_max)
        return refusal(431, fmt::format("expected at most {} headers, saw {}", host_.options.headers_max,
                                        request_.headers.size()));
    // What two readers of one request could understand in two ways is refused, not guessed.
    const bool old = parser_->get().version() < 11;
    const int hosts = request_.count("host");
    if (hosts > 1 || (hosts == 0 && !old)) return refusal(400, "expected one Host header");
    if (const std::string* coding = request_.header("transfer-encoding")) {
        if (old || request_.count("transfer-encoding") != 1 || request_.header("content-length") != nullptr)
            return refusal(400, "expected either Content-Length or Transfer-Encoding: chunked");
        if (!boost::beast::iequals(*coding, "chunked"))
            return refusal(501, "Transfer-Encoding: expected \"chunked\"");
    }
    if (request_.count("content-length") > 1) return refusal(400, "expected one Content-Length");
    if (const std::string* coding = request_.header("content-encoding"))
        if (!boost::beast::iequals(*coding, "identity"))
            return refusal(415, "Content-Encoding: expected none; compressed bodies are not read");
    if (!request_.path.starts_with('/') && !(request_.method == "OPTIONS" && request_.path == "*"))
        return refusal(400, "expected a path that begins with \"/\"");
    return std::nullopt;
}

void Connection::on_head() {
    request_ = request_of(parser_->get());
    request_.peer = peer_;
    const std::string* given = request_.header("x-request-id");
    request_.id = given != nullptr && is_plain_word(*given) ? *given : host_.new_request_id();
    keep_alive_ = parser_->get().keep_alive() && !host_.draining;
    has_body_ = !parser_->is_done();
    if (auto reply = wrong_framing()) {
        has_body_ = true;  // where the next request begins is not certain: close after the answer
        return refuse(std::move(*reply));
    }
    if (auto reply = host_.handlers.admit(request_)) return refuse(std::move(*reply));
    if (!has_body_) return dispatch();
    const std::string* expect = request_.header("expect");
    if (expect != nullptr && boost::beast::iequals(*expect, "100-continue") &&
        parser_->get().version() >= 11) {
        out_.push_back("HTTP/1.1 100 Continue\r\n\r\n");
        write();
    }
    phase_ = Phase::body;
    arm(body_timer_, host_.options.body_time, &Connection::close);
    parse_body();
}

void Connection::parse_body() {
    arm(read_timer_, host_.options.body_gap_time, &Connection::close);
    while (!parser_->is_done()) {
        error_code ec;
        const std::size_t used = parser_->put(buffer_.data(), ec);
        buffer_.consume(used);
        if (ec == http::error::need_more) {
            // Only a chunk's head or the trailer can wait for more; they are bounded like any head.
            if (buffer_.size() > host_.options.header_bytes_max)
                return refuse(host_.handlers.refusal(400, "the chunked body has too long a line"));
            return read();
        }
        if (ec == http::error::body_limit)
            return refuse(host_.handlers.refusal(
                413, fmt::format("request body: expected at most {} bytes", host_.options.body_bytes_max)));
        if (ec) return refuse(host_.handlers.refusal(400, fmt::format("request body: saw {}", ec.message())));
        if (!parser_->is_done() && buffer_.size() == 0) return read();
    }
    request_.body = std::move(parser_->get().body());
    has_body_ = false;
    dispatch();
}

void Connection::dispatch() {
    phase_ = Phase::answering;
    read_timer_.cancel();
    body_timer_.cancel();
    link_ = std::make_shared<ExchangeLink>();
    link_->connection = weak_from_this();
    last_taken_ = false;
    const bool on_worker = !request_.body.empty();
    auto exchange = std::make_shared<LiveExchange>(shared_from_this(), link_, host_, std::move(request_),
                                                   keep_alive_, parser_->get().version() < 11);
    parser_.reset();
    auto handle = [&host = host_, exchange = std::move(exchange)]() mutable {
        host.handlers.handle(std::move(exchange));
    };
    if (on_worker)
        asio::post(*host_.workers, std::move(handle));
    else
        asio::post(socket_.get_executor(), std::move(handle));
    advance();
}

void Connection::refuse(HttpReply reply) {
    phase_ = Phase::answering;
    read_timer_.cancel();
    body_timer_.cancel();
    if (has_body_ || !parser_->is_done()) keep_alive_ = false;
    if (request_.id.empty()) request_.id = host_.new_request_id();
    if (request_.method.empty()) request_.method = "-", request_.path = "-", request_.peer = peer_;
    link_ = std::make_shared<ExchangeLink>();
    link_->connection = weak_from_this();
    last_taken_ = false;
    LiveExchange(shared_from_this(), link_, host_, std::move(request_), keep_alive_, false)
        .reply(std::move(reply));
    parser_.reset();
}

void Connection::take_queued() {
    if (phase_ != Phase::answering || !link_ || last_taken_) return;
    {
        const std::lock_guard lock(link_->mutex);
        if (!link_->queued.empty()) out_.push_back(std::exchange(link_->queued, {}));
        last_taken_ = link_->last_queued;
        if (!link_->ping.empty()) ping_ = std::exchange(link_->ping, {});
    }
    if (!out_.empty()) return write();
    if (last_taken_ && !writing_) finish_answer();
}

void Connection::write() {
    if (writing_ || out_.empty() || phase_ == Phase::closed) return;
    writing_ = true;
    arm(write_timer_, host_.options.write_time, &Connection::close);
    asio::async_write(socket_, asio::buffer(out_.front()),
                      [self = shared_from_this()](error_code ec, std::size_t n) { self->on_written(ec, n); });
}

void Connection::on_written(error_code ec, std::size_t n) {
    writing_ = false;
    if (phase_ == Phase::closed) return;
    write_timer_.cancel();
    if (ec) return close();
    out_.pop_front();
    if (link_) link_->backlog_bytes -= std::min(n, link_->backlog_bytes.load());
    if (!out_.empty()) return write();
    if (phase_ == Phase::answering && last_taken_) return finish_answer();
    if (!ping_.empty()) arm(ping_timer_, host_.options.ping_time, &Connection::on_ping);
}

void Connection::on_ping() {
    if (phase_ != Phase::answering || last_taken_ || ping_.empty() || writing_) return;
    out_.push_back(ping_);
    write();
}

void Connection::finish_answer() {
    ping_timer_.cancel();
    ping_.clear();
    link_.reset();
    request_ = {};
    if (!keep_alive_ || host_.draining) return linger();
    phase_ = Phase::idle;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(host_.options.header_bytes_max));
    parser_->body_limit(host_.options.body_bytes_max);
    head_bytes_ = 0;
    last_taken_ = false;
    arm(read_timer_, host_.options.idle_time, &Connection::close);
    advance();
}

// Closing at once could make the kernel drop the answer: the client may still be sending. So say that no more
// comes, and read its bytes away for a moment.
void Connection::linger() {
    phase_ = Phase::lingering;
    error_code ec;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ec);
    if (ec) return close();
    buffer_.consume(buffer_.size());
    arm(read_timer_, kLingerTime, &Connection::close);
    read();
}

void Connection::drain() {
    if (phase_ == Phase::idle || (phase_ == Phase::head && head_bytes_ == 0 && buffer_.size() == 0))
        return close();
    keep_alive_ = false;
}

void Connection::close() {
    if (phase_ == Phase::closed) return;
    phase_ = Phase::closed;
    error_code ec;
    socket_.close(ec);
    for (Timer* timer : {&read_timer_, &body_timer_, &write_timer_, &ping_timer_}) timer->cancel();
    if (link_) std::exchange(link_, nullptr)->leave();
    host_.closed(this);
}

}  // namespace hearth::server
