// engine/kv_blocks.cpp - free lists with reference counts, and the verbs of a sequence over them.
#include "engine/kv_blocks.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "kernels/kv_layout.h"

namespace hearth::engine {
namespace {
using Kind = models::StatePool::Kind;
constexpr std::int64_t kTokens = kernels::kKvBlockTokens;
static_assert(kTokens == models::kBlockTokens);
constexpr auto kFloat = static_cast<std::int64_t>(sizeof(float));
std::int64_t blocks_for(std::int64_t n_tokens) { return (n_tokens + kTokens - 1) / kTokens; }
}  // namespace

Result<KvBlocks> KvBlocks::make(const models::Program& program, kernels::KvType kv,
                                std::span<const std::int64_t> n_blocks) {
    KvBlocks blocks;
    blocks.kv_ = kv;
    blocks.places_.resize(program.states.size());
    for (models::StatePool& spec : models::state_pools(program, kv)) {
        const std::size_t i = blocks.pools_.size();
        Pool pool;
        for (std::size_t s = 0; s < spec.states.size(); ++s) {
            const models::StateSpec& state = program.states[static_cast<std::size_t>(spec.states[s])];
            Place& place = blocks.places_[static_cast<std::size_t>(spec.states[s])];
            const std::int64_t end = s + 1 < spec.states.size() ? spec.offsets[s + 1] : spec.block_floats;
            place.pool = i;
            place.offset = spec.offsets[s] * kFloat;
            place.bytes = end * kFloat - place.offset;
            if (state.kind != models::StateSpec::Kind::paged_kv) {
                pool.pieces.push_back({place.offset, place.bytes});
                continue;
            }
            place.keys_head = kernels::kv_keys_bytes(kv, state.head_dim);
            place.values_head = kernels::kv_values_bytes(kv, state.head_dim);
            place.values = place.offset + state.n_kv_heads * place.keys_head;
            for (int head = 0; head < state.n_kv_heads; ++head)
                pool.pieces.push_back({place.offset + head * place.keys_head, place.keys_head});
            for (int head = 0; head < state.n_kv_heads; ++head)
                pool.pieces.push_back({place.values + head * place.values_head, place.values_head});
        }
        HEARTH_TRY(const auto data,
                   blocks.arena_.take<std::uint8_t>(
                       static_cast<std::uint64_t>(n_blocks[i]) * spec.block_bytes(), "KV blocks"));
        pool.data = data.data();
        pool.references.assign(static_cast<std::size_t>(n_blocks[i]), 0);
        pool.free.resize(static_cast<std::size_t>(n_blocks[i]));
        std::iota(pool.free.rbegin(), pool.free.rend(), 0);  // block 0 is taken first
        pool.spec = std::move(spec);
        blocks.pools_.push_back(std::move(pool));
    }
    return blocks;
}

std::uint64_t KvBlocks::bytes() const {
    std::uint64_t bytes = 0;
    for (const Pool& pool : pools_) bytes += pool.references.size() * pool.spec.block_bytes();
    return bytes;
}

BlockId KvBlocks::take(std::size_t i) {
    Pool& pool = pools_[i];
    HEARTH_CHECK(!pool.free.empty(), "the scheduler admits only what fits");
    const BlockId block = pool.free.back();
    pool.free.pop_back();
    references(i, block) = 1;
    if (pool.spec.kind == Kind::recurrent)
        for (const Piece& piece : pool.pieces)
            std::memset(at(pool, block, piece), 0, static_cast<std::size_t>(piece.bytes));
    return block;
}

void KvBlocks::release(std::size_t pool, BlockId block) {
    if (--references(pool, block) == 0) pools_[pool].free.push_back(block);
}

void KvBlocks::copy(std::size_t i, BlockId from, BlockId to) {
    const Pool& pool = pools_[i];
    for (const Piece& piece : pool.pieces)
        std::memcpy(at(pool, to, piece), at(pool, from, piece), static_cast<std::size_t>(piece.bytes));
}

SequenceState::SequenceState(SequenceState&& other) noexcept
    : blocks_(other.blocks_),
      ids_(std::exchange(other.ids_, std::vector<std::vector<BlockId>>(other.ids_.size()))),
      marks_(std::exchange(other.marks_, {})),
      length_(std::exchange(other.length_, 0)) {}

SequenceState& SequenceState::operator=(SequenceState&& other) noexcept {
    std::swap(blocks_, other.blocks_);
    ids_.swap(other.ids_);
    marks_.swap(other.marks_);
    std::swap(length_, other.length_);
    return *this;
}

std::int64_t SequenceState::first_kept(std::size_t pool) const {
    if (blocks_->pool(pool).kind != Kind::window) return 0;
    const std::int64_t oldest = length_ + 1 - blocks_->pool(pool).window - models::kRollbackTokens;
    return std::max<std::int64_t>(0, oldest) / kTokens;
}

// New ones for n more positions, and a copy of the last where it is shared.
std::int64_t SequenceState::blocks_to_take(std::size_t pool, std::int64_t n) const {
    const auto& ids = ids_[pool];
    if (blocks_->pool(pool).kind == Kind::recurrent)
        return ids.empty() || blocks_->is_shared(pool, ids.front()) ? 1 : 0;
    const bool copy_last = length_ % kTokens != 0 && n > 0 &&
                           blocks_->is_shared(pool, ids[static_cast<std::size_t>(length_ / kTokens)]);
    return blocks_for(length_ + n) - static_cast<std::int64_t>(ids.size()) + (copy_last ? 1 : 0);
}

Status SequenceState::reserve(std::int64_t n) {
    for (std::size_t pool = 0; pool < ids_.size(); ++pool) {
        const auto leave =
            ids_[pool].begin() + std::min<std::ptrdiff_t>(std::ssize(ids_[pool]), first_kept(pool));
        for (auto id = ids_[pool].begin(); id != leave; ++id)
            if (*id != kNoBlock) blocks_->release(pool, std::exchange(*id, kNoBlock));
    }
    for (std::size_t pool = 0; pool < ids_.size(); ++pool)
        if (blocks_to_take(pool, n) > blocks_->n_free(pool))
            return fail(Fault::busy, "the KV cache has {} free blocks, and {} more are needed",
                        blocks_->n_free(pool), blocks_to_take(pool, n));
    for (std::size_t pool = 0; pool < ids_.size(); ++pool) {
        auto& ids = ids_[pool];
        const bool recurrent = blocks_->pool(pool).kind == Kind::recurrent;
        const std::size_t last = recurrent ? 0 : static_cast<std::size_t>(length_ / kTokens);
        if (last < ids.size() && (recurrent || (length_ % kTokens != 0 && n > 0)) &&
            blocks_->is_shared(pool, ids[last])) {
            const BlockId own = blocks_->take(pool);
            blocks_->copy(pool, ids[last], own);
            blocks_->release(pool, ids[last]);
            ids[last] = own;
        }
        for (std::int64_t more = blocks_to_take(pool, n); more > 0; --more)
            ids.push_back(blocks_->take(pool));
    }
    return {};
}

void SequenceState::mark() {
    if (!marks_.empty() && marks_.back().length == length_) return;
    Mark mark{length_, std::vector<BlockId>(ids_.size(), kNoBlock)};
    bool recurrent = false;
    for (std::size_t pool = 0; pool < ids_.size(); ++pool) {
        if (blocks_->pool(pool).kind != Kind::recurrent || ids_[pool].empty()) continue;
        recurrent = true;
        mark.blocks[pool] = ids_[pool].front();
        blocks_->share(pool, mark.blocks[pool]);
    }
    if (recurrent) marks_.push_back(std::move(mark));
}

void SequenceState::drop(const Mark& mark) {
    for (std::size_t pool = 0; pool < mark.blocks.size(); ++pool)
        if (mark.blocks[pool] != kNoBlock) blocks_->release(pool, mark.blocks[pool]);
}

void SequenceState::forget_marks() {
    for (const Mark& mark : marks_) drop(mark);
    marks_.clear();
}

void SequenceState::clear() {
    forget_marks();
    for (std::size_t pool = 0; pool < ids_.size(); ++pool) {
        for (const BlockId id : ids_[pool])
            if (id != kNoBlock) blocks_->release(pool, id);
        ids_[pool].clear();
    }
    length_ = 0;
}

std::int64_t SequenceState::reachable(std::int64_t length) const {
    for (std::size_t pool = 0; pool < ids_.size(); ++pool)
        if (blocks_->pool(pool).kind == Kind::recurrent && length < length_) {
            const auto beyond = std::find_if(marks_.begin(), marks_.end(),
                                             [&](const Mark& mark) { return mark.length > length; });
            length = beyond == marks_.begin() ? 0 : (beyond - 1)->length;
        }
    // The next position looks back over the window: all of it must be here.
    for (std::size_t pool = 0; pool < ids_.size(); ++pool) {
        if (blocks_->pool(pool).kind != Kind::window) continue;
        const std::int64_t oldest = std::max<std::int64_t>(0, length + 1 - blocks_->pool(pool).window);
        for (std::int64_t at = oldest / kTokens; at < blocks_for(length); ++at)
            if (ids_[pool][static_cast<std::size_t>(at)] == kNoBlock) return 0;
    }
    return length;
}

std::int64_t SequenceState::truncate(std::int64_t length) {
    HEARTH_CHECK(length <= length_, "truncation goes back");
    length = reachable(length);
    if (length == 0) {
        clear();
        return 0;
    }
    while (!marks_.empty() && marks_.back().length > length) {
        drop(marks_.back());
        marks_.pop_back();
    }
    for (std::size_t pool = 0; pool < ids_.size(); ++pool) {
        auto& ids = ids_[pool];
        if (blocks_->pool(pool).kind == Kind::recurrent) {
            if (length == length_) continue;
            blocks_->share(pool, marks_.back().blocks[pool]);  // the mark stays: to come back once more
            blocks_->release(pool, std::exchange(ids.front(), marks_.back().blocks[pool]));
            continue;
        }
        for (; static_cast<std::int64_t>(ids.size()) > blocks_for(length); ids.pop_back())
            if (ids.back() != kNoBlock) blocks_->release(pool, ids.back());
    }
    length_ = length;
    return length;
}

SequenceState SequenceState::fork() const {
    SequenceState other(*blocks_);
    other.length_ = length_;
    for (std::size_t pool = 0; pool < ids_.size(); ++pool) {
        const bool recurrent = blocks_->pool(pool).kind == Kind::recurrent;
        const auto n = recurrent ? std::ssize(ids_[pool]) : blocks_for(length_);
        other.ids_[pool].assign(ids_[pool].begin(), ids_[pool].begin() + n);
        for (const BlockId block : other.ids_[pool])
            if (block != kNoBlock) blocks_->share(pool, block);
    }
    return other;
}

}  // namespace hearth::engine
