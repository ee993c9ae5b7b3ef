// engine/kv_blocks.h - what sequences keep, in pools of blocks (models/state_pools.h). Sequences own lists of
// blocks and may share them: a fork copies only what it is about to write.
#pragma once

#include <algorithm>
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
        const Place& p = place(state);
        return at(pools_[p.pool], block, {p.offset + kv_head * p.keys_head, p.keys_head});
    }
    [[nodiscard]] std::uint8_t* values(models::StateId state, BlockId block, int kv_head) {
        const Place& p = place(state);
        return at(pools_[p.pool], block, {p.values + kv_head * p.values_head, p.values_head});
    }
    // All of this state's part of a block, of states that are not keys and values: they lay it out
    // themselves.
    [[nodiscard]] float* data(models::StateId state, BlockId block) {
        const Place& p = place(state);
        return reinterpret_cast<float*>(at(pools_[p.pool], block, {p.offset, p.bytes}));
    }

  private:
    // Bytes of a block that are used together.
    struct Piece {
        std::int64_t offset = 0, bytes = 0;
    };
    struct Place {
        std::size_t pool = 0;
        std::int64_t offset = 0, bytes = 0;           // in a block
        std::int64_t values = 0;                      // in a block: after all heads' keys
        std::int64_t keys_head = 0, values_head = 0;  // bytes of one KV head; 0: no keys and values
    };
    // Attention reads a head's keys of many blocks, then its values. So blocks come in runs of neighbours
    // that lie piece by piece: one piece of all, the next piece of all. A sequence that took its blocks in
    // order is read in long stretches, and memory is still committed run by run.
    static constexpr std::int64_t kRunBlocks = 16;
    struct Pool {
        models::StatePool spec;
        std::uint8_t* data = nullptr;
        std::vector<Piece> pieces;    // all of a block, in order
        std::vector<int> references;  // by BlockId
        std::vector<BlockId> free;
    };
    [[nodiscard]] static std::uint8_t* at(const Pool& pool, std::int64_t block, Piece piece) {
        const std::int64_t first = block / kRunBlocks * kRunBlocks;
        const std::int64_t n = std::min(kRunBlocks, std::ssize(pool.references) - first);
        return pool.data + first * static_cast<std::int64_t>(pool.spec.block_bytes()) + n * piece.offset +
               (block - first) * piece.bytes;
    }
    [[nodiscard]] const Place& place(models::StateId state) const {
        return places_[static_cast<std::size_t>(state)];
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
