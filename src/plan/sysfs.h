// plan/sysfs.h - small reads below /sys and /proc: what is missing or odd is nothing, never an error.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::plan {

// The first line without its end, at most 256 bytes; empty when there is none.
std::string first_line(const std::filesystem::path& path);
std::optional<double> number_in(const std::filesystem::path& path, int base = 10);
// Entries whose names begin so; sorted, so that two readings agree, and at most 4096, so that a broken tree
// cannot take forever.
std::vector<std::filesystem::path> entries(const std::filesystem::path& folder, std::string_view prefix);

}  // namespace hearth::plan
