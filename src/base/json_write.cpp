// base/json_write.cpp - JSON as text. Boost prints 1.0 as 1E0; people and Python expect 1.0.
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "base/json.h"

namespace hearth {
namespace {

void write_string(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20)
                    out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
                else
                    out += c;
        }
    }
    out += '"';
}

void new_line(std::string& out, int indent, int depth) {
    if (indent == 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent * depth), ' ');
}

void write(std::string& out, const Json& value, int indent, int depth) {
    switch (value.kind()) {
        case boost::json::kind::null:
            out += "null";
            return;
        case boost::json::kind::bool_:
            out += value.get_bool() ? "true" : "false";
            return;
        case boost::json::kind::int64:
            out += fmt::format("{}", value.get_int64());
            return;
        case boost::json::kind::uint64:
            out += fmt::format("{}", value.get_uint64());
            return;
        case boost::json::kind::double_:
            out += std::isfinite(value.get_double()) ? json_number(value.get_double()) : "null";
            return;
        case boost::json::kind::string:
            write_string(out, value.get_string());
            return;
        case boost::json::kind::array: {
            const auto& array = value.get_array();
            out += '[';
            for (std::size_t i = 0; i < array.size(); ++i) {
                if (i > 0) out += indent == 0 ? ", " : ",";
                new_line(out, indent, depth + 1);
                write(out, array[i], indent, depth + 1);
            }
            if (!array.empty()) new_line(out, indent, depth);
            out += ']';
            return;
        }
        case boost::json::kind::object: {
            bool first = true;
            out += '{';
            for (const auto& member : value.get_object()) {
                if (!first) out += indent == 0 ? ", " : ",";
                first = false;
                new_line(out, indent, depth + 1);
                write_string(out, member.key());
                out += ": ";
                write(out, member.value(), indent, depth + 1);
            }
            if (!first) new_line(out, indent, depth);
            out += '}';
            return;
        }
    }
}

}  // namespace

// Python's float repr: the shortest digits that read back equal; plain between 1e-4 and 1e16, else scientific
// with at least two exponent digits (CPython, float_repr_style 'short').
std::string json_number(double value) {
    char buffer[64];
    const double magnitude = std::fabs(value);
    const bool scientific = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16);
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                                   scientific ? std::chars_format::scientific : std::chars_format::fixed)
                         .ptr;
    std::string text(buffer, end);
    if (!scientific && text.find('.') == std::string::npos) text += ".0";
    return text;
}

std::string to_json(const Json& value, int indent) {
    std::string out;
    write(out, value, indent, 0);
    return out;
}

}  // namespace hearth
