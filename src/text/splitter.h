// text/splitter.h - pre-tokenization: cuts text into the words that BPE merges within.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/regex.h"
#include "text/tokenizer.h"

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

using ByteRange = std::pair<std::size_t, std::size_t>;  // [first, second)

// One split. Known patterns go to own matchers, all others to PCRE2.
class Splitter {
  public:
    static Result<Splitter> make(const TokenizerSpec::Split& split, std::string_view where);
    // The same through PCRE2 always: the oracle of the own matchers.
    static Result<Splitter> make_with_pcre2(const TokenizerSpec::Split& split, std::string_view where);

    // Appends the words of text[range] in order; none is empty. The text must be valid UTF-8.
    Status split(std::string_view text, ByteRange range, std::vector<ByteRange>& out) const;

  private:
    enum class Matcher { pcre2, gpt2, llama3, qwen2, qwen35 };
    Matcher matcher_ = Matcher::pcre2;
    TokenizerSpec::Split::Behavior behavior_ = TokenizerSpec::Split::Behavior::isolated;
    bool invert_ = false;
    Regex regex_;
};

}  // namespace hearth::text
