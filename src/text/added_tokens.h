// text/added_tokens.h - finds added tokens in text: leftmost, then longest, as `tokenizers` does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/splitter.h"
#include "text/tokenizer.h"
#include "text/traced_text.h"

namespace hearth::text {

// A stretch of text: an added token's, or (no id) plain text between them.
struct Stretch {
    ByteRange range;
    std::optional<int> id;
};

// Whether a token that stands at [begin, end) of the caller's text reaches into a stretch where it does not
// count.
bool is_refused(const EncodeOptions& options, std::size_t begin, std::size_t end, int id, bool special);

// A trie over the contents. At each byte the longest content that starts there is taken.
class AddedTokenFinder {
  public:
    // `added` must outlive nothing: what is needed is copied. A content that is empty, as normalization may
    // leave it, cuts the text at every character and stands for nothing itself, as in `tokenizers`.
    void add(const TokenizerSpec::Added& token);
    [[nodiscard]] bool empty() const { return tokens_.empty(); }

    // Cuts the text into stretches in order, none of them empty. Control tokens count only with
    // parse_special; quoted ranges are of the caller's text.
    void cut(const TracedText& text, const EncodeOptions& options, std::vector<Stretch>& out) const;

  private:
    struct Match {
        std::size_t end;
        const TokenizerSpec::Added* token;
    };
    [[nodiscard]] std::optional<Match> longest_at(const TracedText& text, std::size_t at,
                                                  const EncodeOptions& options) const;

    std::vector<TokenizerSpec::Added> tokens_;
    std::unordered_map<std::uint64_t, std::uint32_t> edges_;  // node << 8 | byte -> node
    std::vector<std::int32_t> token_at_ = {-1};               // by node: index into tokens_, or -1
    bool starts_[256] = {};
};

}  // namespace hearth::text
