// base/terminal.h - what people look at: aligned tables, colours that can be turned off, progress bars on
// stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

// Colours are on when stdout is a terminal, NO_COLOR is unset and TERM is not "dumb"; set_colours overrides.
enum class Colours { automatic, always, never };
void set_colours(Colours colours);
enum class Tint { plain, bold, dim, red, green, yellow, blue };
std::string tinted(std::string_view text, Tint tint);

// Cells of a terminal that the text takes: escape sequences none, East Asian wide characters two.
int display_width(std::string_view text);

// A table whose columns align. Numbers go right: mark their columns.
class Table {
  public:
    enum class Align { left, right };
    struct Column {
        std::string title;
        Align align = Align::left;
    };
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> cells);
    [[nodiscard]] std::string text() const;  // ends with a newline

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// "12.1 MB", "4.50 GB": powers of 1000, three digits.
std::string bytes_text(double bytes);
// "820 ms", "12.3 s", "4 min 05 s".
std::string seconds_text(double seconds);

// A bar with rate and time left, on stderr, only on a terminal; silent elsewhere. Not thread-safe.
class Progress {
  public:
    Progress(std::string title, std::uint64_t total, std::string unit);  // unit "B" prints as bytes
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    void advance(std::uint64_t by, std::string_view detail = {});

  private:
    void draw(std::string_view detail);
    std::string title_, unit_;
    std::uint64_t total_, done_ = 0;
    bool visible_;
    std::chrono::steady_clock::time_point start_, drawn_;
};

}  // namespace hearth
