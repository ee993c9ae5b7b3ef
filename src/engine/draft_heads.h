// engine/draft_heads.h - a model's multi-token-prediction heads, ready to run beside it: an executor each,
// and blocks for what they keep of sequences.
#pragma once

#include <memory>
#include <vector>

#include "engine/executor.h"
#include "engine/kv_blocks.h"

namespace hearth::engine {

class DraftHeads {
  public:
    struct Options {
        std::int64_t sequences = 1, step_tokens = 1, context_max = 1;
        kernels::KvType kv = kernels::kKvF32;
        bool exact = false;
    };
    // Heads that `model` was loaded with; none is no error. Errors: no_memory.
    static Result<DraftHeads> make(const std::shared_ptr<const models::Model>& model, ThreadPool& pool,
                                   const Options& options);

    [[nodiscard]] int size() const { return static_cast<int>(heads_.size()); }
    [[nodiscard]] std::vector<SequenceState> begin();  // of one sequence, a state a head

    // Goes on from position p = states[0].length(): `hidden` holds rows [n, d_model] of what the model's head
    // reads from p on, tokens those from p + 1 on to the text's end or beyond what is needed. Runs heads 0 to
    // `last`; head k runs over rows whose token p + k + 1 is there. The last head's logits go to
    // sink(row, logits). Errors: busy.
    using Sink = std::function<void(std::int64_t row, std::span<const float> logits)>;
    Status follow(std::vector<SequenceState>& states, std::span<const float> hidden,
                  std::span<const int> tokens, int last, const Sink& sink);

  private:
    struct Head {
        std::unique_ptr<KvBlocks> blocks;
        std::unique_ptr<Executor> executor;
    };
    std::vector<Head> heads_;
};

}  // namespace hearth::engine
