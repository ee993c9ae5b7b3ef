// text/tokenizer_json.cpp - reads tokenizer.json and tokenizer_config.json into a TokenizerSpec.
// What would change token ids and is not understood is an error; what cannot is passed over.
#include <algorithm>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/limits.h"
#include "text/quote.h"
#include "text/tokenizer_json_steps.h"

namespace hearth::text {
namespace {

using Model = TokenizerSpec::Model;

constexpr std::int64_t kIdMax = kVocabMax - 1;

tl::unexpected<Error> not_supported(const JsonCursor& at, std::string_view type) {
    return fail(Fault::unsupported, "{}: expected a type that is known here, saw {}", at.where(),
                quoted(type));
}

// Ids may leave holes, but an id must not make the table much larger than the file.
Result<int> checked_id(const JsonCursor& at, std::size_t n_known) {
    const auto max = static_cast<std::int64_t>(std::min<std::size_t>(n_known * 4 + 65'536, kIdMax));
    HEARTH_TRY(const std::int64_t id, at.integer(0, max));
    return static_cast<int>(id);
}

Status read_vocabulary(const JsonCursor& model, TokenizerSpec& spec) {
    HEARTH_TRY(const JsonCursor vocab, model.at("vocab"));
    if (!vocab.value().is_object()) return fail(vocab.wrong("an object"));
    const auto& members = vocab.value().get_object();
    std::vector<bool> taken;
    for (const auto& member : members) {
        const std::string_view spelling(member.key());
        const JsonCursor at(member.value(), fmt::format("{}/{}", vocab.where(), quoted(spelling)));
        HEARTH_TRY(const int id, checked_id(at, members.size()));
        const auto index = static_cast<std::size_t>(id);
        if (index >= spec.tokens.size()) {
            spec.tokens.resize(index + 1);
            taken.resize(index + 1);
        }
        if (taken[index])
            return fail(Fault::corrupt, "{}: expected an id of its own, saw {}, which is {} too", at.where(),
                        id, quoted(spec.tokens[index]));
        if (spelling.empty())
            return fail(Fault::corrupt, "{}: expected a token, saw an empty one", at.where());
        taken[index] = true;
        spec.tokens[index] = spelling;
    }
    return {};
}

Status read_merges(const JsonCursor& model, TokenizerSpec& spec) {
    HEARTH_TRY(const JsonCursor merges, model.at("merges"));
    HEARTH_TRY(const std::size_t n, merges.array_size());
    spec.merges.reserve(n);
    const auto& items = merges.value().get_array();
    for (std::size_t i = 0; i < n; ++i) {
        const Json& item = items[i];
        std::string_view left, right;
        if (item.is_string()) {  // "left right", the older form
            const std::string_view both(item.get_string());
            const std::size_t space = both.find(' ');
            if (space != std::string_view::npos && both.find(' ', space + 1) == std::string_view::npos) {
                left = both.substr(0, space);
                right = both.substr(space + 1);
            }
        } else if (item.is_array() && item.get_array().size() == 2 && item.get_array()[0].is_string() &&
                   item.get_array()[1].is_string()) {
            left = item.get_array()[0].get_string();
            right = item.get_array()[1].get_string();
        }
        if (left.empty() || right.empty())
            return fail(Fault::corrupt, "{}/{}: expected two tokens, saw {}", merges.where(), i,
                        quoted(to_json(item)));
        spec.merges.emplace_back(left, right);
    }
    return {};
}

std::optional<int> find_token(const TokenizerSpec& spec, std::string_view content) {
    for (const auto& added : spec.added)
        if (added.content == content) return added.id;
    const auto token = std::find(spec.tokens.begin(), spec.tokens.end(), content);
    if (token == spec.tokens.end()) return std::nullopt;
    return static_cast<int>(token - spec.tokens.begin());
}

Status read_unknown(const JsonCursor& model, TokenizerSpec& spec) {
    HEARTH_TRY(const std::string unk, model.string_or("unk_token", ""));
    if (!unk.empty()) spec.unk = find_token(spec, unk);
    return {};
}

Status read_bpe(const JsonCursor& model, TokenizerSpec& spec) {
    HEARTH_TRY_STATUS(read_vocabulary(model, spec));
    HEARTH_TRY_STATUS(read_merges(model, spec));
    HEARTH_TRY(spec.ignore_merges, model.boolean_or("ignore_merges", false));
    HEARTH_TRY(spec.byte_fallback, model.boolean_or("byte_fallback", false));
    HEARTH_TRY(spec.fuse_unknown, model.boolean_or("fuse_unk", false));
    HEARTH_TRY(spec.continuing_prefix, model.string_or("continuing_subword_prefix", ""));
    HEARTH_TRY(spec.word_suffix, model.string_or("end_of_word_suffix", ""));
    return read_unknown(model, spec);
}

Status read_wordpiece(const JsonCursor& model, TokenizerSpec& spec) {
    spec.model = Model::wordpiece;
    HEARTH_TRY_STATUS(read_vocabulary(model, spec));
    HEARTH_TRY(spec.continuing_prefix, model.string_or("continuing_subword_prefix", "##"));
    HEARTH_TRY(const std::int64_t chars_max, model.integer_or("max_input_chars_per_word", 100, 0, INT32_MAX));
    spec.word_chars_max = static_cast<std::size_t>(chars_max);
    return read_unknown(model, spec);
}

// vocab: [[piece, score], ...] by id.
Status read_unigram(const JsonCursor& model, TokenizerSpec& spec) {
    spec.model = Model::unigram;
    HEARTH_TRY(const JsonCursor vocab, model.at("vocab"));
    HEARTH_TRY(const std::size_t n, vocab.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor row, vocab.at(i));
        HEARTH_TRY(const JsonCursor piece, row.at(std::size_t{0}));
        HEARTH_TRY(const JsonCursor score, row.at(std::size_t{1}));
        HEARTH_TRY(std::string spelling, piece.string());
        HEARTH_TRY(const double value, score.number());
        if (spelling.empty())
            return fail(Fault::corrupt, "{}: expected a token, saw an empty one", piece.where());
        spec.tokens.push_back(std::move(spelling));
        spec.scores.push_back(value);
    }
    HEARTH_TRY(spec.byte_fallback, model.boolean_or("byte_fallback", false));
    spec.fuse_unknown = true;
    if (model.find("unk_id")) {
        HEARTH_TRY(const JsonCursor at, model.at("unk_id"));
        HEARTH_TRY(const std::int64_t unk, at.integer(0, kIdMax));
        spec.unk = static_cast<int>(unk);
        if (static_cast<std::size_t>(unk) < n) spec.unmatched.push_back(static_cast<int>(unk));
    }
    return {};
}

Status read_model(const JsonCursor& root, TokenizerSpec& spec) {
    HEARTH_TRY(const JsonCursor model, root.at("model"));
    // Old files leave the type out; what they have tells.
    const char* guess = model.find("merges") ? "BPE" : model.find("unk_id") ? "Unigram" : "WordPiece";
    HEARTH_TRY(const std::string type, model.string_or("type", guess));
    if (type == "BPE") return read_bpe(model, spec);
    if (type == "WordPiece") return read_wordpiece(model, spec);
    if (type == "Unigram") return read_unigram(model, spec);
    if (type == "WordLevel") {
        spec.model = Model::wordlevel;
        HEARTH_TRY_STATUS(read_vocabulary(model, spec));
        return read_unknown(model, spec);
    }
    return not_supported(model, type);
}

Status read_added(const JsonCursor& root, TokenizerSpec& spec) {
    const auto list = root.find("added_tokens");
    if (!list) return {};
    HEARTH_TRY(const std::size_t n, list->array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor at, list->at(i));
        TokenizerSpec::Added added;
        HEARTH_TRY(const JsonCursor id, at.at("id"));
        HEARTH_TRY(added.id, checked_id(id, spec.tokens.size() + n));
        HEARTH_TRY(const JsonCursor content, at.at("content"));
        HEARTH_TRY(added.content, content.string());
        HEARTH_TRY(added.special, at.boolean_or("special", false));
        HEARTH_TRY(added.lstrip, at.boolean_or("lstrip", false));
        HEARTH_TRY(added.rstrip, at.boolean_or("rstrip", false));
        HEARTH_TRY(added.single_word, at.boolean_or("single_word", false));
        HEARTH_TRY(added.normalized, at.boolean_or("normalized", !added.special));
        if (static_cast<std::size_t>(added.id) >= spec.tokens.size())
            spec.tokens.resize(static_cast<std::size_t>(added.id) + 1);
        spec.added.push_back(std::move(added));
    }
    return {};
}

// A token named in tokenizer_config.json: a text, or an object with its content. A name that is no token is
// passed over: configurations carry over names of tokens that a vocabulary lacks.
Status read_named_token(const JsonCursor& config, const char* key, const TokenizerSpec& spec,
                        std::optional<int>& id) {
    const auto at = config.find(key);
    if (!at) return {};
    std::string content;
    if (at->value().is_object()) {
        HEARTH_TRY(const JsonCursor inner, at->at("content"));
        HEARTH_TRY(content, inner.string());
    } else {
        HEARTH_TRY(content, at->string());
    }
    if (const auto found = find_token(spec, content)) id = found;
    return {};
}

}  // namespace

Status apply_tokenizer_config(std::string_view text, std::string_view where, TokenizerSpec& spec) {
    HEARTH_TRY(const Json json, parse_json(text, where));
    const JsonCursor config(json, std::string(where));
    if (!json.is_object()) return fail(config.wrong("an object"));
    HEARTH_TRY_STATUS(read_named_token(config, "bos_token", spec, spec.bos));
    HEARTH_TRY_STATUS(read_named_token(config, "eos_token", spec, spec.eos));
    HEARTH_TRY_STATUS(read_named_token(config, "pad_token", spec, spec.pad));
    HEARTH_TRY_STATUS(read_named_token(config, "unk_token", spec, spec.unk));
    // Said outright, these replace the post-processor, as in transformers 5.
    const auto add_bos = config.find("add_bos_token"), add_eos = config.find("add_eos_token");
    if (!add_bos && !add_eos) return {};
    HEARTH_TRY(const bool bos, config.boolean_or("add_bos_token", false));
    HEARTH_TRY(const bool eos, config.boolean_or("add_eos_token", false));
    spec.prefix.clear();
    spec.suffix.clear();
    if (bos && spec.bos) spec.prefix.push_back(*spec.bos);
    if (eos && spec.eos) spec.suffix.push_back(*spec.eos);
    return {};
}

Result<TokenizerSpec> read_tokenizer_json(std::string_view tokenizer_json,
                                          std::string_view tokenizer_config_json, std::string_view where) {
    HEARTH_TRY(const Json json, parse_json(tokenizer_json, where));
    const JsonCursor root(json, std::string(where));
    TokenizerSpec spec;
    spec.where = where;
    spec.byte_level = false;
    spec.added_in_model = true;
    HEARTH_TRY_STATUS(read_model(root, spec));
    HEARTH_TRY_STATUS(read_added(root, spec));
    if (!spec.scores.empty()) spec.scores.resize(spec.tokens.size());  // added tokens have none
    if (const auto at = root.find("normalizer")) HEARTH_TRY_STATUS(read_normalizer(*at, spec));
    if (const auto at = root.find("pre_tokenizer")) HEARTH_TRY_STATUS(read_pre_tokenizer(*at, spec));
    // Bytes spelled as letters, last of all and for BPE without affixes, are what this tokenizer calls byte
    // level.
    using Kind = PreTokenizerStep::Kind;
    const auto is_letters = [](const PreTokenizerStep& step) { return step.kind == Kind::byte_letters; };
    auto& steps = spec.pre_tokenizer;
    if (spec.model == Model::bpe && spec.continuing_prefix.empty() && spec.word_suffix.empty() &&
        !steps.empty() && is_letters(steps.back()) &&
        std::count_if(steps.begin(), steps.end(), is_letters) == 1) {
        spec.byte_level = true;
        steps.pop_back();
    }
    if (const auto at = root.find("decoder")) {
        HEARTH_TRY_STATUS(read_decoder(*at, spec));
    } else if (!spec.byte_level) {
        spec.decoding.spaced = true;  // without a decoder, tokens are joined by spaces
        spec.decoding.start = Decoding::Start::word;
    }
    if (const auto at = root.find("post_processor")) HEARTH_TRY_STATUS(read_post_processor(*at, spec));
    if (!tokenizer_config_json.empty()) {
        const auto folder = where.substr(0, where.rfind('/') + 1);
        HEARTH_TRY_STATUS(apply_tokenizer_config(tokenizer_config_json,
                                                 fmt::format("{}tokenizer_config.json", folder), spec));
    }
    return spec;
}

}  // namespace hearth::text
