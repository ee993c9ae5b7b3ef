// text/splitter.h - pre-tokenization: cuts text into the words that BPE merges within.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/regex.h"
#include "text/tokenizer_spec.h"

namespace hearth::text {

// The patterns for which there is a matcher of our own, spelled as tokenizer.json spells them.
inline constexpr std::string_view kPatternGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kPatternLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kPatternQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kPatternQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

// GPT-4o, gpt-oss, Llama 4; and Mistral's tekken, which leaves contractions alone and takes digits one by
// one.
inline constexpr std::string_view kPatternO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kPatternTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// DeepSeek V3 splits three times.
inline constexpr std::string_view kPatternDigits3 = R"(\p{N}{1,3})";
inline constexpr std::string_view kPatternDeepseekHan = R"([一-龥぀-ゟ゠-ヿ]+)";
inline constexpr std::string_view kPatternDeepseekV3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

using ByteRange = std::pair<std::size_t, std::size_t>;  // [first, second)

// One split. Known patterns go to own matchers, all others to PCRE2.
class Splitter {
  public:
    static Result<Splitter> make(const PreTokenizerStep& split, std::string_view where);
    // The same through PCRE2 always: the oracle of the own matchers.
    static Result<Splitter> make_with_pcre2(const PreTokenizerStep& split, std::string_view where);

    // Cuts each of `words`, ranges of the text in order, into words in order; none is empty. The text must be
    // valid UTF-8.
    Result<std::vector<ByteRange>> split(std::string_view text, const std::vector<ByteRange>& words) const;

  private:
    enum class Matcher { pcre2, gpt2, llama3, qwen2, qwen35, spaces, punctuation, words, scripts };
    Status split_by_regex(const Regex::Subject& subject, std::string_view word, std::size_t base,
                          std::vector<ByteRange>& out) const;
    void split_by_matcher(std::string_view word, std::size_t base, std::vector<ByteRange>& out) const;
    Matcher matcher_ = Matcher::pcre2;
    PreTokenizerStep::Behavior behavior_ = PreTokenizerStep::Behavior::isolated;
    bool invert_ = false;
    Regex regex_;
};

}  // namespace hearth::text
