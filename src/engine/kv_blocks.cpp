// engine/kv_blocks.cpp - a free list with reference counts.
#include "engine/kv_blocks.h"

#include <cstring>
#include <numeric>

#include "base/check.h"
#include "kernels/table.h"

namespace hearth::engine {
namespace {
constexpr std::int64_t kTokens = kernels::kKvBlockTokens;
std::int64_t blocks_for(std::int64_t n_tokens) { return (n_tokens + kTokens - 1) / kTokens; }
}  // namespace

std::vector<KvBlocks::Layout> KvBlocks::layouts(const models::Program& program, std::int64_t& block_floats) {
    std::vector<Layout> layouts;
    block_floats = 0;
    for (const models::StateSpec& state : program.states) {
        Layout layout{};
        layout.keys_head = std::int64_t{state.head_dim} * kTokens;
        layout.values_head =
            (state.head_dim + kernels::kLanes - 1) / kernels::kLanes * kernels::kLanes * kTokens;
        layout.keys = block_floats;
        layout.values = layout.keys + state.n_kv_heads * layout.keys_head;
        block_floats = layout.values + state.n_kv_heads * layout.values_head;
        layouts.push_back(layout);
    }
    return layouts;
}

std::uint64_t KvBlocks::block_bytes(const models::Program& program) {
    std::int64_t floats = 0;
    layouts(program, floats);
    return static_cast<std::uint64_t>(floats) * sizeof(float);
}

Result<KvBlocks> KvBlocks::make(const models::Program& program, std::int64_t n_blocks) {
    KvBlocks blocks;
    blocks.layouts_ = layouts(program, blocks.block_floats_);
    HEARTH_TRY(
        const auto data,
        blocks.arena_.take<float>(static_cast<std::uint64_t>(n_blocks * blocks.block_floats_), "KV blocks"));
    blocks.data_ = data.data();
    blocks.references_.assign(static_cast<std::size_t>(n_blocks), 0);
    blocks.free_.resize(static_cast<std::size_t>(n_blocks));
    std::iota(blocks.free_.rbegin(), blocks.free_.rend(), 0);  // block 0 is taken first
    return blocks;
}

BlockId KvBlocks::take() {
    HEARTH_CHECK(!free_.empty(), "the scheduler admits only what fits");
    const BlockId block = free_.back();
    free_.pop_back();
    references_[static_cast<std::size_t>(block)] = 1;
    return block;
}

void KvBlocks::share(BlockId block) { ++references_[static_cast<std::size_t>(block)]; }

void KvBlocks::release(BlockId block) {
    if (--references_[static_cast<std::size_t>(block)] == 0) free_.push_back(block);
}

void KvBlocks::copy(BlockId from, BlockId to) {
    std::memcpy(data_ + to * block_floats_, data_ + from * block_floats_, block_bytes());
}

float* KvBlocks::keys(models::StateId state, BlockId block, int kv_head) {
    const Layout& layout = layouts_[static_cast<std::size_t>(state)];
    return data_ + block * block_floats_ + layout.keys + kv_head * layout.keys_head;
}

float* KvBlocks::values(models::StateId state, BlockId block, int kv_head) {
    const Layout& layout = layouts_[static_cast<std::size_t>(state)];
    return data_ + block * block_floats_ + layout.values + kv_head * layout.values_head;
}

SequenceState::SequenceState(SequenceState&& other) noexcept
    : blocks_(other.blocks_), ids_(std::move(other.ids_)), length_(std::exchange(other.length_, 0)) {
    other.ids_.clear();
}

Status SequenceState::reserve(std::int64_t n) {
    const bool copy_last = length_ % kTokens != 0 && n > 0 &&
                           blocks_->is_shared(ids_[static_cast<std::size_t>(length_ / kTokens)]);
    const std::int64_t more = blocks_for(length_ + n) - static_cast<std::int64_t>(ids_.size());
    if (more + (copy_last ? 1 : 0) > blocks_->n_free())
        return fail(Fault::busy, "the KV cache has {} free blocks, and {} more are needed", blocks_->n_free(),
                    more);
    if (copy_last) {
        BlockId& last = ids_[static_cast<std::size_t>(length_ / kTokens)];
        const BlockId own = blocks_->take();
        blocks_->copy(last, own);
        blocks_->release(last);
        last = own;
    }
    for (std::int64_t i = 0; i < more; ++i) ids_.push_back(blocks_->take());
    return {};
}

void SequenceState::truncate(std::int64_t length) {
    HEARTH_CHECK(length <= length_ || length == 0, "truncation goes back");
    length_ = std::min(length, length_);
    while (static_cast<std::int64_t>(ids_.size()) > blocks_for(length_)) {
        blocks_->release(ids_.back());
        ids_.pop_back();
    }
}

SequenceState SequenceState::fork() const {
    SequenceState other(*blocks_);
    other.ids_.assign(ids_.begin(), ids_.begin() + blocks_for(length_));
    other.length_ = length_;
    for (const BlockId block : other.ids_) blocks_->share(block);
    return other;
}

}  // namespace hearth::engine
