// text/utf8.cpp - the reader behind utf8.h: one table of allowed second bytes decides everything.
#include "text/utf8.h"

namespace hearth::text {
namespace {

struct Lead {
    std::uint32_t length;                  // of the whole sequence; 0 for bytes that start none
    unsigned char second_min, second_max;  // allowed range of the second byte
    char32_t bits;
};

Lead lead(unsigned char b) {
    if (b < 0xC2) return {0, 0, 0, 0};
    if (b < 0xE0) return {2, 0x80, 0xBF, b & 0x1Fu};
    if (b < 0xF0) {
        const auto min = static_cast<unsigned char>(b == 0xE0 ? 0xA0 : 0x80);
        const auto max = static_cast<unsigned char>(b == 0xED ? 0x9F : 0xBF);
        return {3, min, max, b & 0x0Fu};
    }
    if (b < 0xF5) {
        const auto min = static_cast<unsigned char>(b == 0xF0 ? 0x90 : 0x80);
        const auto max = static_cast<unsigned char>(b == 0xF4 ? 0x8F : 0xBF);
        return {4, min, max, b & 0x07u};
    }
    return {0, 0, 0, 0};
}

}  // namespace

CodePoint read_code_point(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(at);
    if (first < 0x80) return {first, 1, true, false};
    const Lead l = lead(first);
    if (l.length == 0) return {};
    char32_t value = l.bits;
    for (std::uint32_t i = 1; i < l.length; ++i) {
        if (at + i >= text.size()) return {kReplacement, i, false, true};
        const unsigned char b = byte(at + i);
        const unsigned char min = i == 1 ? l.second_min : 0x80, max = i == 1 ? l.second_max : 0xBF;
        if (b < min || b > max) return {kReplacement, i, false, false};
        value = (value << 6) | (b & 0x3Fu);
    }
    return {value, l.length, true, false};
}

void append_code_point(std::string& out, char32_t c) {
    const auto put = [&out](char32_t b) { out.push_back(static_cast<char>(static_cast<unsigned char>(b))); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6));
        put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18));
        put(0x80 | ((c >> 12) & 0x3F));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    }
}

bool is_valid_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        if (!c.valid) return false;
        at += c.bytes;
    }
    return true;
}

std::string replace_invalid(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        append_code_point(out, c.value);
        at += c.bytes;
    }
    return out;
}

std::vector<char32_t> code_points(std::string_view text) {
    std::vector<char32_t> out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        out.push_back(c.value);
        at += c.bytes;
    }
    return out;
}

}  // namespace hearth::text
