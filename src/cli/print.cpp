// cli/print.cpp - the one way out for answers: stdout, whole, or an error.
#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "cli/command.h"

namespace hearth::cli {

Status print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        return fail(io_error("stdout", "cannot write", errno));
    return {};
}

Status print_json(const Json& value) { return print(to_json(value, 2) + "\n"); }

}  // namespace hearth::cli
