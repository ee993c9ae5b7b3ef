// server/openai/fields.cpp - see fields.h.
#include "server/openai/fields.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

namespace hearth::server::openai {

tl::unexpected<ApiError> Fields::wrong(std::string_view name, std::string_view expected,
                                       const Json& seen) const {
    return refuse(Fault::usage, param(name), "{}: expected {}, saw {}", param(name), expected,
                  kind_name(seen));
}

const Json* Fields::find(std::string_view name) {
    read_.emplace_back(name);
    const Json* value = object_.if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
}

ApiResult<std::optional<double>> Fields::number(std::string_view name, double min, double max) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) return wrong(name, "a number", *value);
    const double number = value->to_number<double>();
    if (!(number >= min && number <= max))
        return refuse(Fault::out_of_range, param(name), "{}: expected a number from {} to {}, saw {}",
                      param(name), min, max, json_number(number));
    return number;
}

ApiResult<std::optional<std::int64_t>> Fields::integer(std::string_view name, std::int64_t min,
                                                       std::int64_t max) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    // JSON knows one kind of number: 3.0 is the integer 3.
    std::optional<std::int64_t> whole;
    if (value->is_int64()) whole = value->get_int64();
    if (value->is_double() && std::floor(value->get_double()) == value->get_double() &&
        std::abs(value->get_double()) <= 0x1p53)
        whole = static_cast<std::int64_t>(value->get_double());
    if (!whole && !value->is_number()) return wrong(name, "an integer", *value);
    if (!whole && value->is_double() && std::abs(value->get_double()) <= 0x1p53)
        return refuse(Fault::usage, param(name), "{}: expected an integer, saw {}", param(name),
                      json_number(value->get_double()));
    if (!whole || *whole < min || *whole > max)
        return refuse(Fault::out_of_range, param(name), "{}: expected an integer from {} to {}, saw {}",
                      param(name), min, max, to_json(*value));
    return whole;
}

ApiResult<std::optional<bool>> Fields::boolean(std::string_view name) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_bool()) return wrong(name, "true or false", *value);
    return value->get_bool();
}

ApiResult<std::optional<std::string>> Fields::string(std::string_view name) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) return wrong(name, "a string", *value);
    return std::string(value->get_string());
}

ApiResult<const boost::json::array*> Fields::array(std::string_view name) {
    const Json* value = find(name);
    if (value == nullptr) return nullptr;
    if (!value->is_array()) return wrong(name, "an array", *value);
    return &value->get_array();
}

ApiResult<const boost::json::object*> Fields::object(std::string_view name) {
    const Json* value = find(name);
    if (value == nullptr) return nullptr;
    if (!value->is_object()) return wrong(name, "an object", *value);
    return &value->get_object();
}

std::vector<std::string> Fields::unread() const {
    std::vector<std::string> names;
    for (const auto& [key, value] : object_)
        if (std::find(read_.begin(), read_.end(), std::string_view(key)) == read_.end())
            names.emplace_back(key);
    return names;
}

}  // namespace hearth::server::openai
