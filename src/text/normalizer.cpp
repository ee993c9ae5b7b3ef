// text/normalizer.cpp - normalization segment by segment through utf8proc, so that origins stay near the
// truth.
#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "text/utf8.h"

namespace hearth::text {
namespace {

using Normalization = TokenizerSpec::Normalization;

// Characters below U+0300 never join the one before them in any normal form, so a text can be cut there.
constexpr char32_t kFirstJoining = 0x300;

// Utf8proc's own reordering is quadratic in a run of combining marks; a stable sort of each run is the same.
void reorder_marks(std::vector<utf8proc_int32_t>& points) {
    const auto combining = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
    for (std::size_t i = 0; i < points.size();) {
        if (combining(points[i]) == 0) {
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < points.size() && combining(points[end]) != 0) ++end;
        std::stable_sort(points.begin() + static_cast<std::ptrdiff_t>(i),
                         points.begin() + static_cast<std::ptrdiff_t>(end),
                         [&](utf8proc_int32_t a, utf8proc_int32_t b) { return combining(a) < combining(b); });
        i = end;
    }
}

void append_segment(std::string& out, std::string_view segment, Normalization normalization) {
    int options = UTF8PROC_STABLE;
    const bool compose = normalization == Normalization::nfc || normalization == Normalization::nfkc;
    options |= compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
    if (normalization == Normalization::nfkc || normalization == Normalization::nfkd)
        options |= UTF8PROC_COMPAT;
    const auto flags = static_cast<utf8proc_option_t>(options);
    std::vector<utf8proc_int32_t> points;
    for (std::size_t at = 0; at < segment.size();) {
        const CodePoint c = read_code_point(segment, at);
        at += c.bytes;
        std::array<utf8proc_int32_t, 32> parts{};  // the longest decomposition has 18
        const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts.data(),
                                               static_cast<utf8proc_ssize_t>(parts.size()), flags, nullptr);
        if (n < 0 || n > static_cast<utf8proc_ssize_t>(parts.size())) {
            points.push_back(static_cast<utf8proc_int32_t>(c.value));
            continue;
        }
        points.insert(points.end(), parts.begin(), parts.begin() + n);
    }
    reorder_marks(points);
    auto size = static_cast<utf8proc_ssize_t>(points.size());
    if (compose) size = utf8proc_normalize_utf32(points.data(), size, flags);
    for (utf8proc_ssize_t i = 0; i < size; ++i)
        append_code_point(out, static_cast<char32_t>(points[static_cast<std::size_t>(i)]));
}

// Calls each(begin, end) for the segments of valid UTF-8 text.
template <class Each>
void for_each_segment(std::string_view text, Each&& each) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        if (at > begin && c.value < kFirstJoining) {
            each(begin, at);
            begin = at;
        }
        at += c.bytes;
    }
    if (begin < text.size()) each(begin, text.size());
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

TracedText make_valid(std::string_view text) {
    if (is_valid_utf8(text)) return {std::string(text), {}, 0};
    TracedText out;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        append_code_point(out.text, c.value);
        out.origin.resize(out.text.size(), at);
        // A valid character keeps its bytes' own places.
        if (c.valid)
            for (std::uint32_t i = 1; i < c.bytes; ++i) out.origin[out.text.size() - c.bytes + i] = at + i;
        at += c.bytes;
    }
    out.origin.push_back(text.size());
    return out;
}

TracedText normalize(const TracedText& from, std::size_t begin, std::size_t end,
                     Normalization normalization) {
    const std::string_view text = std::string_view(from.text).substr(begin, end - begin);
    TracedText out;
    if (normalization == Normalization::none || is_ascii(text)) {
        out.text = text;
        out.base = from.base + begin;
        if (!from.origin.empty())
            out.origin.assign(from.origin.begin() + static_cast<std::ptrdiff_t>(begin),
                              from.origin.begin() + static_cast<std::ptrdiff_t>(end) + 1);
        return out;
    }
    for_each_segment(text, [&](std::size_t first, std::size_t last) {
        const std::size_t at = out.text.size();
        append_segment(out.text, text.substr(first, last - first), normalization);
        const bool same = std::string_view(out.text).substr(at) == text.substr(first, last - first);
        for (std::size_t i = at; i < out.text.size(); ++i)
            out.origin.push_back(from.origin_of(begin + first + (same ? i - at : 0)));
    });
    out.origin.push_back(from.origin_of(end));
    return out;
}

std::string normalize(std::string_view text, Normalization normalization) {
    std::string out;
    for_each_segment(text, [&](std::size_t first, std::size_t last) {
        append_segment(out, text.substr(first, last - first), normalization);
    });
    return out;
}

}  // namespace hearth::text
