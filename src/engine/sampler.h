// engine/sampler.h - from logits to a token: penalties, bias, temperature, then top-k, top-p and min-p, then
// a draw.
#pragma once

#include <span>
#include <vector>

#include "engine/engine.h"

namespace hearth::engine {

// Errors: out_of_range, naming the field and its limits.
Status check(const SamplingParams& params, std::int64_t vocab);

// Chooses tokens for one sequence. The n-th draw depends on the seed and n alone, so a resumed sequence goes
// on as it would have.
class Sampler {
  public:
    Sampler(SamplingParams params, std::span<const int> prompt);

    // The next token; greedy takes the largest logit, the lowest id among equals. `logits` is not changed.
    int sample(std::span<const float> logits);
    // Counts a token as generated, for the penalties.
    void accept(int id);

  private:
    int draw();
    SamplingParams params_;
    std::vector<int> seen_;                       // ids in prompt or output, sorted, once each
    std::vector<std::pair<int, int>> generated_;  // id, times
    std::vector<float> adjusted_;
    std::vector<std::pair<float, int>> candidates_;
    std::uint64_t n_draws_ = 0;
};

// log softmax(logits)[id] and the `n_top` most likely tokens, in double inside.
TokenLogprob logprob_of(std::span<const float> logits, int id, int n_top);
// log(sum(exp(logits))), in double.
double log_sum_exp(std::span<const float> logits);
// The largest, the lowest id among equals.
int argmax(std::span<const float> logits);

}  // namespace hearth::engine
