// text/tokenizer.h - text to token ids and back, as `tokenizers` (Hugging Face) does it: byte-level BPE, BPE
// and Unigram of SentencePiece, WordPiece.
//
// A vocabulary comes from a container as a TokenizerSpec (tokenizer_spec.h); a
// Tokenizer is made from the spec once, is immutable, and may be used from any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/quoted_text.h"
#include "text/tokenizer_spec.h"

namespace hearth::text {

struct EncodeOptions {
    bool parse_special = false;  // read control tokens that stand in the text
    bool add_special = false;    // put BOS and EOS around it, as the tokenizer says
    // No control token is read in these stretches of the text, be it whole or in part, and in those from
    // outside none of the tokens that `marks` names by id.
    std::span<const QuotedRange> quoted = {};
    std::span<const unsigned char> marks = {};
};

// Ids and, for each, the bytes [begin, end) of the given text that it stands for. A token that begins inside
// a character that normalization changed, or that was added around the text, stands for an empty range there.
struct Encoding {
    std::vector<int> ids;
    std::vector<std::pair<std::size_t, std::size_t>> offsets;
};

class Tokenizer {
  public:
    // Errors: corrupt (ids out of range, duplicate tokens, merges that name unknown tokens), unsupported
    // (a pattern that does not compile). Each names the place.
    static Result<Tokenizer> make(TokenizerSpec spec);

    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;
    ~Tokenizer();

    // Bytes that are not UTF-8 count as U+FFFD, one for each maximal subpart (as Rust's from_utf8_lossy).
    // Errors: unsupported (a byte without a token, in a vocabulary without unk; a control token that is the
    // only way to write a quoted character), out_of_range (a pattern of
    // the tokenizer's own that needs too many steps on this text).
    [[nodiscard]] Result<std::vector<int>> encode(std::string_view text, EncodeOptions options = {}) const;
    [[nodiscard]] Result<Encoding> encode_with_offsets(std::string_view text,
                                                       EncodeOptions options = {}) const;

    // The text of the ids, in which the first may lose a space as the tokenizer says; invalid UTF-8 as
    // U+FFFD; ids out of range count for nothing.
    [[nodiscard]] std::string decode(std::span<const int> ids, bool skip_special = false) const;
    // The same without repair: byte for byte.
    [[nodiscard]] std::string decode_bytes(std::span<const int> ids, bool skip_special = false) const;

    // What a token adds to a text that has begun; empty for ids without a token.
    [[nodiscard]] const std::string& piece_bytes(int id) const;
    // The same as the next token of a text: its start may lose spaces. A new text begins with a new state.
    struct TextState {
        bool begun = false;
        int strip_left = 0;      // spaces that it may still lose
        bool space_due = false;  // a word has ended; a space goes before what comes next
    };
    [[nodiscard]] std::string next_bytes(int id, TextState& state) const;
    [[nodiscard]] bool is_special(int id) const;
    [[nodiscard]] bool is_added(int id) const;  // control tokens and others that are matched as they stand
    [[nodiscard]] int vocab_size() const;       // one more than the largest id
    [[nodiscard]] std::optional<int> bos() const;
    [[nodiscard]] std::optional<int> eos() const;
    [[nodiscard]] std::optional<int> pad() const;
    [[nodiscard]] std::optional<int> unk() const;
    [[nodiscard]] std::optional<int> find(
        std::string_view content) const;  // by an added token's content, else
                                          // by a token's spelling in the file

  private:
    struct Impl;
    explicit Tokenizer(std::unique_ptr<Impl> impl);
    std::unique_ptr<const Impl> impl_;
};

// Token ids in, text out as soon as it is certain: never half a character. What push and flush return,
// joined, equals decode of all ids. The tokenizer must outlive it.
class StreamDecoder {
  public:
    explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false)
        : tokenizer_(&tokenizer), skip_special_(skip_special) {}
    std::string push(int id);
    std::string flush();  // what is left, as U+FFFD; ready for a new text then

  private:
    const Tokenizer* tokenizer_;
    bool skip_special_;
    Tokenizer::TextState state_;
    std::string held_;  // the start of a character, at most 3 bytes
};

}  // namespace hearth::text
