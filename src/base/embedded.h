// base/embedded.h - a file that is part of the program itself; cmake/embed.cmake makes the tables.
#pragma once

#include <cstddef>
#include <span>

namespace hearth {

struct EmbeddedFile {
    const char* name;  // with its folders: "bench/arith.jsonl"
    const char *begin, *end;
    [[nodiscard]] std::span<const std::byte> bytes() const {
        return std::as_bytes(std::span(begin, static_cast<std::size_t>(end - begin)));
    }
};

}  // namespace hearth
