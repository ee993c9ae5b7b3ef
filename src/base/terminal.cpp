// base/terminal.cpp - tables, colours and bars. State: the one colour setting.
#include "base/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/check.h"

namespace hearth {
namespace {

std::atomic<Colours> colour_setting{Colours::automatic};

bool colours_on() {
    const Colours setting = colour_setting.load();
    if (setting != Colours::automatic) return setting == Colours::always;
    const char* term = std::getenv("TERM");
    return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr &&
           (term == nullptr || std::string_view(term) != "dumb");
}

// Ranges of wide characters, coarse: Hangul Jamo, CJK, Hangul, compatibility forms, fullwidth, emoji, planes
// 2-3. Source: Unicode's EastAsianWidth.txt, classes W and F, merged.
bool is_wide(std::uint32_t c) {
    return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
           (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
}

}  // namespace

void set_colours(Colours colours) { colour_setting.store(colours); }

std::string tinted(std::string_view text, Tint tint) {
    if (!colours_on() || tint == Tint::plain) return std::string(text);
    static constexpr int kCodes[] = {0, 1, 2, 31, 32, 33, 34};  // SGR, ECMA-48 section 8.3.117
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<int>(tint)], text);
}

int display_width(std::string_view text) {
    int width = 0;
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte == 0x1b) {  // skip to the letter that ends the sequence
            while (i < text.size() && text[i] != 'm') ++i;
            ++i;
            continue;
        }
        const int length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        std::uint32_t c = length == 1 ? byte : byte & (0xFFu >> (length + 1));
        for (int k = 1; k < length && i + static_cast<std::size_t>(k) < text.size(); ++k)
            c = c << 6 | (static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]) & 0x3Fu);
        width += is_wide(c) ? 2 : 1;
        i += static_cast<std::size_t>(length);
    }
    return width;
}

void Table::add(std::vector<std::string> cells) {
    HEARTH_CHECK(cells.size() == columns_.size(), "a row has one cell a column");
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<int> widths;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        int width = display_width(columns_[c].title);
        for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
        widths.push_back(width);
    }
    const auto line = [&](const auto& cell_of, Tint tint) {
        std::string out;
        for (std::size_t c = 0; c < columns_.size(); ++c) {
            const std::string& cell = cell_of(c);
            const std::string pad(static_cast<std::size_t>(widths[c] - display_width(cell)), ' ');
            if (c > 0) out += "  ";
            out += columns_[c].align == Align::right ? pad + tinted(cell, tint) : tinted(cell, tint) + pad;
        }
        while (!out.empty() && out.back() == ' ') out.pop_back();
        return out + "\n";
    };
    std::string out =
        line([&](std::size_t c) -> const std::string& { return columns_[c].title; }, Tint::bold);
    for (const auto& row : rows_)
        out += line([&](std::size_t c) -> const std::string& { return row[c]; }, Tint::plain);
    return out;
}

std::string bytes_text(double bytes) {
    static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    int unit = 0;
    while (bytes >= 999.5 && unit < 5) {
        bytes /= 1000;
        ++unit;
    }
    if (unit == 0) return fmt::format("{:.0f} B", bytes);
    return fmt::format("{:.{}f} {}", bytes, bytes < 9.995 ? 2 : bytes < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string seconds_text(double seconds) {
    if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1e3);
    if (seconds < 99.95) return fmt::format("{:.1f} s", seconds);
    const auto whole = static_cast<long long>(seconds + 0.5);
    if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
    return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

Progress::Progress(std::string title, std::uint64_t total, std::string unit)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      visible_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_) {}

Progress::~Progress() {
    if (visible_) std::fputs("\r\x1b[K", stderr);
}

void Progress::advance(std::uint64_t by, std::string_view detail) {
    done_ += by;
    const auto now = std::chrono::steady_clock::now();
    if (!visible_ || now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    draw(detail);
}

void Progress::draw(std::string_view detail) {
    const double seconds = std::chrono::duration<double>(drawn_ - start_).count();
    const double share =
        total_ > 0 ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0;
    const double rate = static_cast<double>(done_) / std::max(seconds, 1e-9);
    const double left = share > 0 ? seconds * (1 - share) / share : 0;
    constexpr int kBarCells = 24;
    const int filled = static_cast<int>(share * kBarCells);
    const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                            std::string(static_cast<std::size_t>(kBarCells - filled), '.');
    const std::string speed =
        unit_ == "B" ? bytes_text(rate) + "/s" : fmt::format("{:.0f} {}/s", rate, unit_);
    const std::string line = fmt::format("\r{} [{}] {:3.0f} %  {}  {} left  {}\x1b[K", title_, bar,
                                         share * 100, speed, seconds_text(left), detail.substr(0, 40));
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
}

}  // namespace hearth
