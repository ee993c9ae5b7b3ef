// formats/json_keys.cpp - walks JSON text once and keeps the keys of the open objects alone.
#include "formats/json_keys.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <string>
#include <vector>

namespace hearth::formats {
namespace {

// The callbacks that Boost.JSON's parser wants; all but those of objects and keys do nothing.
struct KeyWatcher {
    using string_view = boost::json::string_view;
    using error_code = boost::json::error_code;
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    std::vector<std::vector<std::string>> open;
    std::string key, duplicate;

    bool on_object_begin(error_code&) {
        open.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t, error_code& error) {
        std::vector<std::string>& keys = open.back();
        std::sort(keys.begin(), keys.end());
        const auto twice = std::adjacent_find(keys.begin(), keys.end());
        if (twice != keys.end()) {
            duplicate = *twice;
            error = boost::json::error::syntax;
            return false;
        }
        open.pop_back();
        return true;
    }
    bool on_key_part(string_view part, std::size_t, error_code&) {
        key.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view part, std::size_t, error_code&) {
        key.append(part.data(), part.size());
        open.back().push_back(std::move(key));
        key.clear();
        return true;
    }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_array_begin(error_code&) { return true; }
    bool on_array_end(std::size_t, error_code&) { return true; }
    bool on_string_part(string_view, std::size_t, error_code&) { return true; }
    bool on_string(string_view, std::size_t, error_code&) { return true; }
    bool on_number_part(string_view, error_code&) { return true; }
    bool on_int64(std::int64_t, string_view, error_code&) { return true; }
    bool on_uint64(std::uint64_t, string_view, error_code&) { return true; }
    bool on_double(double, string_view, error_code&) { return true; }
    bool on_bool(bool, error_code&) { return true; }
    bool on_null(error_code&) { return true; }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }
};

}  // namespace

Status refuse_duplicate_keys(std::string_view text, std::string_view where, std::size_t depth_max) {
    boost::json::parse_options options;
    options.max_depth = depth_max;
    boost::json::basic_parser<KeyWatcher> parser(options);
    boost::json::error_code error;
    parser.write_some(false, text.data(), text.size(), error);
    if (!parser.handler().duplicate.empty() || error)
        return fail(Fault::corrupt, "{}: expected each name once, saw \"{}\" again", where,
                    plain_name(parser.handler().duplicate) ? parser.handler().duplicate : "a name");
    return {};
}

bool plain_name(std::string_view name) {
    return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
}

}  // namespace hearth::formats
