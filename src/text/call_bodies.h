// text/call_bodies.h - what stands between the marks of a tool call, by family.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tool_calls.h"

namespace hearth::text {

enum class BodyState {
    whole,       // calls were read
    incomplete,  // it ends inside a string, a bracket or a parameter: the closing mark was part of it
    wrong,       // no call, whatever follows
};

// Reads the body of one section of calls. `calls` is filled when it is whole. `tools` may be null.
BodyState read_calls(CallSyntax syntax, std::string_view body, const Json* tools,
                     std::vector<ToolCall>& calls);

// Mistral: F[ARGS]{...} or [{...}, ...]; `end` is where what was read ends.
BodyState read_mistral_calls(std::string_view body, std::vector<ToolCall>& calls, std::size_t& end);

// A value from its text: JSON where the schema of the tool's parameter says so or, without one, where it is
// JSON but no string; else the text itself.
Json parameter_value(std::string_view text, const Json* tools, std::string_view tool, std::string_view name);

}  // namespace hearth::text
