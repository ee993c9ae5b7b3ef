// engine/draft_heads.cpp - each head builds on the hidden states of the one before it.
#include "engine/draft_heads.h"

#include <algorithm>

namespace hearth::engine {

Result<DraftHeads> DraftHeads::make(const std::shared_ptr<const models::Model>& model, ThreadPool& pool,
                                    const Options& options) {
    DraftHeads made;
    for (const models::Network& network : model->draft_heads) {
        // As many blocks as the model's own sequences may come to need, and one each for a fork.
        std::vector<std::int64_t> n_blocks;
        for (const models::StatePool& of : models::state_pools(network.program, options.kv))
            n_blocks.push_back(options.sequences *
                               (of.blocks_needed(options.context_max, options.step_tokens) + 1));
        Head& head = made.heads_.emplace_back();
        HEARTH_TRY(KvBlocks blocks, KvBlocks::make(network.program, options.kv, n_blocks));
        head.blocks = std::make_unique<KvBlocks>(std::move(blocks));
        HEARTH_TRY(head.executor, Executor::make({model, &network}, *head.blocks, pool, options.step_tokens,
                                                 options.context_max, options.exact));
    }
    return made;
}

std::vector<SequenceState> DraftHeads::begin() {
    std::vector<SequenceState> states;
    for (Head& head : heads_) states.emplace_back(*head.blocks);
    return states;
}

Status DraftHeads::follow(std::vector<SequenceState>& states, std::span<const float> hidden,
                          std::span<const int> tokens, int last, const Sink& sink) {
    std::vector<float> rows(hidden.begin(), hidden.end());
    const auto width = static_cast<std::size_t>(heads_.front().executor->hidden(0).size());
    for (int k = 0; k <= last; ++k) {
        const auto at = static_cast<std::size_t>(k);
        // Head k reads tokens from the k-th on; the last rows may have none.
        const std::size_t n = tokens.size() < at ? 0 : std::min(rows.size() / width, tokens.size() - at);
        if (n == 0) return {};
        const auto n_tokens = static_cast<std::int64_t>(n);
        HEARTH_TRY_STATUS(states[at].reserve(n_tokens));
        Executor& executor = *heads_[at].executor;
        const StepPart part{&states[at], tokens.subspan(at, n), k == last ? 0 : n_tokens,
                            std::span(rows).first(n * width)};
        executor.run({&part, 1}, [&](std::size_t, std::int64_t row, std::span<const float> logits) {
            sink(row, logits);
        });
        rows.clear();
        for (std::int64_t row = 0; row < n_tokens; ++row) {
            const auto of_row = executor.hidden(row);
            rows.insert(rows.end(), of_row.begin(), of_row.end());
        }
    }
    return {};
}

}  // namespace hearth::engine
