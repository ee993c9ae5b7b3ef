// text/tokenizer_json.cpp - reads tokenizer.json and tokenizer_config.json into a TokenizerSpec.
// What would change token ids and is not understood is an error; what cannot is passed over.
#include <algorithm>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/limits.h"
#include "text/quote.h"
#include "text/splitter.h"
#include "text/tokenizer.h"

namespace hearth::text {
namespace {

using Normalization = TokenizerSpec::Normalization;
using Split = TokenizerSpec::Split;

constexpr std::int64_t kIdMax = kVocabMax - 1;

Result<std::string> type_of(const JsonCursor& at) {
    HEARTH_TRY(const JsonCursor type, at.at("type"));
    return type.string();
}

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

Status read_model(const JsonCursor& root, TokenizerSpec& spec) {
    HEARTH_TRY(const JsonCursor model, root.at("model"));
    HEARTH_TRY(const std::string type, model.string_or("type", "BPE"));  // old files leave it out
    if (type != "BPE") return not_supported(model, type);
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        HEARTH_TRY(const std::string affix, model.string_or(key, ""));
        if (!affix.empty())
            return fail(Fault::unsupported, "{}/{}: expected none, saw {}", model.where(), key,
                        quoted(affix));
    }
    HEARTH_TRY_STATUS(read_vocabulary(model, spec));
    HEARTH_TRY_STATUS(read_merges(model, spec));
    HEARTH_TRY(spec.ignore_merges, model.boolean_or("ignore_merges", false));
    HEARTH_TRY(const std::string unk, model.string_or("unk_token", ""));
    if (!unk.empty()) spec.unk = find_token(spec, unk);
    return {};
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

Status read_normalizer(const JsonCursor& at, TokenizerSpec& spec, int depth = 0) {
    HEARTH_TRY(const std::string type, type_of(at));
    constexpr std::pair<std::string_view, Normalization> kForms[] = {{"NFC", Normalization::nfc},
                                                                     {"NFD", Normalization::nfd},
                                                                     {"NFKC", Normalization::nfkc},
                                                                     {"NFKD", Normalization::nfkd}};
    for (const auto& [name, form] : kForms) {
        if (type != name) continue;
        if (spec.normalization != Normalization::none)
            return fail(Fault::unsupported, "{}: expected one normal form, saw another", at.where());
        spec.normalization = form;
        return {};
    }
    if (type != "Sequence" || depth > 0) return not_supported(at, type);
    HEARTH_TRY(const JsonCursor parts, at.at("normalizers"));
    HEARTH_TRY(const std::size_t n, parts.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor part, parts.at(i));
        HEARTH_TRY_STATUS(read_normalizer(part, spec, depth + 1));
    }
    return {};
}

Result<Split> read_split(const JsonCursor& at) {
    Split split;
    HEARTH_TRY(const JsonCursor pattern, at.at("pattern"));
    const auto regex = pattern.find("Regex"), literal = pattern.find("String");
    if (!regex && !literal) return fail(pattern.wrong("a member \"Regex\" or \"String\""));
    split.literal = !regex;
    HEARTH_TRY(split.pattern, (regex ? *regex : *literal).string());
    HEARTH_TRY(split.invert, at.boolean_or("invert", false));
    HEARTH_TRY(const std::string behavior, at.string_or("behavior", "Isolated"));
    constexpr std::pair<std::string_view, Split::Behavior> kBehaviors[] = {
        {"Isolated", Split::Behavior::isolated},
        {"Removed", Split::Behavior::removed},
        {"MergedWithPrevious", Split::Behavior::merged_with_previous},
        {"MergedWithNext", Split::Behavior::merged_with_next},
        {"Contiguous", Split::Behavior::contiguous}};
    for (const auto& [name, value] : kBehaviors) {
        if (behavior != name) continue;
        split.behavior = value;
        return split;
    }
    return not_supported(at, behavior);
}

Status read_pre_tokenizer(const JsonCursor& at, TokenizerSpec& spec, bool& byte_level, int depth = 0) {
    HEARTH_TRY(const std::string type, type_of(at));
    if (byte_level)
        return fail(Fault::unsupported, "{}: expected ByteLevel to be the last step, saw {} after it",
                    at.where(), quoted(type));
    if (type == "Sequence" && depth == 0) {
        HEARTH_TRY(const JsonCursor parts, at.at("pretokenizers"));
        HEARTH_TRY(const std::size_t n, parts.array_size());
        for (std::size_t i = 0; i < n; ++i) {
            HEARTH_TRY(const JsonCursor part, parts.at(i));
            HEARTH_TRY_STATUS(read_pre_tokenizer(part, spec, byte_level, depth + 1));
        }
        return {};
    }
    if (type == "Split") {
        HEARTH_TRY(Split split, read_split(at));
        spec.splits.push_back(std::move(split));
        return {};
    }
    if (type == "Digits") {
        HEARTH_TRY(const bool individual, at.boolean_or("individual_digits", false));
        spec.splits.push_back({.pattern = individual ? R"(\p{N})" : R"(\p{N}+)"});
        return {};
    }
    if (type != "ByteLevel") return not_supported(at, type);
    byte_level = true;
    HEARTH_TRY(const bool prefix, at.boolean_or("add_prefix_space", true));
    if (prefix && !spec.splits.empty())
        return fail(Fault::unsupported, "{}/add_prefix_space: expected false after other steps, saw true",
                    at.where());
    spec.add_prefix_space = prefix;
    HEARTH_TRY(const bool use_regex, at.boolean_or("use_regex", true));
    if (use_regex) spec.splits.push_back({.pattern = std::string(kPatternGpt2)});
    return {};
}

// TemplateProcessing/single: special tokens before and after the one sequence.
Status read_template(const JsonCursor& at, TokenizerSpec& spec) {
    HEARTH_TRY(const JsonCursor single, at.at("single"));
    HEARTH_TRY(const std::size_t n, single.array_size());
    bool after = false;
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor piece, single.at(i));
        if (piece.find("Sequence")) {
            if (after)
                return fail(Fault::unsupported, "{}: expected one sequence, saw another", piece.where());
            after = true;
            continue;
        }
        HEARTH_TRY(const JsonCursor token, piece.at("SpecialToken"));
        HEARTH_TRY(const JsonCursor name_at, token.at("id"));
        HEARTH_TRY(const std::string name, name_at.string());
        HEARTH_TRY(const JsonCursor table, at.at("special_tokens"));
        HEARTH_TRY(const JsonCursor entry, table.at(name));
        HEARTH_TRY(const JsonCursor ids, entry.at("ids"));
        HEARTH_TRY(const std::size_t n_ids, ids.array_size());
        for (std::size_t k = 0; k < n_ids; ++k) {
            HEARTH_TRY(const JsonCursor id_at, ids.at(k));
            HEARTH_TRY(const std::int64_t id, id_at.integer(0, kIdMax));
            (after ? spec.suffix : spec.prefix).push_back(static_cast<int>(id));
        }
    }
    return {};
}

