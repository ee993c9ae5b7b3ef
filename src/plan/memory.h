// plan/memory.h - what a model takes in memory, term by term: weights by part in some type, what sequences
// keep, buffers. docs/plan.md has the formulas.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/state_pools.h"
#include "plan/model_shape.h"

namespace hearth::plan {

// A type or mix by the name that files carry, and the bits that each part's weights take in it.
struct WeightType {
    std::string_view name;   // "nvfp4", "q4_k_m"
    double linear, experts;  // attention and dense ffn; routed and shared experts
    double head, embedding;
    double rest;  // routers, norms
};
std::span<const WeightType> weight_types();  // from the widest to the narrowest
// Errors: usage, with the names there are.
Result<WeightType> find_weight_type(std::string_view name);

struct MemoryTerm {
    std::string name;
    double bytes = 0;
};

struct MemoryUse {
    std::int64_t context = 0;  // positions a sequence reaches
    int sequences = 1;
    kernels::KvType kv = kernels::kKvBf16;  // of keys and values; recurrent states and latents are float32
    std::int64_t chunk_tokens = models::kPromptChunk;  // prompt tokens evaluated together
};

struct MemoryBill {
    std::vector<MemoryTerm> terms;  // without zeros
    double weights = 0, kept = 0, buffers = 0;
    double experts = 0;           // of the weights: what can lie elsewhere
    double read_per_token = 0;    // weights that one decoded token reads
    double routed_per_token = 0;  // of those, routed experts
    [[nodiscard]] double total() const { return weights + kept + buffers; }
    [[nodiscard]] const MemoryTerm& biggest() const;
};
// Weights as the file holds them where `type` is null and the shape knows; else in that type.
MemoryBill memory_bill(const ModelShape& shape, const WeightType* type, const MemoryUse& use);

// The pools of blocks in which Hearth's engine would keep the states of a shape.
std::vector<models::StatePool> state_pools(const ModelShape& shape, kernels::KvType kv);
// What pools take for all sequences, to the byte as the engine allocates them.
double kept_bytes(const std::vector<models::StatePool>& pools, const MemoryUse& use);
double kept_bytes(const ModelShape& shape, const MemoryUse& use);
// Of it, what one step of one sequence reads when it holds n positions.
double kept_read_bytes(const ModelShape& shape, std::int64_t n_positions, kernels::KvType kv);

}  // namespace hearth::plan
