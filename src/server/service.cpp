// server/service.cpp - routes, and the order of starting and stopping.
#include "server/service.h"

#include "server/metrics.h"
#include "server/openai/errors.h"
#include "server/openai/models.h"

namespace hearth::server {

Error key_needed(const std::string& host) {
    return {Fault::usage,
            fmt::format("--host {}: other machines could use this server: expected --api-key or "
                        "--api-key-file with it, saw neither",
                        host)};
}

Result<std::unique_ptr<Service>> Service::open(openai::ServedModel model, std::unique_ptr<Stepper> stepper,
                                               ServiceOptions options) {
    HEARTH_TRY(const ListenAddress address, resolve_listen_address(options.http.host));
    if (!address.loopback && options.api_keys.empty()) return fail(key_needed(options.http.host));
    std::unique_ptr<Service> service(new Service(std::move(model)));
    Service* const self = service.get();
    self->auth_.api_keys = std::move(options.api_keys);
    if (address.loopback) self->auth_.hosts = loopback_hosts(address.ip);
    self->router_.add("GET", "/health", [](std::shared_ptr<Exchange> exchange, const std::string&) {
        HttpReply reply;
        reply.body = "{\"status\": \"ok\"}\n";
        exchange->reply(std::move(reply));
    });
    self->router_.add("GET", "/metrics", [self](std::shared_ptr<Exchange> exchange, const std::string&) {
        HttpReply reply;
        reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
        reply.body = metrics_text(self->engine_->served(), self->engine_->load());
        exchange->reply(std::move(reply));
    });
    self->router_.add("GET", "/v1/models", [self](std::shared_ptr<Exchange> exchange, const std::string&) {
        openai::answer_models(exchange, self->model_);
    });
    self->router_.add("GET", "/v1/models/*",
                      [self](std::shared_ptr<Exchange> exchange, const std::string& id) {
                          openai::answer_model(exchange, self->model_, id);
                      });
    self->router_.add("POST", "/v1/chat/completions",
                      [self](std::shared_ptr<Exchange> exchange, const std::string&) {
                          openai::answer_chat(exchange, self->model_, *self->engine_);
                      });
    self->engine_ = std::make_unique<EngineThread>(std::move(stepper), options.engine);
    HttpHandlers handlers;
    handlers.admit = [self](const HttpRequest& head) { return self->admit(head); };
    handlers.handle = [self](std::shared_ptr<Exchange> exchange) { self->handle(exchange); };
    handlers.refusal = openai::refusal_reply;
    HEARTH_TRY(self->http_, HttpServer::open(std::move(options.http), std::move(handlers)));
    return service;
}

Service::~Service() {
    if (engine_) engine_->stop();  // its answers refer to the HTTP server
}

std::optional<HttpReply> Service::admit(const HttpRequest& head) const {
    if (const auto refusal = refuse_unknown(head, auth_))
        return openai::refusal_reply(refusal->status, refusal->message);
    const Router::Match match = router_.find(head.method, head.path);
    if (head.method == "OPTIONS" && (match.found != Router::Found::no_path || head.path == "*")) {
        HttpReply reply;
        reply.status = 204;
        reply.headers.push_back({"allow", head.path == "*" ? "GET, HEAD, POST, OPTIONS" : match.allow});
        return reply;
    }
    switch (match.found) {
        case Router::Found::yes:
            return std::nullopt;
        case Router::Found::bad_path:
            return openai::refusal_reply(400, "the path holds a wrong percent-escape");
        case Router::Found::no_path:
            return openai::refusal_reply(
                404,
                fmt::format("no such path: {}; see /v1/chat/completions, /v1/models, /metrics and /health",
                            head.path.substr(0, 200)));
        case Router::Found::no_method:
            break;
    }
    HttpReply reply = openai::refusal_reply(
        405,
        fmt::format("{}: expected one of {}, saw {}", head.path.substr(0, 200), match.allow, head.method));
    reply.headers.push_back({"allow", match.allow});
    return reply;
}

void Service::handle(const std::shared_ptr<Exchange>& exchange) const {
    const Router::Match match = router_.find(exchange->request().method, exchange->request().path);
    if (match.handler != nullptr) (*match.handler)(exchange, match.rest);
}

void Service::run() {
    http_->run();
    engine_->stop();
}

void Service::stop() { http_->stop(); }

}  // namespace hearth::server