Status read_post_processor(const JsonCursor& at, TokenizerSpec& spec, int depth = 0) {
    HEARTH_TRY(const std::string type, type_of(at));
    if (type == "ByteLevel") return {};  // trims offsets only
    if (type == "TemplateProcessing") return read_template(at, spec);
    if (type == "BertProcessing" || type == "RobertaProcessing") {  // [cls] text [sep]; each is [content, id]
        for (const auto& [key, ids] : {std::pair("cls", &spec.prefix), std::pair("sep", &spec.suffix)}) {
            HEARTH_TRY(const JsonCursor pair, at.at(key));
            HEARTH_TRY(const JsonCursor id_at, pair.at(1));
            HEARTH_TRY(const std::int64_t id, id_at.integer(0, kIdMax));
            ids->push_back(static_cast<int>(id));
        }
        return {};
    }
    if (type != "Sequence" || depth > 0) return not_supported(at, type);
    HEARTH_TRY(const JsonCursor parts, at.at("processors"));
    HEARTH_TRY(const std::size_t n, parts.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor part, parts.at(i));
        HEARTH_TRY_STATUS(read_post_processor(part, spec, depth + 1));
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

Status read_config(std::string_view text, std::string_view where, TokenizerSpec& spec) {
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

}  // namespace

Result<TokenizerSpec> read_tokenizer_json(std::string_view tokenizer_json,
                                          std::string_view tokenizer_config_json, std::string_view where) {
    HEARTH_TRY(const Json json, parse_json(tokenizer_json, where));
    const JsonCursor root(json, std::string(where));
    TokenizerSpec spec;
    spec.where = where;
    HEARTH_TRY_STATUS(read_model(root, spec));
    HEARTH_TRY_STATUS(read_added(root, spec));
    if (const auto at = root.find("normalizer")) HEARTH_TRY_STATUS(read_normalizer(*at, spec));
    bool byte_level = false;
    if (const auto at = root.find("pre_tokenizer"))
        HEARTH_TRY_STATUS(read_pre_tokenizer(*at, spec, byte_level));
    if (!byte_level)
        return fail(Fault::unsupported, "{}/pre_tokenizer: expected a ByteLevel step, saw none", where);
    if (const auto at = root.find("post_processor")) HEARTH_TRY_STATUS(read_post_processor(*at, spec));
    if (!tokenizer_config_json.empty()) {
        const auto folder = where.substr(0, where.rfind('/') + 1);
        HEARTH_TRY_STATUS(
            read_config(tokenizer_config_json, fmt::format("{}tokenizer_config.json", folder), spec));
    }
    return spec;
}

}  // namespace hearth::text
