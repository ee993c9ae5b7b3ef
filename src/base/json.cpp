// base/json.cpp - the parser's limits and the cursor. Boost.JSON does the parsing.
#include "base/json.h"

#include <boost/json.hpp>
#include <cmath>

namespace hearth {
std::string_view kind_name(const Json& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            return "null";
        case boost::json::kind::bool_:
            return "a boolean";
        case boost::json::kind::int64:
        case boost::json::kind::uint64:
            return "an integer";
        case boost::json::kind::double_:
            return "a number";
        case boost::json::kind::string:
            return "a string";
        case boost::json::kind::array:
            return "an array";
        case boost::json::kind::object:
            return "an object";
    }
    return "nothing";
}

Result<Json> parse_json(std::string_view text, std::string_view where, std::size_t depth_max) {
    boost::json::parse_options options;
    options.max_depth = depth_max;
    boost::json::parser parser({}, options);
    boost::json::error_code error;
    try {
        const std::size_t used = parser.write_some(text.data(), text.size(), error);
        if (error)
            return fail(Fault::corrupt, "{}: byte {}: expected valid JSON, saw {}", where, used,
                        error.message());
        // What follows the value may only be white space.
        const std::size_t rest = text.find_first_not_of(" \t\r\n", used);
        if (rest != std::string_view::npos)
            return fail(Fault::corrupt, "{}: byte {}: expected the end of the JSON text, saw more", where,
                        rest);
        return parser.release();
    } catch (const std::bad_alloc&) {
        return fail(Fault::no_memory, "{}: no memory for {} bytes of JSON", where, text.size());
    } catch (const std::exception& e) {
        return fail(Fault::corrupt, "{}: expected valid JSON, saw {}", where, e.what());
    }
}

Error JsonCursor::wrong(std::string_view expected) const {
    return {Fault::corrupt, fmt::format("{}: expected {}, saw {}", where_, expected, kind_name(*value_))};
}

Result<JsonCursor> JsonCursor::at(std::string_view key) const {
    if (!value_->is_object()) return fail(wrong("an object"));
    const Json* member = value_->get_object().if_contains(key);
    if (member == nullptr)
        return fail(Fault::corrupt, "{}: expected the member \"{}\", saw none", where_, key);
    return JsonCursor(*member, fmt::format("{}/{}", where_, key));
}

std::optional<JsonCursor> JsonCursor::find(std::string_view key) const {
    if (!value_->is_object()) return std::nullopt;
    const Json* member = value_->get_object().if_contains(key);
    if (member == nullptr || member->is_null()) return std::nullopt;
    return JsonCursor(*member, fmt::format("{}/{}", where_, key));
}

Result<JsonCursor> JsonCursor::at(std::size_t index) const {
    HEARTH_TRY(const std::size_t size, array_size());
    if (index >= size) return fail(Fault::corrupt, "{}: expected an element {}, saw {}", where_, index, size);
    return JsonCursor(value_->get_array()[index], fmt::format("{}/{}", where_, index));
}

Result<std::int64_t> JsonCursor::integer(std::int64_t min, std::int64_t max) const {
    std::int64_t number = 0;
    if (value_->is_int64()) {
        number = value_->get_int64();
    } else if (value_->is_double() && std::nearbyint(value_->get_double()) == value_->get_double() &&
               std::fabs(value_->get_double()) < 9e15) {
        number = static_cast<std::int64_t>(value_->get_double());  // 1e6 is a count too
    } else if (value_->is_uint64()) {
        return fail(Fault::out_of_range, "{}: expected {} to {}, saw {}", where_, min, max,
                    value_->get_uint64());
    } else {
        return fail(wrong("an integer"));
    }
    if (number < min || number > max)
        return fail(Fault::out_of_range, "{}: expected {} to {}, saw {}", where_, min, max, number);
    return number;
}

Result<double> JsonCursor::number() const {
    if (value_->is_double()) return value_->get_double();
    if (value_->is_int64()) return static_cast<double>(value_->get_int64());
    if (value_->is_uint64()) return static_cast<double>(value_->get_uint64());
    return fail(wrong("a number"));
}

Result<bool> JsonCursor::boolean() const {
    if (!value_->is_bool()) return fail(wrong("a boolean"));
    return value_->get_bool();
}

Result<std::string> JsonCursor::string() const {
    if (!value_->is_string()) return fail(wrong("a string"));
    const auto& text = value_->get_string();
    return std::string(text.data(), text.size());
}

Result<std::size_t> JsonCursor::array_size() const {
    if (!value_->is_array()) return fail(wrong("an array"));
    return value_->get_array().size();
}

Result<std::int64_t> JsonCursor::integer_or(std::string_view key, std::int64_t fallback, std::int64_t min,
                                            std::int64_t max) const {
    const auto member = find(key);
    return member ? member->integer(min, max) : fallback;
}

Result<double> JsonCursor::number_or(std::string_view key, double fallback) const {
    const auto member = find(key);
    return member ? member->number() : fallback;
}

Result<bool> JsonCursor::boolean_or(std::string_view key, bool fallback) const {
    const auto member = find(key);
    return member ? member->boolean() : fallback;
}

Result<std::string> JsonCursor::string_or(std::string_view key, std::string_view fallback) const {
    const auto member = find(key);
    return member ? member->string() : std::string(fallback);
}

}  // namespace hearth
