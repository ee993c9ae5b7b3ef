// cli/input.h - what a command reads: a file, or standard input when the name is "-".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace hearth::cli {

// Errors: not_found, io, out_of_range (more than bytes_max).
Result<std::string> read_input(const std::string& name, std::uint64_t bytes_max);

// Token ids: a JSON file that holds a list. Errors: not_found, io, corrupt, out_of_range (a negative number).
Result<std::vector<int>> read_ids(const std::string& path);

}  // namespace hearth::cli
