// models/state_pools.h - how the states of a program share memory: states with one lifetime live in one pool
// of equal blocks. The engine allocates by this and the planner counts by it, so that the two cannot differ.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "models/program.h"

namespace hearth::models {

// Positions of one block of a paged or window pool: kernels/table.h, kKvBlockTokens.
inline constexpr std::int64_t kBlockTokens = 16;
// Positions behind a window that are kept all the same, so that a sequence can take back what it speculated.
inline constexpr std::int64_t kRollbackTokens = 64;
// Prompt tokens that are evaluated together unless somebody asks for another number: the engine's buffers are
// as long, and the planner counts them so. Each chunk reads and unpacks all weights anew, and of a mixture an
// expert gets few of its tokens; docs/numbers.md has what other sizes reach.
inline constexpr int kPromptChunk = 512;

struct StatePool {
    // paged: a block holds 16 positions of each state, and a sequence keeps them all.
    // window: the same, but blocks that have left the window are given back: a ring of blocks.
    // recurrent: one block holds each state of one sequence, whatever its length.
    enum class Kind { paged, window, recurrent } kind = Kind::paged;
    int window = 0;
    std::vector<StateId> states;
    std::vector<std::int64_t> offsets;  // of each state in a block, in float32s whatever the type
    std::int64_t block_floats = 0;
    [[nodiscard]] std::uint64_t block_bytes() const {
        return static_cast<std::uint64_t>(block_floats) * sizeof(float);
    }
    // Blocks that one sequence of n_tokens takes when no step brings more than step_tokens.
    [[nodiscard]] std::int64_t blocks_needed(std::int64_t n_tokens, std::int64_t step_tokens) const;
};

// `kv`: the type of keys and values; recurrent states are float32 always.
std::vector<StatePool> state_pools(const Program& program, kernels::KvType kv);

struct PoolSizes {
    std::int64_t context_max = 0;        // tokens a sequence may reach
    std::vector<std::int64_t> n_blocks;  // by pool
    std::uint64_t bytes = 0;
};
struct PoolWishes {
    std::int64_t context = 0;        // 0: the most that fits, context_limit at most
    std::int64_t context_limit = 0;  // what the model was made for
    std::int64_t sequences = 1;      // at once
    std::int64_t step_tokens = 1;
    std::uint64_t bytes_max = 0;
};
// Blocks for so many sequences, or for as many as the budget holds, one at least. Errors: no_memory.
Result<PoolSizes> size_pools(const std::vector<StatePool>& pools, const PoolWishes& wishes);

}  // namespace hearth::models
