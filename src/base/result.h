// base/result.h - errors as values: what went wrong, where, what was expected and what was seen.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace hearth {

// Each fault has one row in the table of result.cpp: its name, exit code, HTTP status.
enum class Fault {
    usage,         // the command line or a request's field is wrong
    not_found,     // a file, model or tensor that was named is not there
    corrupt,       // a file's bytes contradict themselves or its format
    unsupported,   // well-formed, but nothing here can run it
    out_of_range,  // a number is outside its stated limits
    no_memory,     // it does not fit
    disk_full,     // no space left where the output goes
    io,            // the operating system refused a read, write or connection
    busy,          // a queue is at its limit; trying later can help
    cancelled,     // the user or client went away
    internal,      // our own bug, caught
};

struct FaultInfo {
    Fault fault;
    std::string_view name;         // as printed and as `error.code` in JSON
    int exit_code;                 // of the program; documented in docs/exit-codes.md
    int http_status;               // of the server
    std::string_view openai_type;  // `error.type` of the OpenAI API
};
const FaultInfo& info(Fault fault);

struct Error {
    Fault fault = Fault::internal;
    std::string message;  // One sentence, no newline: where, what was expected, what was seen.

    // Says where in front of what: `Error{..., "expected 2, saw 3"}.at("config.json")`.
    [[nodiscard]] Error at(std::string_view where) const {
        return {fault, fmt::format("{}: {}", where, message)};
    }
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// return fail(Fault::corrupt, "{}: expected {} bytes, saw {}", name, want, seen);
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(Fault fault, fmt::format_string<Args...> format, Args&&... args) {
    return tl::make_unexpected(Error{fault, fmt::format(format, std::forward<Args>(args)...)});
}
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) { return tl::make_unexpected(std::move(error)); }

}  // namespace hearth

#define HEARTH_CONCAT_(a, b) a##b
#define HEARTH_CONCAT(a, b) HEARTH_CONCAT_(a, b)
#define HEARTH_TRY_(tmp, decl, ...)                                 \
    auto tmp = (__VA_ARGS__);                                       \
    if (!tmp) return ::tl::make_unexpected(std::move(tmp).error()); \
    decl = std::move(*tmp)

// HEARTH_TRY(const auto text, read_text(path)); returns the error, or binds the value.
#define HEARTH_TRY(decl, ...) HEARTH_TRY_(HEARTH_CONCAT(hearth_try_, __COUNTER__), decl, __VA_ARGS__)
// HEARTH_TRY_STATUS(write(...)); returns the error, or goes on.
#define HEARTH_TRY_STATUS(...)                                               \
    do {                                                                     \
        if (auto hearth_status_ = (__VA_ARGS__); !hearth_status_)            \
            return ::tl::make_unexpected(std::move(hearth_status_).error()); \
    } while (false)
