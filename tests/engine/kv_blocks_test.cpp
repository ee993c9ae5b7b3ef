// tests/engine/kv_blocks_test.cpp - the four verbs of a sequence over every kind of pool, and what pools
// cost.
#include "engine/kv_blocks.h"

#include <gtest/gtest.h>

#include "material.h"

namespace hearth::engine {
namespace {

using models::StateSpec;

// One layer of each kind: all positions, a window of 20, and a recurrent one of 8 numbers.
models::Program three_states() {
    models::Program program;
    program.states.push_back({.layer = 0, .n_kv_heads = 1, .head_dim = 8});
    program.states.push_back({.layer = 1, .n_kv_heads = 2, .head_dim = 4, .window = 20});
    program.states.push_back({.kind = StateSpec::Kind::recurrent, .layer = 2, .floats = 8});
    return program;
}
constexpr std::size_t kPaged = 0, kWindow = 1, kRecurrent = 2;

KvBlocks make(std::vector<std::int64_t> n_blocks) {
    auto blocks = KvBlocks::make(three_states(), kernels::kKvF32, n_blocks);
    EXPECT_TRUE(blocks.has_value());
    return std::move(*blocks);
}

void grow(SequenceState& state, std::int64_t n) {
    ASSERT_OK(state.reserve(n));
    state.advance(n);
}

TEST(KvBlocks, ForksShareCopyAndGiveBack) {
    KvBlocks blocks = make({6, 6, 4});
    {
        SequenceState base(blocks);
        grow(base, 20);
        blocks.keys(0, base.block_ids(kPaged)[1], 0)[3] = 42;
        blocks.data(2, base.block_ids(kRecurrent)[0])[7] = 43;
        EXPECT_EQ(blocks.n_free(kPaged), 4);
        SequenceState fork = base.fork();
        EXPECT_EQ(blocks.n_free(kPaged), 4);
        ASSERT_OK(fork.reserve(1));  // the half-full block becomes its own, with its content
        EXPECT_EQ(blocks.n_free(kPaged), 3);
        EXPECT_EQ(blocks.n_free(kRecurrent), 2);
        EXPECT_EQ(fork.block_ids(kPaged)[0], base.block_ids(kPaged)[0]);
        EXPECT_NE(fork.block_ids(kPaged)[1], base.block_ids(kPaged)[1]);
        EXPECT_EQ(blocks.keys(0, fork.block_ids(kPaged)[1], 0)[3], 42);
        EXPECT_NE(fork.block_ids(kRecurrent)[0], base.block_ids(kRecurrent)[0]);
        EXPECT_EQ(blocks.data(2, fork.block_ids(kRecurrent)[0])[7], 43);
        EXPECT_EQ(fork.reserve(1000).error().fault, Fault::busy);
        EXPECT_EQ(fork.length(), 20);
        EXPECT_EQ(fork.truncate(16), 0) << "a recurrent state has no mark to go back to";
        SequenceState moved = std::move(base);
        EXPECT_EQ(moved.length(), 20);
    }
    EXPECT_EQ(blocks.n_free(kPaged), 6);
    EXPECT_EQ(blocks.n_free(kWindow), 6);
    EXPECT_EQ(blocks.n_free(kRecurrent), 4);
}

TEST(KvBlocks, WindowsGiveBackWhatNoPositionSeesAnyMore) {
    KvBlocks blocks = make({40, 8, 1});
    SequenceState state(blocks);
    const models::StatePool& pool = blocks.pool(kWindow);
    const std::int64_t most = pool.blocks_needed(500, 10);
    EXPECT_LE(most, 8);
    for (int step = 0; step < 50; ++step) {
        grow(state, 10);
        EXPECT_LE(8 - blocks.n_free(kWindow), most) << step;
        // The next position sees 19 behind it, and a rollback of 64 must be possible.
        const std::int64_t oldest = std::max<std::int64_t>(0, state.length() - 10 - 19 - 64);
        for (std::int64_t at = oldest / 16; at < (state.length() + 15) / 16; ++at)
            EXPECT_NE(state.block_ids(kWindow)[static_cast<std::size_t>(at)], kNoBlock);
    }
    EXPECT_EQ(state.block_ids(kWindow)[0], kNoBlock);
    EXPECT_NE(state.block_ids(kPaged)[0], kNoBlock);
}

TEST(KvBlocks, MarksBringRecurrentStatesBack) {
    KvBlocks blocks = make({8, 8, 3});
    SequenceState state(blocks);
    const auto recurrent = [&] { return blocks.data(2, state.block_ids(kRecurrent)[0]); };
    grow(state, 5);
    recurrent()[0] = 5;
    state.mark();
    grow(state, 4);
    recurrent()[0] = 9;
    EXPECT_EQ(state.truncate(7), 5);
    EXPECT_EQ(recurrent()[0], 5);
    grow(state, 1);
    recurrent()[0] = 6;
    EXPECT_EQ(state.truncate(6), 6);
    EXPECT_EQ(state.truncate(5), 5) << "a mark can be used twice";
    EXPECT_EQ(recurrent()[0], 5);
    EXPECT_EQ(state.truncate(4), 0);
    EXPECT_EQ(blocks.n_free(kRecurrent), 3);
    grow(state, 1);
    EXPECT_EQ(recurrent()[0], 0) << "a new sequence starts from nothing";
}

TEST(StatePools, AreSizedForTheSequencesOrTheBudget) {
    const auto pools = models::state_pools(three_states(), kernels::kKvF32);
    ASSERT_EQ(pools.size(), 3u);
    EXPECT_EQ(pools[kPaged].block_floats, 8 * 16 + 16 * 16);
    EXPECT_EQ(pools[kWindow].block_floats, 2 * (4 * 16 + 16 * 16));
    EXPECT_EQ(pools[kRecurrent].block_floats, 8);
    const auto sized = [&](std::int64_t context, std::uint64_t bytes) {
        return models::size_pools(pools, {.context = context,
                                          .context_limit = 1024,
                                          .sequences = 4,
                                          .step_tokens = 32,
                                          .bytes_max = bytes});
    };
    const auto roomy = sized(256, 1u << 30);
    ASSERT_OK(roomy);
    EXPECT_EQ(roomy->n_blocks, (std::vector<std::int64_t>{4 * 17, 4 * 10, 8}));
    const std::uint64_t one = 16 * 1536 + 9 * 2560 + 32;
    EXPECT_EQ(sized(256, one - 1).error().fault, Fault::no_memory);
    const auto tight = sized(256, one);
    ASSERT_OK(tight);
    EXPECT_EQ(tight->n_blocks, (std::vector<std::int64_t>{16, 9, 1}));
    EXPECT_EQ(tight->bytes, one);
    const auto longest = sized(0, one);
    ASSERT_OK(longest);
    EXPECT_EQ(longest->context_max, 256);
    EXPECT_EQ(sized(0, 100).error().fault, Fault::no_memory);
    EXPECT_EQ(sized(0, 1u << 30)->context_max, 1024);
}

}  // namespace
}  // namespace hearth::engine
