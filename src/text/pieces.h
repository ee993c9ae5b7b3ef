// text/pieces.h - the tokens that text can become, by their spelling; and two models over them that need no
// merges: Unigram and WordPiece.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/bpe.h"

namespace hearth::text {

// Exact lookups, and all tokens that begin at a place.
class Pieces {
  public:
    void add(std::string_view spelling,
             int id);  // the spelling must outlive this; the first of equals counts
    void finish();     // before the first lookup
    [[nodiscard]] int find(std::string_view spelling) const {
        if (spelling.size() > bytes_max_) return kNoToken;
        const auto found = ids_.find(spelling);
        return found == ids_.end() ? kNoToken : found->second;
    }
    [[nodiscard]] std::size_t bytes_max() const { return bytes_max_; }

    // Calls each(bytes, id) for the tokens that text begins with, shortest first.
    template <class Each>
    void for_each_prefix(std::string_view text, Each&& each) const;

  private:
    using Entry = std::pair<std::string_view, int>;
    std::unordered_map<std::string_view, int> ids_;
    std::vector<Entry> sorted_;         // by bytes
    std::vector<std::uint32_t> first_;  // by first byte: where those tokens begin in sorted_; 257 entries
    std::size_t bytes_max_ = 0;
};

template <class Each>
void Pieces::for_each_prefix(std::string_view text, Each&& each) const {
    if (text.empty() || first_.empty()) return;
    const auto byte = static_cast<unsigned char>(text[0]);
    std::size_t low = first_[byte], high = first_[byte + std::size_t{1}];
    for (std::size_t depth = 1; low < high; ++depth) {
        // Within [low, high) all agree in `depth` bytes; one of just that length comes first.
        if (sorted_[low].first.size() == depth) each(depth, sorted_[low++].second);
        if (depth == text.size()) return;
        const auto next = static_cast<unsigned char>(text[depth]);
        const auto begin = sorted_.begin() + static_cast<std::ptrdiff_t>(low),
                   end = sorted_.begin() + static_cast<std::ptrdiff_t>(high);
        const auto from = std::partition_point(
            begin, end, [&](const Entry& e) { return static_cast<unsigned char>(e.first[depth]) < next; });
        const auto to = std::partition_point(
            from, end, [&](const Entry& e) { return static_cast<unsigned char>(e.first[depth]) == next; });
        low = static_cast<std::size_t>(from - sorted_.begin());
        high = static_cast<std::size_t>(to - sorted_.begin());
    }
}

// Viterbi over the word: the segmentation of the highest sum of scores. A character that begins no token
// scores `unknown`; such characters come back as parts without a token, neighbours as one. `scores` by id.
void segment_unigram(const Pieces& pieces, const std::vector<double>& scores, double unknown,
                     std::string_view word, std::vector<Part>& parts);

// The longest token from the left; later ones are spelled with `continuing`, the first with `beginning`. When
// some rest begins no token, or the word has more characters than `chars_max`, the word is one part without a
// token.
void segment_wordpiece(const Pieces& pieces, std::string_view beginning, std::string_view continuing,
                       std::size_t chars_max, std::string_view word, std::vector<Part>& parts);

}  // namespace hearth::text
