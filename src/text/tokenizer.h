// text/tokenizer.h - text to token ids and back: byte-level BPE as `tokenizers` (Hugging Face) does it.
//
// A vocabulary comes from a container (tokenizer.json here, GGUF through models/) as a TokenizerSpec; a
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

namespace hearth::text {

// What a container says about its tokenizer; plain data, not yet checked.
struct TokenizerSpec {
    enum class Kind { byte_level_bpe };
    enum class Normalization { none, nfc, nfd, nfkc, nfkd };
    struct Added {
        int id = 0;
        std::string content;
        bool special = false;  // a control token: matched in text only when asked, left out by skip_special
        bool lstrip = false;   // takes the white space before it along
        bool rstrip = false;   // and after it
        bool single_word = false;  // matched only between non-word characters
        bool normalized = false;   // matched in normalized text rather than in the text as given
    };
    // One pre-tokenizer split: `pattern` is a regular expression (or, if literal, a text).
    struct Split {
        enum class Behavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };
        std::string pattern;
        Behavior behavior = Behavior::isolated;
        bool invert = false;
        bool literal = false;
    };

    std::string where;  // the container, for error messages
    Kind kind = Kind::byte_level_bpe;
    std::vector<std::string> tokens;  // by id, in the byte-level alphabet; empty for an id without a token
    std::vector<std::pair<std::string, std::string>> merges;  // best first
    std::vector<Added> added;
    Normalization normalization = Normalization::none;
    std::vector<Split> splits;
    bool add_prefix_space = false;  // a space before each text that does not begin with one
    bool ignore_merges = false;     // a word that is a token is that token, whatever the merges say
    std::optional<int> bos, eos, pad, unk;
    std::vector<int> prefix, suffix;  // what add_special puts around a text
};

// The values of a GGUF file's tokenizer.ggml.* keys, filled by models/gguf_vocabulary.
struct GgufVocabulary {
    std::string where;
    std::string model;  // "gpt2" is byte-level BPE
    std::string pre;    // names the pre-tokenizer; empty when absent
    std::vector<std::string> tokens;
    std::vector<int>
        token_types;  // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte; or empty
    std::vector<std::string> merges;  // "left right"
    std::optional<std::int64_t> bos, eos, pad, unk;
    std::optional<bool> add_bos, add_eos;
};

// Errors: corrupt, unsupported; both name the place in the file. config_json may be empty.
Result<TokenizerSpec> read_tokenizer_json(std::string_view tokenizer_json,
                                          std::string_view tokenizer_config_json, std::string_view where);
Result<TokenizerSpec> spec_from_gguf(GgufVocabulary vocabulary);

struct EncodeOptions {
    bool parse_special = false;  // read control tokens that stand in the text
    bool add_special = false;    // put BOS and EOS around it, as the tokenizer says
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
    // Errors: unsupported (a byte without a token, in a vocabulary without unk), out_of_range (a pattern of
    // the tokenizer's own that needs too many steps on this text).
    [[nodiscard]] Result<std::vector<int>> encode(std::string_view text, EncodeOptions options = {}) const;
    [[nodiscard]] Result<Encoding> encode_with_offsets(std::string_view text,
                                                       EncodeOptions options = {}) const;

    // The text of the ids, invalid UTF-8 as U+FFFD; ids out of range count for nothing.
    [[nodiscard]] std::string decode(std::span<const int> ids, bool skip_special = false) const;
    // The same without repair: byte for byte.
    [[nodiscard]] std::string decode_bytes(std::span<const int> ids, bool skip_special = false) const;

    [[nodiscard]] const std::string& piece_bytes(int id) const;  // empty for ids without a token
    [[nodiscard]] bool is_special(int id) const;
    [[nodiscard]] int vocab_size() const;  // one more than the largest id
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
    std::string held_;  // the start of a character, at most 3 bytes
};

}  // namespace hearth::text
