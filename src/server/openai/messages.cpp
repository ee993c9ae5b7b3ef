// server/openai/messages.cpp - see messages.h.
#include "server/openai/messages.h"

#include <boost/json.hpp>

#include "base/limits.h"
#include "server/openai/fields.h"

namespace hearth::server::openai {
namespace {

ApiResult<std::string> joined_parts(const boost::json::array& parts, const std::string& path) {
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string param = fmt::format("{}[{}]", path, i);
        if (!parts[i].is_object())
            return refuse(Fault::usage, param, "{}: expected an object, saw {}", param, kind_name(parts[i]));
        Fields part(parts[i].get_object(), param + ".");
        HEARTH_TRY(const auto type, part.string("type"));
        if (!type || (*type != "text" && *type != "refusal"))
            return refuse(Fault::usage, param + ".type",
                          "{}.type: expected \"text\", saw \"{}\"; this model reads text alone", param,
                          type.value_or("").substr(0, 64));
        HEARTH_TRY(const auto piece, part.string(*type));
        if (!piece)
            return refuse(Fault::usage, part.param(*type), "{}: expected a string, saw none",
                          part.param(*type));
        if (i > 0) text += '\n';
        text += *piece;
    }
    return text;
}

ApiResult<Json> read_tool_calls(const boost::json::array& calls, const std::string& path) {
    boost::json::array out;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const std::string param = fmt::format("{}[{}]", path, i);
        if (!calls[i].is_object())
            return refuse(Fault::usage, param, "{}: expected an object, saw {}", param, kind_name(calls[i]));
        boost::json::object call = calls[i].get_object();
        Fields fields(call, param + ".");
        HEARTH_TRY(const auto* function, fields.object("function"));
        if (function == nullptr)
            return refuse(Fault::usage, param + ".function", "{}.function: expected an object, saw none",
                          param);
        Fields inner(*function, param + ".function.");
        HEARTH_TRY(const auto name, inner.string("name"));
        if (!name)
            return refuse(Fault::usage, inner.param("name"), "{}: expected a string, saw none",
                          inner.param("name"));
        // Templates print arguments as JSON themselves: give them the value, where the text is one.
        boost::json::object changed = *function;
        if (const Json* arguments = changed.if_contains("arguments"); arguments && arguments->is_string()) {
            auto value = parse_json(std::string_view(arguments->get_string()), inner.param("arguments"));
            if (value && value->is_object()) changed["arguments"] = std::move(*value);
        }
        call["function"] = std::move(changed);
        out.push_back(std::move(call));
    }
    return Json(std::move(out));
}

ApiResult<Json> read_message(const boost::json::object& message, const std::string& path) {
    Fields fields(message, path + ".");
    HEARTH_TRY(const auto role, fields.string("role"));
    if (!role) return refuse(Fault::usage, path + ".role", "{}.role: expected a string, saw none", path);
    bool known = false;
    for (const char* name : {"system", "developer", "user", "assistant", "tool"}) known |= *role == name;
    if (!known)
        return refuse(Fault::usage, path + ".role",
                      "{}.role: expected system, developer, user, assistant or tool, saw \"{}\"", path,
                      role->substr(0, 64));
    boost::json::object out = message;
    out["role"] = *role == "developer" ? "system" : *role;
    HEARTH_TRY(const auto* calls, fields.array("tool_calls"));
    if (calls != nullptr) {
        HEARTH_TRY(out["tool_calls"], read_tool_calls(*calls, path + ".tool_calls"));
    }
    for (const char* name : {"name", "tool_call_id", "reasoning_content", "reasoning", "refusal"}) {
        HEARTH_TRY(const auto text, fields.string(name));
        if (!text) out.erase(name);
    }
    const Json* content = fields.find("content");
    const std::string param = path + ".content";
    if (content == nullptr) {
        if (*role != "assistant")
            return refuse(Fault::usage, param, "{}: expected a string or text parts, saw none", param);
        out["content"] = calls != nullptr ? Json(nullptr) : Json("");
    } else if (content->is_array()) {
        HEARTH_TRY(out["content"], joined_parts(content->get_array(), param));
    } else if (!content->is_string()) {
        return refuse(Fault::usage, param, "{}: expected a string or an array of parts, saw {}", param,
                      kind_name(*content));
    }
    return Json(std::move(out));
}

}  // namespace

ApiResult<Json> read_messages(const boost::json::array& messages) {
    if (messages.empty() || messages.size() > kMessagesMax)
        return refuse(Fault::out_of_range, "messages", "messages: expected 1 to {} messages, saw {}",
                      kMessagesMax, messages.size());
    boost::json::array out;
    out.reserve(messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const std::string path = fmt::format("messages[{}]", i);
        if (!messages[i].is_object())
            return refuse(Fault::usage, path, "{}: expected an object, saw {}", path, kind_name(messages[i]));
        HEARTH_TRY(Json message, read_message(messages[i].get_object(), path));
        out.push_back(std::move(message));
    }
    return Json(std::move(out));
}

}  // namespace hearth::server::openai
