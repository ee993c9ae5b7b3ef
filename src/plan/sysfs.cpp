// plan/sysfs.cpp - small reads below /sys and /proc.
#include "plan/sysfs.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>

namespace hearth::plan {

namespace fs = std::filesystem;

constexpr std::size_t kEntriesMax = 4096;

std::string first_line(const fs::path& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    return line.substr(0, 256);
}

std::optional<double> number_in(const fs::path& path, int base) {
    std::string text = first_line(path);
    if (base == 16 && text.starts_with("0x")) text.erase(0, 2);
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (parsed.ec != std::errc() || parsed.ptr == text.data()) return std::nullopt;
    return static_cast<double>(value);
}

std::vector<fs::path> entries(const fs::path& folder, std::string_view prefix) {
    std::vector<fs::path> out;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end && out.size() < kEntriesMax;
         it.increment(error))
        if (it->path().filename().string().starts_with(prefix)) out.push_back(it->path());
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace hearth::plan
