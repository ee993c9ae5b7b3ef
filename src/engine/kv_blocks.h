// engine/kv_blocks.h - the pool of KV blocks. A block holds 16 positions of every layer; sequences own lists
// of blocks, and may share full ones (a fork copies only the block that is still being filled).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "models/program.h"
#include "tensor/arena.h"

namespace hearth::engine {

using BlockId = std::int32_t;

class KvBlocks {
  public:
    // Errors: no_memory. Memory is committed by the system as blocks are first written.
    static Result<KvBlocks> make(const models::Program& program, std::int64_t n_blocks);

    [[nodiscard]] std::int64_t n_blocks() const { return static_cast<std::int64_t>(references_.size()); }
    [[nodiscard]] std::int64_t n_free() const { return static_cast<std::int64_t>(free_.size()); }
    [[nodiscard]] std::uint64_t bytes() const {
        return static_cast<std::uint64_t>(n_blocks()) * block_bytes();
    }
    [[nodiscard]] std::uint64_t block_bytes() const {
        return static_cast<std::uint64_t>(block_floats_) * sizeof(float);
    }
    static std::uint64_t block_bytes(const models::Program& program);

    BlockId take();  // one reference; there must be a free block
    void share(BlockId block);
    void release(BlockId block);
    void copy(BlockId from, BlockId to);
    [[nodiscard]] bool is_shared(BlockId block) const {
        return references_[static_cast<std::size_t>(block)] > 1;
    }

    // This state's part of a block for one KV head; layouts in kernels/table.h.
    [[nodiscard]] float* keys(models::StateId state, BlockId block, int kv_head);
    [[nodiscard]] float* values(models::StateId state, BlockId block, int kv_head);

  private:
    struct Layout {
        std::int64_t keys, values;            // offsets in a block, floats
        std::int64_t keys_head, values_head;  // floats of one KV head
    };
    static std::vector<Layout> layouts(const models::Program& program, std::int64_t& block_floats);
    Arena arena_;
    float* data_ = nullptr;
    std::int64_t block_floats_ = 0;
    std::vector<Layout> layouts_;  // by StateId
    std::vector<int> references_;  // by BlockId
    std::vector<BlockId> free_;
};

// What one sequence keeps while it lives: its blocks and how many positions are filled. Rings and recurrent
// states of later architectures join here, with the same four verbs.
class SequenceState {
  public:
    explicit SequenceState(KvBlocks& blocks) : blocks_(&blocks) {}
    SequenceState(SequenceState&& other) noexcept;
    SequenceState& operator=(SequenceState&&) = delete;
    ~SequenceState() { truncate(0); }

    [[nodiscard]] std::int64_t length() const { return length_; }
    [[nodiscard]] std::span<const BlockId> block_ids() const { return ids_; }

    // Room for n more positions, the last block made our own. Errors: busy (the pool is empty).
    Status reserve(std::int64_t n);
    void advance(std::int64_t n) { length_ += n; }  // after a step has filled them
    void truncate(std::int64_t length);             // back to an earlier length; blocks beyond go back
    [[nodiscard]] SequenceState fork() const;  // shares every block; reserve copies the last when it must

  private:
    KvBlocks* blocks_;
    std::vector<BlockId> ids_;
    std::int64_t length_ = 0;
};

}  // namespace hearth::engine
