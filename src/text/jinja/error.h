// text/jinja/error.h - how the template engine reports: thrown inside, turned into a Result at its boundary
// (chat_template.cpp). An interpreter's every step can fail; a Result at each would bury the language's
// rules.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/result.h"

namespace hearth::text::jinja {

struct TemplateError {
    Error error;
    int line = 0;  // 0: not known yet; the statement that runs fills it in
};

// corrupt: the template is not Jinja. usage: it is, but fails on this conversation.
template <class... Args>
[[noreturn]] void raise(Fault fault, int line, fmt::format_string<Args...> format, Args&&... args) {
    throw TemplateError{{fault, fmt::format(format, std::forward<Args>(args)...)}, line};
}
template <class... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
    throw TemplateError{{Fault::usage, fmt::format(format, std::forward<Args>(args)...)}, 0};
}

}  // namespace hearth::text::jinja
