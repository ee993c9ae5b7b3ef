// server/http_exchange.cpp - answers on their way out: heads, chunks, and the news that a client has left.
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "server/http_connection.h"

namespace hearth::server {

void ExchangeLink::leave() {
    std::function<void()> call;
    {
        const std::lock_guard lock(mutex);
        if (gone.exchange(true, std::memory_order_acq_rel)) return;
        call = std::move(on_gone);
        on_gone = nullptr;
    }
    if (call) call();
}

LiveExchange::LiveExchange(std::shared_ptr<Connection> connection, std::shared_ptr<ExchangeLink> link,
                           ConnectionHost& host, HttpRequest request, bool keep_alive, bool http_1_0)
    : link_(std::move(link)),
      executor_(connection->executor()),
      host_(host),
      request_(std::move(request)),
      keep_alive_(keep_alive),
      chunked_(!http_1_0) {}

LiveExchange::~LiveExchange() {
    if (stage_ == Stage::open) {
        log::error("{}: the handler gave no answer", request_.id);
        reply(host_.handlers.refusal(500, "the server gave no answer"));
    } else if (stage_ == Stage::streaming) {
        end();
    }
}

std::string LiveExchange::head_text(const HttpReply& reply, std::optional<std::size_t> length) const {
    std::string head = fmt::format("HTTP/1.1 {} {}\r\nx-request-id: {}\r\n", reply.status,
                                   reason_phrase(reply.status), request_.id);
    if (reply.status != 204) head += fmt::format("content-type: {}\r\n", reply.content_type);
    for (const auto& [name, value] : reply.headers) {
        std::string clean = value;
        std::erase_if(clean, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
        head += fmt::format("{}: {}\r\n", name, clean);
    }
    if (length && reply.status != 204)
        head += fmt::format("content-length: {}\r\n", *length);
    else if (!length && chunked_)
        head += "transfer-encoding: chunked\r\n";
    head += "x-content-type-options: nosniff\r\n";
    head += keep_alive_ ? "connection: keep-alive\r\n\r\n" : "connection: close\r\n\r\n";
    return head;
}

void LiveExchange::reply(HttpReply reply) {
    Stage open = Stage::open;
    if (!stage_.compare_exchange_strong(open, Stage::ended)) return;
    bytes_ = reply.body.size();
    std::string bytes = head_text(reply, reply.body.size());
    if (request_.method != "HEAD") bytes += reply.body;
    log(reply.status);
    post(bytes, true);
}

void LiveExchange::begin(HttpReply head, std::string ping) {
    Stage open = Stage::open;
    if (!stage_.compare_exchange_strong(open, Stage::streaming)) return;
    if (!chunked_) keep_alive_ = false;  // HTTP/1.0 knows the end of a stream by the connection's
    status_ = head.status;
    if (chunked_ && !ping.empty()) ping = fmt::format("{:x}\r\n{}\r\n", ping.size(), ping);
    {
        const std::lock_guard lock(link_->mutex);
        link_->ping = std::move(ping);
    }
    post(head_text(head, std::nullopt), false);
}

bool LiveExchange::write(std::string piece) {
    if (stage_ != Stage::streaming || gone()) return false;
    if (piece.empty()) return true;
    bytes_ += piece.size();
    if (link_->backlog_bytes > host_.options.backlog_bytes_max) {
        boost::asio::post(executor_, [link = link_] {
            if (const auto connection = link->connection.lock(); connection && !link->gone)
                connection->close();
        });
        return false;
    }
    post(chunked_ ? fmt::format("{:x}\r\n{}\r\n", piece.size(), piece) : piece, false);
    return true;
}

void LiveExchange::end() {
    Stage streaming = Stage::streaming;
    if (!stage_.compare_exchange_strong(streaming, Stage::ended)) return;
    log(status_);
    post(chunked_ ? "0\r\n\r\n" : "", true);
}

void LiveExchange::on_gone(std::function<void()> call) {
    {
        const std::lock_guard lock(link_->mutex);
        if (!link_->gone) {
            link_->on_gone = std::move(call);
            return;
        }
    }
    call();
}

void LiveExchange::post(std::string_view bytes, bool last) {
    {
        const std::lock_guard lock(link_->mutex);
        const bool awake = !link_->queued.empty();  // a post of ours is under way already
        link_->backlog_bytes += bytes.size();
        link_->queued += bytes;
        link_->last_queued |= last;
        if (awake) return;
    }
    boost::asio::post(executor_, [link = link_] {
        if (const auto connection = link->connection.lock(); connection && !link->gone)
            connection->take_queued();
    });
}

void LiveExchange::log(int status) const {
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - started_;
    log::info("{} {} {} {} {} {} B {:.1f} ms{}", request_.id, request_.peer, request_.method, request_.path,
              status, bytes_, took.count(), gone() ? " client left" : "");
}

}  // namespace hearth::server
