// tests/server/http_test.cpp - the HTTP server over a real socket: limits on both sides, misbehaving clients,
// framing that could be read in two ways, streams, and stopping.
#include "server/http.h"

#include <atomic>
#include <csignal>
#include <future>
#include <optional>
#include <thread>

#include "loopback_client.h"
#include "material.h"
#include "server/openai/errors.h"

namespace hearth::server {
namespace {

using tests::Answer;
using tests::get;
using tests::LoopbackClient;
using tests::post;
using namespace std::chrono_literals;

// A server that echoes bodies, and streams when asked to.
class HttpTest : public ::testing::Test {
  protected:
    void start(HttpOptions options = {}) {
        options.port = 0;
        HttpHandlers handlers;
        handlers.admit = [](const HttpRequest& head) -> std::optional<HttpReply> {
            if (head.path == "/refused") return openai::refusal_reply(401, "not you");
            return std::nullopt;
        };
        handlers.refusal = openai::refusal_reply;
        handlers.handle = [this](std::shared_ptr<Exchange> exchange) { answer(std::move(exchange)); };
        auto opened = HttpServer::open(options, std::move(handlers));
        ASSERT_OK(opened);
        server_ = std::move(*opened);
        thread_ = std::thread([this] { server_->run(); });
    }
    void TearDown() override {
        if (!server_) return;
        server_->stop();
        server_->stop();
        thread_.join();
        if (streamer_.joinable()) streamer_.join();
        server_.reset();
    }
    void answer(std::shared_ptr<Exchange> exchange) {
        const HttpRequest& request = exchange->request();
        if (request.path == "/forgotten") return;
        if (request.path == "/stream") {
            exchange->on_gone([this] { gone_ = true; });
            exchange->begin({.content_type = "text/plain"}, "ping;");
            streamer_ = std::thread([this, exchange] {
                for (int i = 0; i < pieces_ && exchange->write("piece;"); ++i)
                    std::this_thread::sleep_for(pause_);
                exchange->end();
            });
            streaming_ = true;
            return;
        }
        exchange->reply({.body = request.method + " " + request.path + " " + request.body});
    }
    // Waits for the stream's writer, which begins once its request has been handled.
    void streamer_wait() {
        for (int i = 0; i < 20'000 && !streaming_; ++i) std::this_thread::sleep_for(1ms);
        ASSERT_TRUE(streaming_);
        streamer_.join();
    }

    std::unique_ptr<HttpServer> server_;
    std::thread thread_, streamer_;
    std::atomic<bool> gone_{false}, streaming_{false};
    int pieces_ = 3;
    std::chrono::milliseconds pause_{1};
};

TEST_F(HttpTest, AnswersAndKeepsTheConnection) {
    start();
    LoopbackClient client(server_->port());
    for (int i = 0; i < 3; ++i) {
        client.send(post("/echo", "body " + std::to_string(i)));
        const Answer answer = client.read_answer();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "POST /echo body " + std::to_string(i));
        EXPECT_EQ(answer.header("connection"), "keep-alive");
        EXPECT_FALSE(answer.header("x-request-id").empty());
    }
    client.send(get("/bye", "Connection: close\r\n"));
    EXPECT_EQ(client.read_answer().header("connection"), "close");
    client.read_until("");
    EXPECT_TRUE(client.ended);
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
    start();
    LoopbackClient client(server_->port());
    std::string all;
    for (int i = 0; i < 20; ++i)
        all += i % 2 == 0 ? post("/p", std::to_string(i)) : get("/p" + std::to_string(i));
    client.send(all);
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(client.read_answer().body,
                  i % 2 == 0 ? "POST /p " + std::to_string(i) : "GET /p" + std::to_string(i) + " ");
}

TEST_F(HttpTest, OneByteAtATime) {
    start();
    LoopbackClient client(server_->port());
    for (const char c : post("/slow", "hello")) ASSERT_TRUE(client.send(std::string_view(&c, 1)));
    EXPECT_EQ(client.read_answer().body, "POST /slow hello");
    const std::string chunked =
        "POST /chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
    for (const char c : chunked) ASSERT_TRUE(client.send(std::string_view(&c, 1)));
    EXPECT_EQ(client.read_answer().body, "POST /chunks abcde");
}

TEST_F(HttpTest, HeaderBytesAtTheLimitAndOver) {
    start({.header_bytes_max = 1000});
    const std::string bare = get("/h", "X: \r\n");
    for (const std::size_t size : {999u, 1000u, 1001u, 5000u}) {
        LoopbackClient client(server_->port());
        client.send(get("/h", "X: " + std::string(size - bare.size(), 'x') + "\r\n"));
        EXPECT_EQ(client.read_answer().status, size <= 1000 ? 200 : 431) << size;
    }
    LoopbackClient endless(server_->port());
    endless.send("GET /" + std::string(20'000, 'a'));
    EXPECT_EQ(endless.read_answer().status, 431);
}

TEST_F(HttpTest, NumberOfHeadersAtTheLimitAndOver) {
    start({.headers_max = 10});
    for (const int n : {10, 11}) {
        LoopbackClient client(server_->port());
        std::string more;
        for (int i = 1; i < n; ++i) more += "X-" + std::to_string(i) + ": 1\r\n";
        client.send(get("/h", more));
        EXPECT_EQ(client.read_answer().status, n == 10 ? 200 : 431);
    }
}

TEST_F(HttpTest, BodyBytesAtTheLimitAndOver) {
    start({.body_bytes_max = 100'000});
    for (const std::size_t size : {100'000u, 100'001u}) {
        LoopbackClient client(server_->port());
        client.send(post("/b", std::string(size, 'x')));
        EXPECT_EQ(client.read_answer().status, size == 100'000 ? 200 : 413);
        LoopbackClient chunked(server_->port());
        chunked.send(
            fmt::format("POST /b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "{:x}\r\n{}\r\n0\r\n\r\n",
                        size, std::string(size, 'x')));
        EXPECT_EQ(chunked.read_answer().status, size == 100'000 ? 200 : 413);
    }
    LoopbackClient liar(server_->port());  // refused by its head, before any of the body
    liar.send("POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n");
    EXPECT_EQ(liar.read_answer().status, 413);
}

TEST_F(HttpTest, RefusedBeforeTheBodyIsRead) {
    start();
    LoopbackClient client(server_->port());
    client.send("POST /refused HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.header("connection"), "close");
    EXPECT_EQ(answer.header("www-authenticate"), "Bearer");
}

TEST_F(HttpTest, FramingThatCouldBeReadInTwoWaysIsRefused) {
    start();
    const char* const heads[] = {
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\nHost: localhost\n\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    };
    for (const char* head : heads) {
        LoopbackClient client(server_->port());
        client.send(head);
        client.send("GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
        const Answer answer = client.read_answer();
        EXPECT_GE(answer.status, 400) << head;
        EXPECT_LE(answer.status, 501) << head;
        EXPECT_EQ(answer.header("connection"), "close") << head;
        EXPECT_NE(answer.body.find("\"error\""), std::string::npos) << head;
        client.read_until("");
        EXPECT_TRUE(client.ended) << head;  // and nothing after it was taken for a request
    }
}

TEST_F(HttpTest, WrongChunks) {
    start();
    for (const char* body : {"-2\r\nab\r\n0\r\n\r\n", "zz\r\n", "ffffffffffffffffff\r\nab\r\n",
                             "2\r\nabc\r\n0\r\n\r\n", "\r\n\r\n", "0x2\r\nab\r\n0\r\n\r\n"}) {
        LoopbackClient client(server_->port());
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(body);
        EXPECT_GE(client.read_answer().status, 400) << body;
    }
    LoopbackClient endless(server_->port());
    endless.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                 std::string(100'000, 'e'));
    EXPECT_GE(endless.read_answer().status, 400);
}

TEST_F(HttpTest, HeadHasNoBodyAndContinueIsGiven) {
    start();
    LoopbackClient client(server_->port());
    client.send("HEAD /h HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const Answer head = client.read_answer(true);
    EXPECT_EQ(head.header("content-length"), "8");  // of "HEAD /h "
    client.send("POST /c HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 100);
    client.send("ok");
    EXPECT_EQ(client.read_answer().body, "POST /c ok");
}

TEST_F(HttpTest, RequestIdsOfClientsAreKeptWhenPlain) {
    start();
    LoopbackClient client(server_->port());
    client.send(get("/", "X-Request-Id: mine-1.2\r\n"));
    EXPECT_EQ(client.read_answer().header("x-request-id"), "mine-1.2");
    client.send(get("/", "X-Request-Id: not plain\r\n"));
    EXPECT_EQ(client.read_answer().header("x-request-id").substr(0, 4), "req_");
    client.send(get("/", "X-Request-Id: " + std::string(65, 'x') + "\r\n"));
    EXPECT_EQ(client.read_answer().header("x-request-id").substr(0, 4), "req_");
}

TEST_F(HttpTest, StreamsInChunksAndToOldClientsUntilTheEnd) {
    start();
    {
        LoopbackClient client(server_->port());
        client.send(get("/stream"));
        const Answer answer = client.read_answer();
        EXPECT_EQ(answer.header("transfer-encoding"), "chunked");
        EXPECT_EQ(answer.body, "piece;piece;piece;");
        streamer_wait();
        client.send(get("/after"));
        EXPECT_EQ(client.read_answer().body, "GET /after ");
    }
    LoopbackClient old(server_->port());
    old.send("GET /stream HTTP/1.0\r\n\r\n");
    const std::string& all = old.read_until("");
    EXPECT_TRUE(old.ended);
    EXPECT_TRUE(all.ends_with("\r\n\r\npiece;piece;piece;")) << all;
    EXPECT_EQ(all.find("chunked"), std::string::npos);
}

TEST_F(HttpTest, SilentStreamsPing) {
    pieces_ = 2;
    pause_ = 300ms;
    start({.ping_time = 50ms});
    LoopbackClient client(server_->port());
    client.send(get("/stream"));
    const Answer answer = client.read_answer();
    EXPECT_TRUE(answer.body.starts_with("piece;ping;ping;")) << answer.body;
}

TEST_F(HttpTest, ALeavingClientIsNoticed) {
    pieces_ = 1'000'000;
    start();
    {
        LoopbackClient client(server_->port());
        client.send(get("/stream"));
        client.read_until("piece;");
    }
    for (int i = 0; i < 5000 && !gone_; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(gone_);
    streamer_wait();  // write said false
}

TEST_F(HttpTest, AClientThatReadsNothingIsCut) {
    pieces_ = 1'000'000'000;
    pause_ = 0ms;
    start({.backlog_bytes_max = 1 << 20});
    LoopbackClient client(server_->port());
    client.send(get("/stream"));
    streamer_wait();
    for (int i = 0; i < 5000 && !gone_; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(gone_);
}

TEST_F(HttpTest, TimeoutsCloseIdleAndSlowConnections) {
    start({.header_time = 100ms, .body_gap_time = 100ms, .idle_time = 200ms});
    for (const char* begin :
         {"", "GET / HT", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab"}) {
        LoopbackClient client(server_->port());
        client.send(begin);
        client.read_until("", 10);
        EXPECT_TRUE(client.ended) << begin;
    }
    LoopbackClient idle(server_->port());
    idle.send(get("/"));
    EXPECT_EQ(idle.read_answer().status, 200);
    idle.read_until("", 10);
    EXPECT_TRUE(idle.ended);
    // Bytes that drip in do not buy a head more time.
    LoopbackClient drip(server_->port());
    const auto begin = std::chrono::steady_clock::now();
    while (drip.send("G") && std::chrono::steady_clock::now() - begin < 5s) std::this_thread::sleep_for(20ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

TEST_F(HttpTest, AForgottenExchangeAnswers500) {
    start();
    LoopbackClient client(server_->port());
    client.send(post("/forgotten", "x"));
    EXPECT_EQ(client.read_answer().status, 500);
}

TEST_F(HttpTest, ConnectionsBeyondTheLimitAreClosed) {
    start({.connections_max = 2});
    LoopbackClient a(server_->port()), b(server_->port());
    a.send(get("/"));
    b.send(get("/"));
    EXPECT_EQ(a.read_answer().status, 200);
    EXPECT_EQ(b.read_answer().status, 200);
    LoopbackClient c(server_->port());
    c.read_until("", 10);
    EXPECT_TRUE(c.ended);
    a.send(get("/"));
    EXPECT_EQ(a.read_answer().status, 200);
}

TEST_F(HttpTest, StoppingLetsStreamsFinish) {
    pieces_ = 20;
    pause_ = 20ms;
    start();
    LoopbackClient client(server_->port()), idle(server_->port());
    idle.send(get("/"));
    idle.read_answer();
    client.send(get("/stream"));
    client.read_until("piece;");
    server_->stop();
    idle.read_until("", 5);
    EXPECT_TRUE(idle.ended);
    std::string whole;
    for (int i = 0; i < 20; ++i) whole += "piece;";
    EXPECT_EQ(client.read_answer().body, whole);
    EXPECT_FALSE(gone_);
}

TEST_F(HttpTest, StoppingCutsStreamsAfterTheDrainTime) {
    pieces_ = 1'000'000;
    start({.drain_time = 100ms});
    LoopbackClient client(server_->port());
    client.send(get("/stream"));
    client.read_until("piece;");
    server_->stop();
    streamer_wait();
    for (int i = 0; i < 5000 && !gone_; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(gone_);
}

TEST(Listen, AddressesAndTakenPorts) {
    EXPECT_TRUE(resolve_listen_address("127.0.0.1")->loopback);
    EXPECT_TRUE(resolve_listen_address("::1")->loopback);
    EXPECT_TRUE(resolve_listen_address("localhost")->loopback);
    EXPECT_FALSE(resolve_listen_address("0.0.0.0")->loopback);
    EXPECT_FALSE(resolve_listen_address("::")->loopback);
    EXPECT_EQ(resolve_listen_address("example.org").error().fault, Fault::usage);
    HttpHandlers handlers;
    HttpOptions options;
    options.port = 0;
    const auto first = HttpServer::open(options, handlers);
    ASSERT_OK(first);
    options.port = (*first)->port();
    const auto second = HttpServer::open(options, handlers);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().fault, Fault::io);
}

// Idle, and with a connection that is kept open: a signal ends it either way.
TEST(HttpServerSignals, EndAnIdleServer) {
    for (const bool connected : {false, true}) {
        HttpOptions options;
        options.port = 0;
        options.stop_on_signals = true;
        HttpHandlers handlers;
        handlers.refusal = openai::refusal_reply;
        auto opened = HttpServer::open(options, handlers);
        ASSERT_OK(opened);
        HttpServer* server = opened->release();  // let go where it does not end
        std::promise<void> ended;
        auto end = ended.get_future();
        std::thread thread([&] {
            server->run();
            ended.set_value();
        });
        std::optional<LoopbackClient> client;
        if (connected) client.emplace(server->port());
        std::raise(SIGTERM);
        if (end.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
            thread.detach();
            std::fputs("a server went on after SIGTERM\n", stderr);
            std::abort();
        }
        thread.join();
        delete server;
    }
}

}  // namespace
}  // namespace hearth::server
