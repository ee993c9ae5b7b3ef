// audit/subject.h - the model under audit, seen from here: text in, ids, logits and answers out.
// The only virtual seam of the module; engine_subject.h has the real one, tests have a small fake.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::audit {

// What a report says about a model, for people and for whoever repeats the audit.
struct SubjectFacts {
    std::string name;              // as the user gave it
    std::string architecture;      // "qwen3"
    std::string format;            // "BF16", "NVFP4"
    std::uint64_t parameters = 0;  // 0: unknown
    std::uint64_t file_bytes = 0;  // on disk, weights
    std::string weights_hash;      // XXH3-128 over the weight files in name order
    std::string tokenizer_hash;
    std::string template_hash;
    std::string kernels;  // "avx2", and whether activations stay float32
};

struct Answer {
    std::vector<int> ids;  // without the stop token
    std::string text;      // special tokens left in
    bool stopped = true;   // false: cut at the limit of new tokens
};

class Subject {
  public:
    virtual ~Subject() = default;

    [[nodiscard]] virtual const SubjectFacts& facts() const = 0;
    [[nodiscard]] virtual int vocab() const = 0;
    [[nodiscard]] virtual int context_max() const = 0;  // tokens
    // The token that a bare text is scored after: BOS, else <|endoftext|>, else EOS. -1: the model has none.
    [[nodiscard]] virtual int document_start() const = 0;

    // One user message through the chat template, with the generation prompt.
    virtual Result<std::string> render(std::string_view question) = 0;
    // Ids of text; control tokens written in it count as such when `specials`. Nothing is added.
    virtual Result<std::vector<int>> encode(std::string_view text, bool specials) = 0;

    // sink(position, logits[vocab]) for each position from `first`; logits[p] predicts token p + 1.
    using LogitsSink = std::function<void(std::int64_t position, std::span<const float> logits)>;
    virtual Status score(std::span<const int> ids, std::int64_t first, const LogitsSink& sink) = 0;
    // ln p of each token of each continuation after the prompt.
    virtual Result<std::vector<std::vector<double>>> score_continuations(
        std::span<const int> prompt, std::span<const std::vector<int>> continuations) = 0;
    // Greedy answers in the order of the prompts; `finished` is called once for each that ends.
    virtual Result<std::vector<Answer>> generate(std::span<const std::vector<int>> prompts,
                                                 int new_tokens_max,
                                                 const std::function<void()>& finished) = 0;
};

}  // namespace hearth::audit
