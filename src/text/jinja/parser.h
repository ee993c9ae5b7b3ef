// text/jinja/parser.h - tokens to statements.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace hearth::text::jinja {

// Throws TemplateError (corrupt, with the line).
Template parse(std::string_view source);

}  // namespace hearth::text::jinja
