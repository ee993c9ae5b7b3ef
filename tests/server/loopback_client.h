// tests/server/loopback_client.h - a client over a plain socket, that can misbehave as tests like.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace hearth::tests {

struct Answer {
    int status = 0;  // 0: the connection ended without one
    std::string head, body;
    [[nodiscard]] std::string header(
        std::string_view name) const {  // names in lower case, as the server writes
        const std::string key = "\r\n" + std::string(name) + ": ";
        const auto at = head.find(key);
        if (at == std::string::npos) return {};
        return head.substr(at + key.size(), head.find("\r\n", at + 2) - at - key.size());
    }
};

class LoopbackClient {
  public:
    explicit LoopbackClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    }
    ~LoopbackClient() { close(); }
    LoopbackClient(const LoopbackClient&) = delete;
    LoopbackClient& operator=(const LoopbackClient&) = delete;
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    void finish_sending() const { ::shutdown(fd_, SHUT_WR); }

    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

    // Reads until `mark` was seen, the connection ended, or the time is over. Gives what is not yet consumed.
    const std::string& read_until(std::string_view mark, int seconds = 20) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
        while (mark.empty() || held_.find(mark) == std::string::npos) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                until - std::chrono::steady_clock::now());
            pollfd watch{fd_, POLLIN, 0};
            if (left.count() <= 0 || ::poll(&watch, 1, static_cast<int>(left.count())) <= 0) {
                timed_out = true;
                break;
            }
            char bytes[65536];
            const auto n = ::recv(fd_, bytes, sizeof bytes, 0);
            if (n <= 0) {
                ended = true;
                break;
            }
            held_.append(bytes, static_cast<std::size_t>(n));
        }
        return held_;
    }

    // One answer off the connection, its chunks joined.
    Answer read_answer(bool head_only = false) {
        Answer answer;
        read_until("\r\n\r\n");
        const auto end = held_.find("\r\n\r\n");
        if (end == std::string::npos) return answer;
        answer.head = held_.substr(0, end + 2);
        held_.erase(0, end + 4);
        answer.status = std::atoi(answer.head.substr(9, 3).c_str());
        if (head_only || answer.status == 204 || answer.status == 100) return answer;
        if (answer.header("transfer-encoding") == "chunked") {
            for (;;) {
                read_until("\r\n");
                const auto line = held_.find("\r\n");
                if (line == std::string::npos) return answer;
                const auto size = std::strtoul(held_.c_str(), nullptr, 16);
                held_.erase(0, line + 2);
                take(answer.body, size);
                read_until("\r\n");
                held_.erase(0, 2);
                if (size == 0) return answer;
            }
        }
        take(answer.body, std::strtoul(answer.header("content-length").c_str(), nullptr, 10));
        return answer;
    }

    bool ended = false, timed_out = false;

  private:
    void take(std::string& to, std::size_t n) {
        while (held_.size() < n && !ended && !timed_out) {
            const std::size_t before = held_.size();
            char bytes[65536];
            pollfd watch{fd_, POLLIN, 0};
            if (::poll(&watch, 1, 20'000) <= 0) timed_out = true;
            const auto got = timed_out ? 0 : ::recv(fd_, bytes, sizeof bytes, 0);
            if (got > 0) held_.append(bytes, static_cast<std::size_t>(got));
            if (held_.size() == before) ended = true;
        }
        to += held_.substr(0, n);
        held_.erase(0, n);
    }
    int fd_;
    std::string held_;
};

inline std::string get(std::string_view path, std::string_view more = {}) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body, std::string_view more = {}) {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + std::string(more) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace hearth::tests
