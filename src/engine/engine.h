// engine/engine.h - a loaded model that answers: scoring of given tokens, and generation for many at once.
// One thread calls an Engine at a time; the server gives it a thread of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernels/table.h"
#include "models/state_pools.h"

namespace hearth::models {
class Model;
struct Embedder;
}  // namespace hearth::models

namespace hearth::engine {

struct EngineOptions {
    int threads = 0;     // 0: the cores this process may use
    int batch_max = 16;  // sequences decoded together
    int chunk_tokens =
        models::kPromptChunk;  // prompt tokens evaluated together, half of them where others decode
    int context_max = 0;  // tokens a sequence may reach; 0: what the model was made for, capped by memory
    std::uint64_t kv_bytes_max = 0;  // 0: what batch_max sequences of the context need, capped at 1 GiB
    bool exact = false;  // float32 activations for every format (audits), not the integer fast path
    std::optional<kernels::KvType> kv =
        std::nullopt;  // of keys and values; none: float32 when exact, else BF16
    // Ended sequences whose states wait for prompts that begin alike, in room of the KV cache that nobody
    // else needs. 0: none.
    int prefixes_max = 64;
};

// Prompt tokens of a step beside sequences that decode: a long prompt must not make them wait for a whole
// chunk.
inline int chunk_beside_decoding(int chunk_tokens) { return std::max(1, chunk_tokens / 2); }

struct SamplingParams {
    double temperature = 0;  // 0: greedy, ties to the lowest id
    int top_k = 0;           // 0: off
    double top_p = 1;
    double min_p = 0;
    double repetition_penalty = 1;  // > 1 divides positive logits of tokens seen, multiplies negative ones
    double presence_penalty = 0;    // subtracted once from tokens generated already
    double frequency_penalty = 0;   // subtracted per occurrence
    std::uint64_t seed = 0;
    std::vector<std::pair<int, float>> logit_bias = {};  // token id, added to its logit
};

enum class StopReason { stop, length, cancelled };

struct TokenLogprob {
    int id = 0;
    float logprob = 0;
    std::vector<std::pair<int, float>> top;  // the most likely, best first; as many as asked for
};

// What a token brought: its id, the text that is now certain (may be empty while a character or a stop string
// is unfinished), and its log probability when asked for.
struct TokenOut {
    int id = 0;
    std::string_view text;
    const TokenLogprob* logprob = nullptr;
};

struct Request {
    std::vector<int> prompt;  // token ids, at least one
    SamplingParams sampling;
    int new_tokens_max = 512;
    std::vector<int> stop_ids;              // the model's own end tokens are added unless ignore_eos
    std::vector<std::string> stop_strings;  // cut from the text
    bool ignore_eos = false;
    bool want_logprobs = false;
    int top_logprobs = 0;
    std::function<bool(const TokenOut&)> on_token;  // false: cancel
};

struct Completion {
    std::vector<int> ids;  // without the stop token
    std::string text;      // special tokens left in; up to a stop string, which is cut
    StopReason reason = StopReason::length;
    std::vector<TokenLogprob> logprobs;
    int prompt_tokens = 0;
    int cached_tokens = 0;  // of the prompt, found in the prefix cache
    double prefill_seconds = 0, decode_seconds = 0;
};

// What steps did since the engine was opened. A step that computes any prompt tokens is prefill, though
// sequences that decode ride along: the quotients of tokens and seconds say what each costs alone.
struct StepTotals {
    std::uint64_t prefill_tokens = 0, cached_tokens = 0;  // of prompts: computed, found in the prefix cache
    std::uint64_t decode_tokens = 0;                      // drawn in steps without prompt tokens
    std::uint64_t output_tokens = 0;                      // drawn in all steps
    double prefill_seconds = 0, decode_seconds = 0;
};

class Engine {
  public:
    static Result<std::unique_ptr<Engine>> open(std::shared_ptr<const models::Model> model,
                                                EngineOptions options);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Logits of given tokens: calls sink(position, logits[vocab]) in order for each position from
    // `first_position`. logits[p] predicts token p + 1. Errors: out_of_range (an id outside the vocabulary,
    // too long), no_memory.
    using LogitsSink = std::function<void(std::int64_t position, std::span<const float> logits)>;
    struct ScoreOptions {
        std::int64_t first_position = 0;
        std::int64_t prefill_tokens =
            INT64_MAX;  // in chunks up to here, then one token a step; the same bits
        // 0: the model's own logits; k: those of its k-th multi-token-prediction head, where logits[p]
        // predict token p + 1 + k. The model must have been loaded with its heads.
        int draft_head = 0;
    };
    Status score(std::span<const int> ids, const LogitsSink& sink) {
        return score(ids, sink, ScoreOptions());
    }
    Status score(std::span<const int> ids, const LogitsSink& sink, ScoreOptions options);

    // A text's embedding: hidden states pooled and finished as the embedder says. The model must have been
    // loaded for hidden states. Errors: as score.
    Result<std::vector<float>> embed(std::span<const int> ids, const models::Embedder& embedder);

    // For each continuation, the log probability of each of its tokens after the prompt (and the tokens of
    // the continuation before it). The prompt is evaluated once. Result: one vector a continuation.
    Result<std::vector<std::vector<double>>> score_continuations(
        std::span<const int> prompt, std::span<const std::vector<int>> continuations);

    // Runs all requests to their end, batch_max at a time, and gives their completions in order. A request
    // that cannot run (empty prompt, id out of range, longer than the context) fails the call before anything
    // runs.
    Result<std::vector<Completion>> generate(std::vector<Request> requests);

    // The same in steps, for a server: submit, then step until idle. Completions arrive by callback.
    using Done = std::function<void(Result<Completion>)>;
    Result<std::uint64_t> submit(Request request,
                                 Done done);  // a handle for cancel; errors as generate, or busy
    void cancel(std::uint64_t handle);
    Result<bool> step();  // false when nothing was left to do
    [[nodiscard]] const StepTotals& totals() const;

    [[nodiscard]] const models::Model& model() const;
    [[nodiscard]] const EngineOptions& options() const;  // with the zeros filled in
    [[nodiscard]] std::uint64_t kv_bytes() const;
    [[nodiscard]] std::string kernels_name() const;  // the instruction set that runs: "avx512"

  private:
    struct State;
    explicit Engine(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace hearth::engine
