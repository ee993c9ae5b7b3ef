// server/openai/models.cpp - see models.h.
#include "server/openai/models.h"

#include <boost/json.hpp>

#include "server/openai/errors.h"

namespace hearth::server::openai {
namespace {

Json model_json(const ServedModel& model) {
    return {{"id", model.id},
            {"object", "model"},
            {"created", model.created},
            {"owned_by", "hearth"},
            {"max_model_len", model.context_max}};
}

HttpReply json_reply(const Json& body) {
    HttpReply reply;
    reply.body = to_json(body) + "\n";
    return reply;
}

}  // namespace

void answer_models(const std::shared_ptr<Exchange>& exchange, const ServedModel& model) {
    boost::json::array data;
    data.push_back(model_json(model));
    boost::json::object body{{"object", "list"}};
    body["data"] = std::move(data);
    exchange->reply(json_reply(body));
}

void answer_model(const std::shared_ptr<Exchange>& exchange, const ServedModel& model,
                  const std::string& id) {
    if (id == model.id) return exchange->reply(json_reply(model_json(model)));
    exchange->reply(
        error_reply({{Fault::not_found, fmt::format("model: expected \"{}\", the one served here, "
                                                    "saw \"{}\"",
                                                    model.id, id.substr(0, 128))},
                     "model",
                     "model_not_found"}));
}

}  // namespace hearth::server::openai
