// text/tekken_json.cpp - reads Mistral's tekken.json: byte strings in the order of their merging, and control
// tokens. Source: mistral-common, tokens/tokenizers/tekken.py.
#include <algorithm>

#include "base/json.h"
#include "base/limits.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_json_steps.h"

namespace hearth::text {
namespace {

// Control tokens of files that do not list them (version v3).
constexpr std::string_view kOldSpecials[] = {"<unk>",
                                             "<s>",
                                             "</s>",
                                             "[INST]",
                                             "[/INST]",
                                             "[AVAILABLE_TOOLS]",
                                             "[/AVAILABLE_TOOLS]",
                                             "[TOOL_RESULTS]",
                                             "[/TOOL_RESULTS]",
                                             "[TOOL_CALLS]",
                                             "<pad>",
                                             "[PREFIX]",
                                             "[MIDDLE]",
                                             "[SUFFIX]"};

Status read_specials(const JsonCursor& root, std::size_t n_special, TokenizerSpec& spec) {
    std::vector<std::string> names(n_special);
    if (const auto list = root.find("special_tokens")) {
        HEARTH_TRY(const std::size_t n, list->array_size());
        for (std::size_t i = 0; i < n; ++i) {
            HEARTH_TRY(const JsonCursor row, list->at(i));
            HEARTH_TRY(const JsonCursor rank_at, row.at("rank"));
            HEARTH_TRY(const std::int64_t rank, rank_at.integer(0, static_cast<std::int64_t>(n_special) - 1));
            HEARTH_TRY(const JsonCursor text_at, row.at("token_str"));
            HEARTH_TRY(names[static_cast<std::size_t>(rank)], text_at.string());
        }
    } else {
        std::copy_n(std::begin(kOldSpecials), std::min(std::size(kOldSpecials), n_special), names.begin());
    }
    for (std::size_t id = 0; id < n_special; ++id) {
        const auto own = static_cast<int>(id);
        if (names[id].empty()) names[id] = fmt::format("<SPECIAL_{}>", id);
        const std::pair<std::string_view, std::optional<int>*> named[] = {
            {"<unk>", &spec.unk}, {"<s>", &spec.bos}, {"</s>", &spec.eos}, {"<pad>", &spec.pad}};
        for (const auto& [name, to] : named)
            if (names[id] == name) *to = own;
        spec.tokens[id] = names[id];
        spec.added.push_back({.id = own, .content = std::move(names[id]), .special = true});
    }
    return {};
}

std::string spelled(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) append_code_point(out, kLetterOfByte[static_cast<unsigned char>(c)]);
    return out;
}

}  // namespace

Result<TokenizerSpec> read_tekken_json(std::string_view json, std::string_view where) {
    HEARTH_TRY(const Json parsed, parse_json(json, where));
    const JsonCursor root(parsed, std::string(where));
    TokenizerSpec spec;
    spec.where = where;
    spec.model = TokenizerSpec::Model::concatenation;
    spec.ignore_merges = true;
    HEARTH_TRY(const JsonCursor config, root.at("config"));
    HEARTH_TRY(const JsonCursor vocab, root.at("vocab"));
    HEARTH_TRY(const std::size_t n_listed, vocab.array_size());
    constexpr auto kMost = static_cast<std::int64_t>(kVocabMax) / 2;
    HEARTH_TRY(const std::int64_t n_special,
               config.integer_or("default_num_special_tokens", 1000, 0, 65'536));
    HEARTH_TRY(const std::int64_t n_all,
               config.integer_or("default_vocab_size", static_cast<std::int64_t>(n_listed) + n_special,
                                 n_special, kMost));
    HEARTH_TRY(const JsonCursor pattern_at, config.at("pattern"));
    HEARTH_TRY(std::string pattern, pattern_at.string());
    spec.pre_tokenizer.push_back({.pattern = std::move(pattern)});
    // Only the first ranks count: the file lists more than the model has.
    const std::size_t n = std::min(n_listed, static_cast<std::size_t>(n_all - n_special));
    const auto first = static_cast<std::size_t>(n_special);
    spec.tokens.resize(first + n);
    spec.scores.resize(first + n);
    HEARTH_TRY_STATUS(read_specials(root, first, spec));
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor row, vocab.at(i));
        HEARTH_TRY(const JsonCursor rank_at, row.at("rank"));
        HEARTH_TRY(const std::int64_t rank, rank_at.integer(0, static_cast<std::int64_t>(n) - 1));
        HEARTH_TRY(const JsonCursor bytes_at, row.at("token_bytes"));
        HEARTH_TRY(const std::string text, bytes_at.string());
        const auto bytes = decode_base64(text);
        if (!bytes || bytes->empty())
            return fail(Fault::corrupt, "{}: expected bytes in base64", bytes_at.where());
        const std::size_t id = first + static_cast<std::size_t>(rank);
        if (!spec.tokens[id].empty())
            return fail(Fault::corrupt, "{}: expected a rank of its own, saw {} again", rank_at.where(),
                        rank);
        spec.tokens[id] = spelled(*bytes);
        spec.scores[id] = -static_cast<double>(rank);
    }
    if (spec.bos) spec.prefix.push_back(*spec.bos);
    return spec;
}

}  // namespace hearth::text
