// engine/sequence.h - one request on its way: its tokens, its state, its sampler and its text so far.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "engine/kv_blocks.h"
#include "engine/sampler.h"
#include "text/tokenizer.h"

namespace hearth::engine {

class Sequence {
  public:
    Sequence(std::uint64_t handle, Request request, Engine::Done done, KvBlocks& blocks,
             const text::Tokenizer* tokenizer);

    [[nodiscard]] std::uint64_t handle() const { return handle_; }
    SequenceState state;

    // Goes on from what another sequence computed of this prompt.
    void begin(SequenceState known);
    [[nodiscard]] std::span<const int> prompt() const { return std::span(tokens_).first(prompt_size_); }
    // Prompt and answer as far as `state` holds them.
    [[nodiscard]] std::vector<int> computed() const {
        return {tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(state.length())};
    }

    // Tokens whose keys and values are not in the cache yet: the rest of the prompt, or the last token drawn.
    [[nodiscard]] std::span<const int> pending() const;
    [[nodiscard]] bool in_prefill() const { return state.length() < static_cast<std::int64_t>(prompt_size_); }
    [[nodiscard]] std::int64_t tokens_max() const;  // prompt and answer together

    // Takes the logits after the last pending token: draws, tells the listener, and may finish.
    void take(std::span<const float> logits);
    void cancel() { finish(StopReason::cancelled); }
    [[nodiscard]] bool finished() const { return finished_; }
    void deliver();  // hands the completion over, once

  private:
    void emit(int id, std::string_view text, const TokenLogprob* logprob);
    void finish(StopReason reason);
    // Text that is certain: what precedes any possible beginning of a stop string. Cuts at a stop string.
    std::string release(std::string text, bool& stopped);

    std::uint64_t handle_;
    Request request_;
    Engine::Done done_;
    Sampler sampler_;
    std::optional<text::StreamDecoder> decoder_;
    std::vector<int> tokens_;  // prompt, then what was drawn
    std::size_t prompt_size_;
    std::string held_;  // text that may be the beginning of a stop string
    Completion completion_;
    bool finished_ = false;
    std::chrono::steady_clock::time_point started_, first_token_;
};

}  // namespace hearth::engine
