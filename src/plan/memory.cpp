// plan/memory.cpp - sums of weights times bits, kept elements times bits, and buffers of a chunk.
#include "plan/memory.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/kv_type.h"

namespace hearth::plan {
namespace {

// Bits of the mixes: llama.cpp's llama-quant.cpp for the GGUF ones (Q4_K_M and Q5_K_M: half of the down
// projections and of attn_v in Q6_K; IQ4_XS: attn_v in Q5_K; heads in Q6_K), ModelOpt's default recipe for
// nvfp4, gpt-oss' own layout for mxfp4. tests/plan/memory_test.cpp holds them to the sizes of published
// files.
constexpr WeightType kTypes[] = {
    {"f32", 32, 32, 32, 32, 32},
    {"bf16", 16, 16, 16, 16, 16},
    {"f16", 16, 16, 16, 16, 16},
    {"q8_0", 8.5, 8.5, 8.5, 8.5, 32},
    {"fp8", 8, 8, 16, 16, 16},
    {"q6_k", 6.5625, 6.5625, 6.5625, 6.5625, 32},
    {"q5_k_m", 5.5 + 1.0625 / 6, 5.5 + 1.0625 / 6, 6.5625, 5.5, 32},
    {"q4_k_m", 4.5 + 2.0625 / 6, 4.5 + 2.0625 / 6, 6.5625, 4.5, 32},
    {"q4_0", 4.5, 4.5, 6.5625, 4.5, 32},
    {"nvfp4", 4.5, 4.5, 16, 16, 16},
    {"mxfp4", 16, 4.25, 16, 16, 16},
    {"iq4_xs", 4.25, 4.25, 6.5625, 4.25, 32},
};

double bits_of(const WeightType& type, Part part, bool tied) {
    switch (part) {
        case Part::embedding:
            return tied ? std::max(type.head, type.embedding) : type.embedding;
        case Part::head:
            return type.head;
        case Part::attention:
        case Part::ffn:
            return type.linear;
        case Part::experts:
        case Part::shared_experts:
            return type.experts;
        case Part::router:
        case Part::other:
            break;
    }
    return type.rest;
}

// One block of a layer's state, as models/program.cpp has it for StateSpec.
std::int64_t block_floats(const KeptState& state, kernels::KvType kv) {
    if (state.recurrent_floats > 0) return state.recurrent_floats;
    if (state.n_kv_heads == 0) return state.elems_per_position * models::kBlockTokens;
    return kernels::kv_block_bytes(kv, state.n_kv_heads, state.head_dim) /
           static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

std::span<const WeightType> weight_types() { return kTypes; }

Result<WeightType> find_weight_type(std::string_view name) {
    std::string names;
    for (const WeightType& type : kTypes) {
        if (type.name == name) return type;
        names.append(names.empty() ? "" : ", ").append(type.name);
    }
    return fail(Fault::usage, "type: expected one of {}, saw \"{}\"", names, name);
}

const MemoryTerm& MemoryBill::biggest() const {
    HEARTH_CHECK(!terms.empty(), "a model takes something");
    return *std::max_element(terms.begin(), terms.end(),
                             [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
}

std::vector<models::StatePool> state_pools(const ModelShape& shape, kernels::KvType kv) {
    std::vector<models::StatePool> pools;
    for (const KeptState& state : shape.states) {
        using Kind = models::StatePool::Kind;
        const Kind kind = state.recurrent_floats > 0 ? Kind::recurrent
                          : state.window > 0         ? Kind::window
                                                     : Kind::paged;
        auto pool = std::find_if(pools.begin(), pools.end(), [&](const models::StatePool& p) {
            return p.kind == kind && p.window == state.window;
        });
        if (pool == pools.end()) {
            pools.emplace_back();
            pool = pools.end() - 1;
            pool->kind = kind;
            pool->window = static_cast<int>(state.window);
        }
        pool->block_floats += state.n_layers * block_floats(state, kv);
    }
    return pools;
}

double kept_bytes(const std::vector<models::StatePool>& pools, const MemoryUse& use) {
    const std::int64_t step_tokens = std::max<std::int64_t>(use.chunk_tokens, use.sequences);
    double bytes = 0;
    for (const models::StatePool& pool : pools)  // a block more a sequence: models/state_pools.cpp
        bytes += static_cast<double>(use.sequences) *
                 static_cast<double>(pool.blocks_needed(use.context, step_tokens) + 1) *
                 static_cast<double>(pool.block_bytes());
    return bytes;
}

double kept_bytes(const ModelShape& shape, const MemoryUse& use) {
    return kept_bytes(state_pools(shape, use.kv), use);
}

double kept_read_bytes(const ModelShape& shape, std::int64_t n_positions, kernels::KvType kv) {
    double sum = 0;
    for (const KeptState& state : shape.states) {
        const std::int64_t n = state.window > 0 ? std::min(n_positions, state.window) : n_positions;
        const double positions = state.recurrent_floats > 0
                                     ? 1
                                     : static_cast<double>(n) / static_cast<double>(models::kBlockTokens);
        sum += static_cast<double>(state.n_layers * block_floats(state, kv)) * sizeof(float) * positions;
    }
    return sum;
}

MemoryBill memory_bill(const ModelShape& shape, const WeightType* type, const MemoryUse& use) {
    MemoryBill bill;
    const bool stored = type == nullptr && shape.stored_bytes.has_value();
    const WeightType fallback = *find_weight_type("bf16");
    const WeightType& as = type != nullptr ? *type : fallback;
    for (int i = 0; i < kParts; ++i) {
        const auto part = static_cast<Part>(i);
        const auto n = static_cast<double>(shape.of(part));
        const double bytes = stored ? static_cast<double>((*shape.stored_bytes)[static_cast<std::size_t>(i)])
                                    : n * bits_of(as, part, shape.tied) / 8;
        if (bytes == 0) continue;
        bill.weights += bytes;
        bill.terms.push_back({std::string(name(part)) + " weights", bytes});
        double read = bytes;
        // A tied embedding is read as the head; tables beside it (per-layer embeddings) are looked up.
        if (part == Part::embedding)
            read = shape.tied && n > 0 ? bytes * static_cast<double>(shape.vocab * shape.d_model) / n : 0;
        if (part == Part::experts) {
            bill.experts = bytes;
            read = shape.n_experts > 0 ? bytes * shape.n_experts_used / shape.n_experts : 0;
            bill.routed_per_token = read;
        }
        bill.read_per_token += read;
    }
    for (const KeptState& state : shape.states) {
        ModelShape one;
        one.states = {state};
        const double bytes = kept_bytes(one, use);
        bill.kept += bytes;
        bill.terms.push_back({fmt::format("kept: {}, {} layers", state.kind, state.n_layers), bytes});
    }
    // The residual stream, a layer's activations for a chunk, and logits of the sequences.
    const std::int64_t attention = shape.n_layers > 0 ? 3 * shape.attention_width / shape.n_layers : 0;
    const std::int64_t widest = std::max(2 * shape.d_ff, attention);
    bill.buffers = static_cast<double>(use.chunk_tokens * (4 * shape.d_model + widest)) * 4 +
                   static_cast<double>(shape.vocab) * 4 * use.sequences;
    bill.terms.push_back({"buffers", bill.buffers});
    return bill;
}

}  // namespace hearth::plan
