// models/expert_tensors.h - one expert's matrices, cut out of the stacks in which files keep experts.
// Sources: transformers' conversion tables (fused gate_up_proj), GGUF's ffn_*_exps, gpt-oss's MXFP4
// checkpoint.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "models/checkpoint.h"

namespace hearth::models {

// "model.layers.0.mlp.experts" + 3 + "gate_proj" + "weight".
struct ExpertName {
    std::string module, part, suffix;
    std::int64_t expert = 0;
};
std::optional<ExpertName> expert_of(std::string_view tensor);

using FindTensor = std::function<std::optional<TensorView>(std::string_view)>;
// Nothing when no stack of that module is there. Errors: corrupt (a stack of another shape).
Result<std::optional<LinearSource>> expert_matrix(const ExpertName& name, const FindTensor& find,
                                                  const ModelConfig& config, const Shape& shape);
Result<std::optional<LinearSource>> expert_bias(const ExpertName& name, const FindTensor& find,
                                                const ModelConfig& config, const Shape& shape);

}  // namespace hearth::models
