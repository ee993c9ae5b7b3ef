// server/service.h - the whole server: HTTP in front, the engine's thread behind, the OpenAI API between.
#pragma once

#include <cstdint>
#include <memory>

#include "server/auth.h"
#include "server/engine_thread.h"
#include "server/http.h"
#include "server/openai/chat.h"
#include "server/router.h"

namespace hearth::server {

struct ServiceOptions {
    HttpOptions http;
    std::vector<std::string> api_keys;
    EngineThread::Options engine;
};

// The error for an address beyond loopback without a key.
Error key_needed(const std::string& host);

class Service {
  public:
    // Listens when it returns; answers once `run` is called. Errors: usage (an address beyond loopback
    // without an API key), io (the port is taken).
    static Result<std::unique_ptr<Service>> open(openai::ServedModel model, std::unique_ptr<Stepper> stepper,
                                                 ServiceOptions options);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    [[nodiscard]] std::uint16_t port() const { return http_->port(); }
    void run();   // until stopped; see HttpServer::run
    void stop();  // from any thread

  private:
    explicit Service(openai::ServedModel model) : model_(std::move(model)) {}
    std::optional<HttpReply> admit(const HttpRequest& head) const;
    void handle(const std::shared_ptr<Exchange>& exchange) const;

    openai::ServedModel model_;
    AuthOptions auth_;
    Router router_;
    std::unique_ptr<EngineThread> engine_;
    std::unique_ptr<HttpServer> http_;
};

}  // namespace hearth::server
