// plan/model_shape.h - what a model takes: its weights by role and what its layers keep for each sequence,
// from a config.json or a file's header alone. Families need no program here: what cannot run yet can be
// planned.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"
#include "models/program.h"

namespace hearth::plan {

enum class Part {
    embedding,       // looked up, not read whole
    head,            // absent when tied: the embedding is read as the head then
    attention,       // and what stands in its place: linear attention
    ffn,             // dense layers
    experts,         // routed: a token reads some
    shared_experts,  // of mixtures: every token reads them
    router,
    other,  // norms, biases, small gates
};
inline constexpr int kParts = static_cast<int>(Part::other) + 1;
std::string_view name(Part part);

// What some layers keep for a sequence.
struct KeptState {
    std::string kind;  // "attention", "sliding window", "latent", "linear attention"
    int n_layers = 0;
    std::int64_t elems_per_position = 0;  // of a layer, keys and values
    std::int64_t window = 0;              // positions kept; 0: all
    std::int64_t state_elems = 0;         // of a layer, whatever the length
    // How Hearth's engine holds them: heads of keys and values (0: latents, in float32 whatever the cache's
    // type), and float32s of a recurrent state, which is without the convolution's newest input and padded.
    int n_kv_heads = 0, head_dim = 0;
    std::int64_t recurrent_floats = 0;
    bool operator==(const KeptState&) const = default;
};

struct ModelShape {
    std::string name, family;
    std::array<std::int64_t, kParts> n_elems{};  // weights by part
    std::vector<KeptState> states;
    bool tied = false;
    int n_layers = 0, n_experts = 0, n_experts_used = 0;
    std::int64_t d_model = 0, d_ff = 0, vocab = 0, context_max = 0;
    std::int64_t attention_width = 0;  // query heads times their dimension, summed over layers with attention
    bool is_hybrid = false;            // layers of linear attention
    // Bytes by part as a file holds them; absent when the shape comes from a config alone.
    std::optional<std::array<std::uint64_t, kParts>> stored_bytes;
    std::map<std::string, std::uint64_t> stored_types;  // the same bytes by the type of the tensors

    [[nodiscard]] std::int64_t of(Part part) const { return n_elems[static_cast<std::size_t>(part)]; }
    [[nodiscard]] std::int64_t parameters() const;
    // Weights that decoding one token multiplies: the embedding only where it is the head, k of n experts.
    [[nodiscard]] double active_parameters() const;
    // Elements kept for one sequence of n positions.
    [[nodiscard]] std::int64_t kept_elems(std::int64_t n_positions) const;
};

// From a config.json in transformers' spelling. Errors: unsupported (a model_type without a row here),
// corrupt, out_of_range, each with the place.
Result<ModelShape> shape_of_config(const Json& config, const std::string& where);
// From a program: every architecture that runs.
ModelShape shape_of_program(const models::ModelConfig& config, const models::Program& program);
// The part that a tensor belongs to, by its name in either container; nothing for what sees or hears.
std::optional<Part> part_of_tensor(std::string_view name);
std::string planned_families();  // "llama, mistral, ..."

// From what there is: a model folder or .gguf file (bytes from the headers), a config.json, or a name of the
// table of published models. Errors: as above, not_found.
Result<ModelShape> find_shape(const std::string& model);
std::string known_models();  // names of the table

}  // namespace hearth::plan
