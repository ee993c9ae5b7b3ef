// text/jinja/name_binding.h - what Jinja2 settles when it compiles a template: which names of a scope have no
// value before they are set there, and that the filters and tests exist.
#pragma once

#include "text/jinja/ast.h"

namespace hearth::text::jinja {

// Fills `unset` of the template and of its statements. Throws TemplateError (corrupt, with the line).
void bind_names(Template& parsed);

}  // namespace hearth::text::jinja
