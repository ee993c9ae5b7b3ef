// models/recipe.cpp - the default exclusions.
#include "models/recipe.h"

#include <fmt/format.h>

namespace hearth::models {
namespace {

struct Exclusion {
    std::string_view pattern, why;
};

// ModelOpt's default_disabled_quantizers.yaml (NVIDIA/Model-Optimizer), and embeddings, which it leaves out
// by module class. The dots matter: "*mlp.gate.*" is a router, mlp.gate_proj is not.
constexpr Exclusion kExclusions[] = {
    {"*block_sparse_moe.gate.*", "router"},
    {"*mlp.gate.*", "router"},
    {"*mlp.shared_expert_gate.*", "router"},
    {"*router*", "router"},
    {"*linear_attn.conv1d*", "convolution"},
    {"*mixer.conv1d*", "convolution"},
    {"*linear_attn.in_proj_a*", "small gate of linear attention"},
    {"*linear_attn.in_proj_b*", "small gate of linear attention"},
    {"*embed_tokens*", "embedding"},
    {"*embeddings*", "embedding"},
    {"*wte.*", "embedding"},
    {"*wpe.*", "embedding"},
    {"*lm_head*", "output head"},
    {"*output_layer*", "output head"},
    {"output.*", "output head"},
    {"*proj_out.*", "output head"},
    {"mtp.*", "multi-token prediction"},
    {"*embed_vision*", "vision"},
    {"*vision_tower*", "vision"},
    {"*visual*", "vision"},
    {"*vision_model*", "vision"},
    {"*multi_modal_projector*", "vision"},
};

bool is_plain_float(DType dtype) {
    return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view name) {
    // Greedy with one point to come back to: linear in practice, never exponential.
    std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.size() && pattern[p] == name[n]) {
            ++p, ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string kept_because(std::string_view name, DType dtype, const Shape& shape, std::int64_t group,
                         std::span<const std::string> keep_globs) {
    if (shape.rank() < 2) return "vector";
    for (const auto& [pattern, why] : kExclusions)
        if (glob_matches(pattern, name)) return std::string(why);
    for (const std::string& pattern : keep_globs)
        if (glob_matches(pattern, name)) return fmt::format("--keep {}", pattern);
    if (!is_plain_float(dtype)) return fmt::format("type {}", info(dtype).name);
    if (!name.ends_with(".weight")) return "no weight";
    if (shape.rank() != 2) return fmt::format("{} dimensions", shape.rank());
    if (shape.n_elems() == 0) return "empty";
    if (shape.back() % group != 0) return fmt::format("rows of {}, no multiple of {}", shape.back(), group);
    return {};
}

}  // namespace hearth::models
