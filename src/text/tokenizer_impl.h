// text/tokenizer_impl.h - a tokenizer's tables, made once from its spec (vocabulary.cpp) and read by
// tokenizer.cpp.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pieces.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace hearth::text {

struct Tokenizer::Impl {
    // Buffers of one call of encode.
    struct Scratch {
        WordMerger merger;
        std::vector<Part> parts;
    };

    TokenizerSpec spec;
    std::vector<std::string> bytes;                            // by id: what it adds to a text
    std::vector<unsigned char> special, is_added;              // by id
    std::unordered_map<std::string_view, int> id_of_spelling;  // views into spec.tokens
    std::unordered_map<std::string, int> id_of_added;
    std::array<int, 256> id_of_byte{};
    bool has_all_bytes = false;         // each byte has a token of its own
    std::vector<std::string> surfaces;  // by id: the text that it stands for in a word; what pieces look at
    Pieces pieces;
    std::vector<std::uint32_t> rank_of;  // by id: concatenation
    double unknown_score = 0;            // unigram
    MergeTable merges;                   // bpe
    AddedTokenFinder finder, normalized_finder;
    Normalizer normalizer;
    PreTokenizer pre_tokenizer;

    // Fills everything from `spec`. Errors: corrupt, out_of_range, unsupported; each names the place.
    Status index();
    [[nodiscard]] std::string first_bytes(int id) const;  // of the first token of a text
    Status encode_stretch(TracedText text, const EncodeOptions& options, Scratch& scratch,
                          Encoding& out) const;

  private:
    Status index_tokens();
    Status index_added();
    void index_surfaces();
    Status index_merges();
    Status index_scores();
    Status check_ids() const;
    [[nodiscard]] std::string decoded(int id, bool is_first) const;
    void split_symbols(std::string_view word, std::vector<Part>& parts) const;
    void model_word(std::string_view word, Scratch& scratch) const;
    Status encode_word(std::string_view word, std::size_t word_at, const TracedText& text,
                       const EncodeOptions& options, Scratch& scratch, Encoding& out) const;
    // The word with its refused parts cut into characters.
    Status respell(std::string_view word, std::size_t word_at, const TracedText& text,
                   const EncodeOptions& options, Scratch& scratch, Encoding& out,
                   const std::function<bool(const Part&)>& refused) const;
};

}  // namespace hearth::text
