// server/openai/fields.h - typed, bounded reads of a request's fields. Absent and null are the same.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai/errors.h"

namespace hearth::server::openai {

class Fields {
  public:
    // `path` precedes names in `param`: "" or "stream_options.".
    explicit Fields(const boost::json::object& object, std::string path = {})
        : object_(object), path_(std::move(path)) {}

    // Errors name the param: usage for a wrong type, out_of_range for a value outside [min, max].
    [[nodiscard]] ApiResult<std::optional<double>> number(std::string_view name, double min, double max);
    [[nodiscard]] ApiResult<std::optional<std::int64_t>> integer(std::string_view name, std::int64_t min,
                                                                 std::int64_t max);
    [[nodiscard]] ApiResult<std::optional<bool>> boolean(std::string_view name);
    [[nodiscard]] ApiResult<std::optional<std::string>> string(std::string_view name);
    [[nodiscard]] ApiResult<const boost::json::array*> array(std::string_view name);    // nullptr: absent
    [[nodiscard]] ApiResult<const boost::json::object*> object(std::string_view name);  // nullptr: absent
    [[nodiscard]] const Json* find(std::string_view name);                              // nullptr: absent

    [[nodiscard]] std::string param(std::string_view name) const { return path_ + std::string(name); }
    // Members that nobody asked for.
    [[nodiscard]] std::vector<std::string> unread() const;

  private:
    [[nodiscard]] tl::unexpected<ApiError> wrong(std::string_view name, std::string_view expected,
                                                 const Json& seen) const;
    const boost::json::object& object_;
    std::string path_;
    std::vector<std::string> read_;
};

}  // namespace hearth::server::openai
