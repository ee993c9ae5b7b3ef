// models/shapes.h - the shapes of published models as their config.json says them, for work without a
// download.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hearth::models {

// A config.json in transformers' spelling. `family`: "qwen3" (dense and mixtures) or "llama"; `size`: as the
// model's name has it, "1.7B", "30B-A3B"; `n_layers`: 0 for the model's own. Errors: usage, naming what there
// is.
Result<Json> published_shape(std::string_view family, std::string_view size, int n_layers);

std::string published_sizes(std::string_view family);  // "0.6B, 1.7B, ..."; empty: no such family

}  // namespace hearth::models
