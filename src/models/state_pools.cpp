// models/state_pools.cpp - sorts states into pools and shares a budget out among them.
#include "models/state_pools.h"

#include <algorithm>

namespace hearth::models {
namespace {

std::int64_t blocks_for(std::int64_t n_tokens) { return (n_tokens + kBlockTokens - 1) / kBlockTokens; }

std::uint64_t bytes_of_sequence(const std::vector<StatePool>& pools, std::int64_t n_tokens,
                                std::int64_t step_tokens) {
    std::uint64_t bytes = 0;
    for (const StatePool& pool : pools)
        bytes += static_cast<std::uint64_t>(pool.blocks_needed(n_tokens, step_tokens)) * pool.block_bytes();
    return bytes;
}

// The longest context of one sequence within the budget, in whole blocks; 0: not even one block.
std::int64_t longest_context(const std::vector<StatePool>& pools, const PoolWishes& wishes) {
    std::int64_t fits = 0, too_many = blocks_for(wishes.context_limit) + 1;
    while (too_many - fits > 1) {
        const std::int64_t middle = fits + (too_many - fits) / 2;
        const bool ok =
            bytes_of_sequence(pools, middle * kBlockTokens, wishes.step_tokens) <= wishes.bytes_max;
        (ok ? fits : too_many) = middle;
    }
    return std::min(wishes.context_limit, fits * kBlockTokens);
}

}  // namespace

std::int64_t StatePool::blocks_needed(std::int64_t n_tokens, std::int64_t step_tokens) const {
    if (kind == Kind::recurrent) return 1;
    const std::int64_t all = blocks_for(n_tokens);
    if (kind == Kind::paged) return all;
    // The window of a step's first token, the step, and a block at each end that is cut.
    return std::min(all, blocks_for(window + kRollbackTokens + step_tokens) + 1);
}

std::vector<StatePool> state_pools(const Program& program, kernels::KvType kv) {
    std::vector<StatePool> pools;
    for (std::size_t i = 0; i < program.states.size(); ++i) {
        const StateSpec& state = program.states[i];
        const auto kind = state.kind == StateSpec::Kind::recurrent ? StatePool::Kind::recurrent
                          : state.window > 0                       ? StatePool::Kind::window
                                                                   : StatePool::Kind::paged;
        auto pool = std::find_if(pools.begin(), pools.end(), [&](const StatePool& p) {
            return p.kind == kind && p.window == state.window;
        });
        if (pool == pools.end()) {
            pools.emplace_back();
            pools.back().kind = kind;
            pools.back().window = state.window;
            pool = pools.end() - 1;
        }
        pool->states.push_back(static_cast<StateId>(i));
        pool->offsets.push_back(pool->block_floats);
        pool->block_floats += state.block_floats(kv);
    }
    return pools;
}

Result<PoolSizes> size_pools(const std::vector<StatePool>& pools, const PoolWishes& wishes) {
    PoolSizes sizes;
    sizes.context_max = wishes.context;
    if (wishes.context == 0) {
        sizes.context_max = longest_context(pools, wishes);
        if (sizes.context_max == 0)
            return fail(Fault::no_memory, "one sequence needs {} bytes of state, and {} are allowed",
                        bytes_of_sequence(pools, 1, wishes.step_tokens), wishes.bytes_max);
    }
    const std::uint64_t one = bytes_of_sequence(pools, sizes.context_max, wishes.step_tokens);
    if (one > wishes.bytes_max)
        return fail(Fault::no_memory, "a context of {} tokens needs {} bytes of KV cache, and {} are allowed",
                    sizes.context_max, one, wishes.bytes_max);
    // One block more a sequence: a fork copies the block that is being filled.
    std::uint64_t wanted = 0;
    for (const StatePool& pool : pools) {
        sizes.n_blocks.push_back(wishes.sequences *
                                 (pool.blocks_needed(sizes.context_max, wishes.step_tokens) + 1));
        wanted += static_cast<std::uint64_t>(sizes.n_blocks.back()) * pool.block_bytes();
    }
    if (wanted > wishes.bytes_max) {
        const auto n = static_cast<std::int64_t>(wishes.bytes_max / std::max<std::uint64_t>(one, 1));
        std::uint64_t left = wishes.bytes_max;
        for (std::size_t i = 0; i < pools.size(); ++i) {
            if (pools[i].kind == StatePool::Kind::paged) continue;
            sizes.n_blocks[i] = std::min(sizes.n_blocks[i],
                                         n * pools[i].blocks_needed(sizes.context_max, wishes.step_tokens));
            left -= static_cast<std::uint64_t>(sizes.n_blocks[i]) * pools[i].block_bytes();
        }
        for (std::size_t i = 0; i < pools.size(); ++i)
            if (pools[i].kind == StatePool::Kind::paged)
                sizes.n_blocks[i] =
                    std::min(sizes.n_blocks[i], static_cast<std::int64_t>(left / pools[i].block_bytes()));
    }
    for (std::size_t i = 0; i < pools.size(); ++i)
        sizes.bytes += static_cast<std::uint64_t>(sizes.n_blocks[i]) * pools[i].block_bytes();
    return sizes;
}

}  // namespace hearth::models
