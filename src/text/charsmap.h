// text/charsmap.h - SentencePiece's precompiled character map: a trie of byte strings, each with a
// replacement. Source of the layout: sentencepiece, src/normalizer.cc, and darts-clone, darts.h (the double
// array's units).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::text {

class Charsmap {
  public:
    // `bytes`: the trie's size (u32), its units (u32 each), then replacements, each ending in a zero byte.
    // Errors: corrupt.
    static Result<Charsmap> make(std::string bytes, std::string_view where);

    struct Match {
        std::size_t bytes;  // of the text
        std::string_view replacement;
    };
    [[nodiscard]] std::optional<Match> longest(std::string_view text) const;
    [[nodiscard]] std::optional<Match> shortest(std::string_view text) const;

  private:
    template <class Each>
    void for_each_prefix(std::string_view text, Each&& each) const;
    std::vector<std::uint32_t> units_;
    std::string replacements_;
};

}  // namespace hearth::text
