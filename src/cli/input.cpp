// cli/input.cpp - whole files and whole standard input, up to a limit.
#include "cli/input.h"

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "base/json.h"

namespace hearth::cli {

Result<std::string> read_input(const std::string& name, std::uint64_t bytes_max) {
    if (name != "-") return read_text(name, bytes_max);
    std::string text;
    std::array<char, 1 << 16> buffer{};
    while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
        text.append(buffer.data(), n);
        if (text.size() > bytes_max)
            return fail(Fault::out_of_range, "standard input: expected at most {} bytes, saw more",
                        bytes_max);
    }
    if (std::ferror(stdin) != 0) return fail(io_error("standard input", "cannot read", errno));
    return text;
}

Result<std::vector<int>> read_ids(const std::string& path) {
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(const Json json, parse_json(text, path));
    const JsonCursor cursor(json, path);
    HEARTH_TRY(const std::size_t n, cursor.array_size());
    std::vector<int> ids;
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor element, cursor.at(i));
        HEARTH_TRY(const std::int64_t id, element.integer(0, INT32_MAX));
        ids.push_back(static_cast<int>(id));
    }
    return ids;
}

}  // namespace hearth::cli
