// base/json.h - JSON from outside: parsed with limits, read through a cursor that knows its place.
// Include <boost/json.hpp> only in sources that need to walk a value by hand.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/result.h"

namespace hearth {

using Json = boost::json::value;

// Errors: corrupt, with the byte offset, for bad syntax, bad UTF-8, too deep. `where` names the file or
// request.
Result<Json> parse_json(std::string_view text, std::string_view where, std::size_t depth_max = kJsonDepthMax);

// What a value is, for messages: "a string", "an array".
std::string_view kind_name(const Json& value);

// A value and the path that led to it, so that a failed read names the place:
//   config.json: /rope_scaling/factor: expected a number, saw a string
class JsonCursor {
  public:
    JsonCursor(const Json& value, std::string where) : value_(&value), where_(std::move(where)) {}

    [[nodiscard]] const Json& value() const { return *value_; }
    [[nodiscard]] const std::string& where() const { return where_; }
    [[nodiscard]] bool is_null() const { return value_->is_null(); }

    // Members. `at` fails when absent; `find` gives nothing when absent or null.
    [[nodiscard]] Result<JsonCursor> at(std::string_view key) const;
    [[nodiscard]] std::optional<JsonCursor> find(std::string_view key) const;
    [[nodiscard]] Result<JsonCursor> at(std::size_t index) const;

    // Typed reads. Errors: corrupt (wrong type), out_of_range.
    [[nodiscard]] Result<std::int64_t> integer(std::int64_t min, std::int64_t max) const;
    [[nodiscard]] Result<double> number() const;
    [[nodiscard]] Result<bool> boolean() const;
    [[nodiscard]] Result<std::string> string() const;
    [[nodiscard]] Result<std::size_t> array_size() const;  // fails when it is no array

    // The member, or a default when it is absent or null.
    [[nodiscard]] Result<std::int64_t> integer_or(std::string_view key, std::int64_t fallback,
                                                  std::int64_t min, std::int64_t max) const;
    [[nodiscard]] Result<double> number_or(std::string_view key, double fallback) const;
    [[nodiscard]] Result<bool> boolean_or(std::string_view key, bool fallback) const;
    [[nodiscard]] Result<std::string> string_or(std::string_view key, std::string_view fallback) const;

    [[nodiscard]] Error wrong(std::string_view expected) const;  // "<where>: expected X, saw a Y"

  private:
    const Json* value_;
    std::string where_;
};

// Writing. Doubles are written shortest and round-trip, as Python does (1.0, 2.5e-07), members in their
// order. Not a number and infinity become null: JSON has no other word for them. indent 0 gives one line.
std::string to_json(const Json& value, int indent = 0);
std::string json_number(double value);  // Python's repr of a finite float

}  // namespace hearth
