// engine/kv_blocks.h - what sequences keep, in pools of blocks (models/state_pools.h). Sequences own lists of
// blocks and may share them: a fork copies only what it is about to write.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "models/program.h"
#include "models/state_pools.h"
#include "tensor/arena.h"

namespace hearth::engine {

using BlockId = std::int32_t;
inline constexpr BlockId kNoBlock = -1;  // given back: its positions have left the window

class KvBlocks {
  public:
    // Blocks by pool. Errors: no_memory. Memory is committed by the system as blocks are first written.
    static Result<KvBlocks> make(const models::Program& program, kernels::KvType kv,
                                 std::span<const std::int64_t> n_blocks);

    [[nodiscard]] std::size_t n_pools() const { return pools_.size(); }
    [[nodiscard]] const models::StatePool& pool(std::size_t i) const { return pools_[i].spec; }
    [[nodiscard]] std::size_t pool_of(models::StateId state) const { return place(state).pool; }
    [[nodiscard]] std::int64_t n_blocks(std::size_t pool) const {
        return static_cast<std::int64_t>(pools_[pool].references.size());
    }
    [[nodiscard]] std::int64_t n_free(std::size_t pool) const {
        return static_cast<std::int64_t>(pools_[pool].free.size());
    }
    [[nodiscard]] std::uint64_t bytes() const;

    BlockId take(std::size_t pool);  // one reference; there must be a free block. Recurrent ones are zero.
    void share(std::size_t pool, BlockId block) { ++references(pool, block); }
    void release(std::size_t pool, BlockId block);
    void copy(std::size_t pool, BlockId from, BlockId to);
    [[nodiscard]] bool is_shared(std::size_t pool, BlockId block) { return references(pool, block) > 1; }

    [[nodiscard]] kernels::KvType kv_type() const { return kv_; }
    // This state's part of a block for one KV head; layouts in kernels/kv_layout.h.
    [[nodiscard]] std::uint8_t* keys(models::StateId state, BlockId block, int kv_head) {
        return bytes_of(state, block) + kv_head * place(state).keys_head;
    }
    [[nodiscard]] std::uint8_t* values(models::StateId state, BlockId block, int kv_head) {
        const Place& p = place(state);
        return bytes_of(state, block) + p.values + kv_head * p.values_head;
    }
    // All of this state's part of a block: what other kinds of state lay out themselves.
    [[nodiscard]] float* data(models::StateId state, BlockId block) {
        const Place& p = place(state);
        const Pool& pool = pools_[p.pool];
        return pool.data + block * pool.spec.block_floats + p.offset;
    }

  private:
    struct Place {
        std::size_t pool = 0;
        std::int64_t offset = 0;                      // in a block, floats
        std::int64_t values = 0;                      // after the keys, bytes
        std::int64_t keys_head = 0, values_head = 0;  // bytes of one KV head
    };
    struct Pool {
        models::StatePool spec;
        float* data = nullptr;
        std::vector<int> references;  // by BlockId
        std::vector<BlockId> free;
    };
    [[nodiscard]] const Place& place(models::StateId state) const {
        return places_[static_cast<std::size_t>(state)];
    }
    [[nodiscard]] std::uint8_t* bytes_of(models::StateId state, BlockId block) {
        return reinterpret_cast<std::uint8_t*>(data(state, block));
    }
    int& references(std::size_t pool, BlockId block) {
        return pools_[pool].references[static_cast<std::size_t>(block)];
    }
    Arena arena_;
    kernels::KvType kv_ = kernels::kKvF32;
    std::vector<Pool> pools_;
    std::vector<Place> places_;  // by StateId
};

// What one sequence keeps while it lives, with four verbs for every kind of state: reserve and advance go on,
// truncate goes back, fork splits off a twin (a snapshot is a fork; to restore it is to go on from it).
class SequenceState {
  public:
    explicit SequenceState(KvBlocks& blocks) : blocks_(&blocks), ids_(blocks.n_pools()) {}
    SequenceState(SequenceState&& other) noexcept;
    SequenceState& operator=(SequenceState&& other) noexcept;
    ~SequenceState() { clear(); }

    [[nodiscard]] std::int64_t length() const { return length_; }
    [[nodiscard]] std::span<const BlockId> block_ids(std::size_t pool) const { return ids_[pool]; }

    // Room for n more positions, what will be written made our own, blocks that left a window given back.
    // Errors: busy (a pool is empty); nothing else has changed then.
    Status reserve(std::int64_t n);
    void advance(std::int64_t n) { length_ += n; }  // after a step has filled them
    // Remembers this length, so that truncate can come back to it however states recur. Free where none does;
    // else each mark holds a block of the recurrent pool. Marks beyond a truncation are forgotten.
    void mark();
    void forget_marks();
    // Goes back to `length`, or to the nearest length before it that every state still knows: recurrent
    // states know their marks, windows the last kRollbackTokens, and all know 0. Returns where it is now.
    std::int64_t truncate(std::int64_t length);
    // Where truncate(length) would go; `length` up to this one.
    [[nodiscard]] std::int64_t reachable(std::int64_t length) const;
    [[nodiscard]] SequenceState fork() const;

  private:
    struct Mark {
        std::int64_t length;
        std::vector<BlockId> blocks;  // by pool, kNoBlock but for recurrent ones
    };
    void clear();
    void drop(const Mark& mark);
    [[nodiscard]] std::int64_t first_kept(std::size_t pool) const;  // of the next step, in blocks
    [[nodiscard]] std::int64_t blocks_to_take(std::size_t pool, std::int64_t n) const;
    KvBlocks* blocks_;
    std::vector<std::vector<BlockId>> ids_;  // by pool
    std::vector<Mark> marks_;                // in order of length
    std::int64_t length_ = 0;
};

}  // namespace hearth::engine
