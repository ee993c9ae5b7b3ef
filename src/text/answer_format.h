// text/answer_format.h - the marks around sections of calls, for the parser and for those who name a format.
#pragma once

#include <string_view>
#include <vector>

#include "text/tool_calls.h"

namespace hearth::text {

struct Marks {
    std::vector<std::string_view> open;  // of a section of calls; several spellings of one thing
    std::vector<std::string_view> close;
};
Marks marks_of(CallSyntax syntax);

}  // namespace hearth::text
