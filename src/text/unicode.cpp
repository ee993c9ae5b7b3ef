// text/unicode.cpp - lookups behind unicode.h: runs unpacked once into a two-stage table, case through
// utf8proc.
#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <vector>

#include "text/utf8.h"

namespace hearth::text {
namespace {

// Code points from `first` to where the next run begins have one value.
template <class Value>
struct Run {
    std::uint32_t first;
    Value value;
};
using ClassRun = Run<Classes>;
using ScriptRun = Run<Script>;
enum class Case { upper, title, lower };
struct SpecialCase {
    char32_t from;
    Case kind;
    std::array<char32_t, 3> to;  // zeros at the end are padding
};

#include "text/unicode_tables.inc"

// Pages of 256 code points; pages with the same content are one.
template <class Value>
class Table {
  public:
    explicit Table(std::span<const Run<Value>> runs) {
        std::size_t run = 0;
        for (std::size_t page = 0; page < page_of_.size(); ++page) {
            std::array<Value, 256> values{};
            for (std::size_t i = 0; i < 256; ++i) {
                while (run + 1 < runs.size() && runs[run + 1].first <= page * 256 + i) ++run;
                values[i] = runs[run].value;
            }
            const auto same = std::find(pages_.begin(), pages_.end(), values);
            page_of_[page] = static_cast<std::uint16_t>(same - pages_.begin());
            if (same == pages_.end()) pages_.push_back(values);
        }
    }
    // Zero for what is no code point.
    [[nodiscard]] Value at(char32_t c) const {
        return c < 0x110000 ? pages_[page_of_[c >> 8]][c & 0xFF] : Value{0};
    }

  private:
    std::array<std::uint16_t, 0x110000 / 256> page_of_{};
    std::vector<std::array<Value, 256>> pages_;
};

void append_case(std::string& out, char32_t c, Case kind) {
    const auto* special = std::find_if(std::begin(kSpecialCases), std::end(kSpecialCases),
                                       [&](const SpecialCase& s) { return s.from == c && s.kind == kind; });
    if (c >= 0x80 && special != std::end(kSpecialCases)) {
        for (const char32_t to : special->to)
            if (to != 0) append_code_point(out, to);
        return;
    }
    const auto code = static_cast<utf8proc_int32_t>(c);
    const utf8proc_int32_t mapped = kind == Case::upper   ? utf8proc_toupper(code)
                                    : kind == Case::title ? utf8proc_totitle(code)
                                                          : utf8proc_tolower(code);
    append_code_point(out, static_cast<char32_t>(mapped));
}

bool is_cased(char32_t c) { return (classes(c) & (kUpper | kLower | kTitle)) != 0; }

bool is_case_ignorable(char32_t c) {
    // Word_Break MidLetter, MidNumLet and Single_Quote, and categories Mn, Me, Cf, Lm, Sk (Unicode D136).
    if (c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2018 || c == 0x2019 || c == 0x2024)
        return true;
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
           category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
           category == UTF8PROC_CATEGORY_SK;
}

// Unicode's Final_Sigma: after a cased letter and not before one, case-ignorable characters skipped.
bool is_final_sigma(std::span<const char32_t> text, std::size_t at) {
    std::size_t before = at;
    while (before > 0 && is_case_ignorable(text[before - 1])) --before;
    if (before == 0 || !is_cased(text[before - 1])) return false;
    std::size_t after = at + 1;
    while (after < text.size() && is_case_ignorable(text[after])) ++after;
    return after == text.size() || !is_cased(text[after]);
}

void append_lower(std::string& out, std::span<const char32_t> text, std::size_t at) {
    constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2;
    if (text[at] == kCapitalSigma && is_final_sigma(text, at))
        append_code_point(out, kFinalSigma);
    else
        append_case(out, text[at], Case::lower);
}

}  // namespace

Classes classes(char32_t c) {
    static const Table<Classes> table(kClassRuns);
    return table.at(c);
}

Script script(char32_t c) {
    static const Table<Script> table(kScriptRuns);
    return table.at(c);
}

std::string to_upper(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char32_t c : code_points(text)) append_case(out, c, Case::upper);
    return out;
}

std::string to_lower(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const std::vector<char32_t> points = code_points(text);
    for (std::size_t i = 0; i < points.size(); ++i) append_lower(out, points, i);
    return out;
}

std::string to_title(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const std::vector<char32_t> points = code_points(text);
    bool after_cased = false;
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (after_cased)
            append_lower(out, points, i);
        else
            append_case(out, points[i], Case::title);
        after_cased = is_cased(points[i]);
    }
    return out;
}

std::string to_capitalized(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const std::vector<char32_t> points = code_points(text);
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (i == 0)
            append_case(out, points[i], Case::title);
        else
            append_lower(out, points, i);
    }
    return out;
}

bool is_printable(char32_t c) {
    if (c == ' ') return true;
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
        case UTF8PROC_CATEGORY_ZS:
            return false;
        default:
            return true;
    }
}

}  // namespace hearth::text
