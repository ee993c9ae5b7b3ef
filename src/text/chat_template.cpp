// text/chat_template.cpp - the boundary of the template engine: JSON in, its exceptions turned into errors.
#include "text/chat_template.h"

#include <algorithm>
#include <boost/json.hpp>
#include <new>

#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

constexpr std::size_t kMessageBytesMax = 2000;

using jinja::Dict;
using jinja::Value;

// The roles of a message that templates know. Others are whatever the caller wrote.
bool is_known_role(std::string_view role) {
    static constexpr std::string_view kRoles[] = {
        "system", "user",  "assistant",     "tool",        "developer",   "function",        "ipython",
        "model",  "tools", "tool_response", "observation", "environment", "latest_reminder", "chatbot"};
    return std::find(std::begin(kRoles), std::end(kRoles), role) != std::end(kRoles);
}

Value to_value(const Json& json, Author author) {
    switch (json.kind()) {
        case boost::json::kind::null:
            return Value::none();
        case boost::json::kind::bool_:
            return Value(json.get_bool());
        case boost::json::kind::int64:
            return Value(std::int64_t{json.get_int64()});
        case boost::json::kind::uint64:
            return jinja::integer_of_unsigned(json.get_uint64());
        case boost::json::kind::double_:
            return Value(json.get_double());
        case boost::json::kind::string:
            return Value(std::string(json.get_string()), false, author);
        case boost::json::kind::array: {
            jinja::Values items;
            items.reserve(json.get_array().size());
            for (const Json& item : json.get_array()) items.push_back(to_value(item, author));
            return Value::list(std::move(items));
        }
        case boost::json::kind::object: {
            auto dict = std::make_shared<Dict>();
            for (const auto& [key, member] : json.get_object()) {
                const bool known = key == "role" && member.is_string() && is_known_role(member.get_string());
                dict->set(Value(std::string(key), false, author),
                          to_value(member, known ? Author::trusted : author));
            }
            return Value(std::shared_ptr<const Dict>(std::move(dict)));
        }
    }
    return Value::none();
}

// A conversation's messages: those of the assistant are the model's own.
Value messages_value(const Json& json) {
    if (!json.is_array()) return to_value(json, Author::outside);
    jinja::Values messages;
    for (const Json& message : json.get_array()) {
        const Json* role = message.is_object() ? message.get_object().if_contains("role") : nullptr;
        const bool own = role != nullptr && role->is_string() && role->get_string() == "assistant";
        messages.push_back(to_value(message, own ? Author::assistant : Author::outside));
    }
    return Value::list(std::move(messages));
}

// An error is one line of valid text, whatever a template puts into raise_exception.
tl::unexpected<Error> report(jinja::TemplateError caught, std::string_view where) {
    std::string& message = caught.error.message;
    message = replace_invalid(std::string_view(message).substr(0, kMessageBytesMax));
    std::replace(message.begin(), message.end(), '\n', ' ');
    if (caught.line == 0) return fail(caught.error.at(where));
    return fail(caught.error.at(fmt::format("{}: line {}", where, caught.line)));
}

}  // namespace

struct ChatTemplate::Parsed {
    jinja::Template body;
};

ChatTemplate::ChatTemplate(std::string source, std::string where, std::unique_ptr<const Parsed> parsed)
    : source_(std::move(source)), where_(std::move(where)), parsed_(std::move(parsed)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view where) {
    try {
        auto parsed = std::make_unique<Parsed>();
        parsed->body = jinja::parse(source);
        return ChatTemplate(std::string(source), std::string(where), std::move(parsed));
    } catch (const jinja::TemplateError& error) {
        return report(error, where);
    } catch (const std::bad_alloc&) {
        return fail(Fault::no_memory, "{}: no memory for the template", where);
    }
}

Result<QuotedText> ChatTemplate::render(const Json& context, const RenderOptions& options) const {
    if (!context.is_object())
        return fail(Fault::usage, "{}: expected the conversation to be a JSON object", where_);
    try {
        std::unordered_map<std::string, Value> globals;
        for (const auto& [key, member] : context.get_object()) {
            const bool names_token = key == "bos_token" || key == "eos_token";
            globals[std::string(key)] =
                key == "messages" ? messages_value(member)
                                  : to_value(member, names_token ? Author::trusted : Author::outside);
        }
        jinja::Interpreter interpreter(std::move(globals), options.now.value_or(std::time(nullptr)),
                                       options.steps_max);
        return interpreter.run(parsed_->body);
    } catch (const jinja::TemplateError& error) {
        return report(error, where_);
    } catch (const std::bad_alloc&) {
        return fail(Fault::no_memory, "{}: no memory to render the conversation", where_);
    }
}

}  // namespace hearth::text
