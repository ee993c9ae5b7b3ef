// text/tokenizer_spec.h - what a container says about its tokenizer: plain data, not yet checked.
//
// The parts and their order are those of tokenizer.json; the other containers (GGUF, tokenizer.model,
// tekken.json) are put in the same words. A text goes through them so: added tokens that count as given are
// cut out; the rest is normalized; added tokens that count in normalized text are cut out; the rest is cut
// into words; each word becomes tokens by the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hearth::text {

// One step of normalization.
struct NormalizerStep {
    enum class Kind {
        nfc,
        nfd,
        nfkc,
        nfkd,
        lowercase,
        strip_accents,
        strip,     // white space at the ends, as `left` and `right` say
        replace,   // each match of `pattern` by `content`
        prepend,   // `content` before a text that is not empty
        charsmap,  // SentencePiece's precompiled map: `content` holds its bytes
        bert,
        nmt,
    };
    Kind kind = Kind::nfc;
    std::string pattern = {}, content = {};
    bool literal = true;             // replace: `pattern` is a text, not a regular expression
    bool left = true, right = true;  // strip
    bool by_grapheme = true;         // charsmap: as `tokenizers` looks up; else as SentencePiece does
    bool clean_text = true, chinese_chars = true, accents_go = true, lowercase = true;  // bert
};

// One step of cutting into words.
struct PreTokenizerStep {
    enum class Kind {
        split,
        prefix_space,  // a space before each word that does not begin with one
        byte_letters,  // each byte becomes its letter in GPT-2's byte alphabet
        metaspace,     // spaces become `pattern`, which may be put first, and words begin at it
    };
    // split: what is matched. spaces: each white space character; punctuation: each punctuation character, as
    // Bert counts them; words: runs of word characters and runs of what is neither that nor white space;
    // scripts: runs of one script, with what goes with any script after it.
    enum class Match { regex, literal, spaces, punctuation, words, scripts };
    enum class Behavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };
    enum class Prepend { never, first, always };
    Kind kind = Kind::split;
    std::string pattern = {};
    Match match = Match::regex;
    Behavior behavior = Behavior::isolated;
    bool invert = false;
    Prepend prepend = Prepend::never;
    bool cut = true;  // metaspace: words begin at each `pattern`
};

// How tokens become text again.
struct Decoding {
    // What the first token of a text loses: strip: up to `strip_left` spaces of the text; first_metaspaces:
    // each metaspace of it; word: it stands as it is spelled, with no space before it.
    enum class Start { strip, first_metaspaces, word };
    Start start = Start::strip;
    int strip_left = 0;
    std::string metaspace = {};    // this becomes a space
    std::string unknown = {};      // what `unk` is shown as; empty: as it is spelled
    std::string word_suffix = {};  // this becomes a space before the next token: end of a word ("</w>")
    bool spaced = false;           // a space before each token that does not continue a word
    bool byte_letters = false;     // tokens are spelled in GPT-2's byte alphabet
    bool bytes = false;            // tokens spelled <0x00> to <0xFF> are bytes
    bool clean_up = false;         // no space before punctuation and English contractions
};

struct TokenizerSpec {
    enum class Model {
        bpe,            // merges, best first
        concatenation,  // neighbours merge when their concatenation is a token; highest score, then leftmost
        unigram,        // the segmentation of the highest sum of scores
        wordpiece,      // the longest token from the left
        wordlevel,      // each word is a token or unknown
    };
    struct Added {
        int id = 0;
        std::string content = {};
        bool special = false;  // a control token: matched in text only when asked, left out by skip_special
        bool lstrip = false;   // takes the white space before it along
        bool rstrip = false;   // and after it
        bool single_word = false;  // matched only between non-word characters
        bool normalized = false;   // matched in normalized text rather than in the text as given
    };

    std::string where = {};  // the container, for error messages
    Model model = Model::bpe;
    bool byte_level = true;       // symbols are bytes, and tokens are spelled in GPT-2's byte alphabet
    bool byte_fallback = false;   // what has no token becomes its bytes, tokens spelled <0x00> to <0xFF>
    bool fuse_unknown = false;    // neighbours that have no token become one `unk`
    bool added_in_model = false;  // added tokens that the vocabulary has are also tokens that words become
    bool ignore_merges = false;   // a word that is a token is that token, whatever the merges say
    std::vector<std::string> tokens = {};                          // by id; empty for an id without a token
    std::vector<std::pair<std::string, std::string>> merges = {};  // bpe
    std::vector<double> scores = {};                               // by id: concatenation, unigram
    std::vector<int> unmatched = {};     // ids that no text becomes: control, unknown, byte and unused tokens
    std::string continuing_prefix = {};  // of tokens that continue a word ("##")
    std::string word_prefix = {};        // wordpiece: of tokens that begin one (GGUF spells so)
    std::string unknown = {};            // what `unk` is shown as; empty: as it is spelled
    std::string word_suffix = {};        // bpe: of tokens that end a word ("</w>")
    std::size_t word_chars_max = 100;    // wordpiece: a longer word is `unk`
    std::vector<Added> added = {};
    std::vector<NormalizerStep> normalizer = {};
    std::vector<PreTokenizerStep> pre_tokenizer = {};
    Decoding decoding = {};
    std::optional<int> bos = {}, eos = {}, pad = {}, unk = {};
    std::vector<int> prefix = {}, suffix = {};  // what add_special puts around a text
};

// The values of a GGUF file's tokenizer.ggml.* keys, filled by models/gguf_vocabulary.
struct GgufVocabulary {
    std::string where = {};
    std::string model = {};  // "gpt2", "llama", "gemma4", "bert" or "t5"
    std::string pre = {};    // names the pre-tokenizer of byte-level BPE; empty when absent
    std::vector<std::string> tokens = {};
    std::vector<int> token_types =
        {};  // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte; or empty
    std::vector<double> scores = {};       // or empty
    std::vector<std::string> merges = {};  // "left right"
    std::string charsmap = {};             // SentencePiece's precompiled map
    std::optional<std::int64_t> bos = {}, eos = {}, pad = {}, unk = {}, sep = {}, cls = {};
    std::optional<bool> add_bos = {}, add_eos = {}, add_space_prefix = {}, remove_extra_whitespaces = {};
};

// Errors: corrupt, unsupported, out_of_range; each names the place in the file. config_json may be empty.
Result<TokenizerSpec> read_tokenizer_json(std::string_view tokenizer_json,
                                          std::string_view tokenizer_config_json, std::string_view where);
Result<TokenizerSpec> spec_from_gguf(GgufVocabulary vocabulary);
// The named tokens, add_bos_token and add_eos_token of a tokenizer_config.json.
Status apply_tokenizer_config(std::string_view json, std::string_view where, TokenizerSpec& spec);
// SentencePiece's tokenizer.model, a protocol buffer: BPE and Unigram.
Result<TokenizerSpec> read_sentencepiece_model(std::string_view bytes, std::string_view where);
// Mistral's tekken.json.
Result<TokenizerSpec> read_tekken_json(std::string_view json, std::string_view where);

// SentencePiece's ways with spaces, for the containers that name them: one between words and none at the
// ends; and spaces spelled U+2581, of which one may go first, with the way back.
inline constexpr std::string_view kMetaspace = "\u2581";
void remove_extra_spaces(TokenizerSpec& spec);
void escape_spaces(TokenizerSpec& spec, bool space_first);

}  // namespace hearth::text
