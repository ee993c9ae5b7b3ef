// text/tokenizer_json_steps.cpp - the normalizer, pre-tokenizer, post-processor and decoder of a
// tokenizer.json.
#include "text/tokenizer_json_steps.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/limits.h"
#include "text/quote.h"
#include "text/splitter.h"

namespace hearth::text {
namespace {

using Kind = NormalizerStep::Kind;
using Behavior = PreTokenizerStep::Behavior;
using Match = PreTokenizerStep::Match;

constexpr std::int64_t kIdMax = kVocabMax - 1;
constexpr int kSequenceDepthMax = 8;

Result<std::string> type_of(const JsonCursor& at) {
    HEARTH_TRY(const JsonCursor type, at.at("type"));
    return type.string();
}

tl::unexpected<Error> not_supported(const JsonCursor& at, std::string_view type) {
    return fail(Fault::unsupported, "{}: expected a type that is known here, saw {}", at.where(),
                quoted(type));
}

// Calls each(part) for the members of a Sequence under `key`.
template <class Each>
Status for_each_part(const JsonCursor& at, std::string_view key, int depth, Each&& each) {
    if (depth >= kSequenceDepthMax)
        return fail(Fault::unsupported, "{}: expected at most {} sequences in each other", at.where(),
                    kSequenceDepthMax);
    HEARTH_TRY(const JsonCursor parts, at.at(key));
    HEARTH_TRY(const std::size_t n, parts.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor part, parts.at(i));
        HEARTH_TRY_STATUS(each(part));
    }
    return {};
}

// {"Regex": ...} or {"String": ...}
Result<std::pair<std::string, bool>> read_pattern(const JsonCursor& at) {
    HEARTH_TRY(const JsonCursor pattern, at.at("pattern"));
    const auto regex = pattern.find("Regex"), literal = pattern.find("String");
    if (!regex && !literal) return fail(pattern.wrong("a member \"Regex\" or \"String\""));
    HEARTH_TRY(std::string text, (regex ? *regex : *literal).string());
    return std::pair(std::move(text), !regex.has_value());
}

Result<std::string> required_text(const JsonCursor& at, std::string_view key) {
    HEARTH_TRY(const JsonCursor member, at.at(key));
    return member.string();
}

Result<std::string> base64(const JsonCursor& at) {
    HEARTH_TRY(const std::string text, at.string());
    auto bytes = decode_base64(text);
    if (!bytes) return fail(Fault::corrupt, "{}: expected base64, saw other characters", at.where());
    return std::move(*bytes);
}

Result<NormalizerStep> read_bert_normalizer(const JsonCursor& at) {
    NormalizerStep step{.kind = Kind::bert};
    HEARTH_TRY(step.clean_text, at.boolean_or("clean_text", true));
    HEARTH_TRY(step.chinese_chars, at.boolean_or("handle_chinese_chars", true));
    HEARTH_TRY(step.lowercase, at.boolean_or("lowercase", true));
    HEARTH_TRY(step.accents_go, at.boolean_or("strip_accents", step.lowercase));
    return step;
}

Result<Behavior> read_behavior(const JsonCursor& at) {
    HEARTH_TRY(const std::string behavior, at.string_or("behavior", "Isolated"));
    constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
        {"Isolated", Behavior::isolated},
        {"Removed", Behavior::removed},
        {"MergedWithPrevious", Behavior::merged_with_previous},
        {"MergedWithNext", Behavior::merged_with_next},
        {"Contiguous", Behavior::contiguous}};
    for (const auto& [name, value] : kBehaviors)
        if (behavior == name) return value;
    return not_supported(at, behavior);
}

Result<PreTokenizerStep> read_metaspace(const JsonCursor& at) {
    using Prepend = PreTokenizerStep::Prepend;
    PreTokenizerStep step{.kind = PreTokenizerStep::Kind::metaspace};
    HEARTH_TRY(step.pattern, at.string_or("replacement", "\u2581"));
    HEARTH_TRY(step.cut, at.boolean_or("split", true));
    HEARTH_TRY(const bool prefix, at.boolean_or("add_prefix_space", true));  // the older form
    HEARTH_TRY(const std::string scheme, at.string_or("prepend_scheme", prefix ? "always" : "never"));
    constexpr std::pair<std::string_view, Prepend> kSchemes[] = {
        {"never", Prepend::never}, {"first", Prepend::first}, {"always", Prepend::always}};
    for (const auto& [name, value] : kSchemes) {
        if (scheme != name) continue;
        step.prepend = value;
        return step;
    }
    return not_supported(at, scheme);
}

// Steps that are one split each; nothing for others.
Result<std::optional<std::vector<PreTokenizerStep>>> read_split(const JsonCursor& at, std::string_view type) {
    std::vector<PreTokenizerStep> steps;
    if (type == "Split") {
        HEARTH_TRY(auto pattern, read_pattern(at));
        HEARTH_TRY(const Behavior behavior, read_behavior(at));
        HEARTH_TRY(const bool invert, at.boolean_or("invert", false));
        steps.push_back({.pattern = std::move(pattern.first),
                         .match = pattern.second ? Match::literal : Match::regex,
                         .behavior = behavior,
                         .invert = invert});
    } else if (type == "Digits") {
        HEARTH_TRY(const bool individual, at.boolean_or("individual_digits", false));
        steps.push_back({.pattern = individual ? R"(\p{N})" : R"(\p{N}+)"});
    } else if (type == "Punctuation") {
        HEARTH_TRY(const Behavior behavior, read_behavior(at));
        steps.push_back({.match = Match::punctuation, .behavior = behavior});
    } else if (type == "WhitespaceSplit") {
        steps.push_back({.match = Match::spaces, .behavior = Behavior::removed});
    } else if (type == "Whitespace") {
        steps.push_back({.match = Match::words, .behavior = Behavior::removed, .invert = true});
    } else if (type == "UnicodeScripts") {
        steps.push_back({.match = Match::scripts, .behavior = Behavior::removed, .invert = true});
    } else if (type == "BertPreTokenizer") {
        steps.push_back({.match = Match::spaces, .behavior = Behavior::removed});
        steps.push_back({.match = Match::punctuation});
    } else if (type == "FixedLength") {
        HEARTH_TRY(const std::int64_t length, at.integer_or("length", 5, 1, 1 << 15));
        steps.push_back({.pattern = fmt::format("(?s:.{{1,{}}})", length)});
    } else if (type == "CharDelimiterSplit") {
        HEARTH_TRY(std::string delimiter, required_text(at, "delimiter"));
        steps.push_back(
            {.pattern = std::move(delimiter), .match = Match::literal, .behavior = Behavior::removed});
    } else {
        return std::nullopt;
    }
    return std::optional(std::move(steps));
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

}  // namespace

Status read_post_processor(const JsonCursor& at, TokenizerSpec& spec, int depth) {
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
    if (type != "Sequence") return not_supported(at, type);
    return for_each_part(at, "processors", depth,
                         [&](const JsonCursor& part) { return read_post_processor(part, spec, depth + 1); });
}

std::optional<std::string> decode_base64(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t held = 0;
    int bits = 0;
    for (const char c : text) {
        const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                          : c >= 'a' && c <= 'z' ? c - 'a' + 26
                          : c >= '0' && c <= '9' ? c - '0' + 52
                          : c == '+'             ? 62
                          : c == '/'             ? 63
                                                 : -1;
        if (value < 0) return std::nullopt;
        held = held << 6 | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out.push_back(static_cast<char>(held >> bits & 0xFF));
    }
    return out;
}

Status read_normalizer(const JsonCursor& at, TokenizerSpec& spec, int depth) {
    HEARTH_TRY(const std::string type, type_of(at));
    constexpr std::pair<std::string_view, Kind> kPlain[] = {{"NFC", Kind::nfc},
                                                            {"NFD", Kind::nfd},
                                                            {"NFKC", Kind::nfkc},
                                                            {"NFKD", Kind::nfkd},
                                                            {"Nmt", Kind::nmt},
                                                            {"Lowercase", Kind::lowercase},
                                                            {"StripAccents", Kind::strip_accents}};
    for (const auto& [name, kind] : kPlain) {
        if (type != name) continue;
        spec.normalizer.push_back({.kind = kind});
        return {};
    }
    if (type == "Sequence")
        return for_each_part(at, "normalizers", depth,
                             [&](const JsonCursor& part) { return read_normalizer(part, spec, depth + 1); });
    NormalizerStep step;
    if (type == "BertNormalizer") {
        HEARTH_TRY(step, read_bert_normalizer(at));
    } else if (type == "Strip") {
        step.kind = Kind::strip;
        HEARTH_TRY(step.left, at.boolean_or("strip_left", true));
        HEARTH_TRY(step.right, at.boolean_or("strip_right", true));
    } else if (type == "Replace") {
        step.kind = Kind::replace;
        HEARTH_TRY(auto pattern, read_pattern(at));
        HEARTH_TRY(step.content, required_text(at, "content"));
        step.pattern = std::move(pattern.first);
        step.literal = pattern.second;
    } else if (type == "Prepend") {
        step.kind = Kind::prepend;
        HEARTH_TRY(step.content, required_text(at, "prepend"));
    } else if (type == "Precompiled") {
        const auto map = at.find("precompiled_charsmap");
        if (!map || (map->value().is_string() && map->value().get_string().empty())) return {};
        step.kind = Kind::charsmap;
        HEARTH_TRY(step.content, base64(*map));
    } else {
        return not_supported(at, type);
    }
    spec.normalizer.push_back(std::move(step));
    return {};
}

Status read_pre_tokenizer(const JsonCursor& at, TokenizerSpec& spec, int depth) {
    HEARTH_TRY(const std::string type, type_of(at));
    if (type == "Sequence")
        return for_each_part(at, "pretokenizers", depth, [&](const JsonCursor& part) {
            return read_pre_tokenizer(part, spec, depth + 1);
        });
    HEARTH_TRY(auto split, read_split(at, type));
    if (split) {
        for (PreTokenizerStep& step : *split) spec.pre_tokenizer.push_back(std::move(step));
        return {};
    }
    if (type == "Metaspace") {
        HEARTH_TRY(PreTokenizerStep step, read_metaspace(at));
        spec.pre_tokenizer.push_back(std::move(step));
        return {};
    }
    if (type != "ByteLevel") return not_supported(at, type);
    HEARTH_TRY(const bool prefix, at.boolean_or("add_prefix_space", true));
    if (prefix) spec.pre_tokenizer.push_back({.kind = PreTokenizerStep::Kind::prefix_space});
    HEARTH_TRY(const bool use_regex, at.boolean_or("use_regex", true));
    if (use_regex) spec.pre_tokenizer.push_back({.pattern = std::string(kPatternGpt2)});
    spec.pre_tokenizer.push_back({.kind = PreTokenizerStep::Kind::byte_letters});
    return {};
}

Status read_decoder(const JsonCursor& at, TokenizerSpec& spec, int depth) {
    HEARTH_TRY(const std::string type, type_of(at));
    Decoding& decoding = spec.decoding;
    if (type == "Sequence")
        return for_each_part(at, "decoders", depth,
                             [&](const JsonCursor& part) { return read_decoder(part, spec, depth + 1); });
    if (type == "Fuse") return {};
    if (type == "ByteLevel") {
        decoding.byte_letters = true;
        return {};
    }
    if (type == "ByteFallback") {
        decoding.bytes = true;
        return {};
    }
    if (type == "Replace") {
        HEARTH_TRY(auto pattern, read_pattern(at));
        HEARTH_TRY(const std::string content, required_text(at, "content"));
        if (!pattern.second || content != " ")
            return not_supported(at, "Replace by another text than a space");
        decoding.metaspace = std::move(pattern.first);
        return {};
    }
    if (type == "Strip") {
        HEARTH_TRY(const std::string content, required_text(at, "content"));
        HEARTH_TRY(const std::int64_t start, at.integer_or("start", 0, 0, 1000));
        HEARTH_TRY(const std::int64_t stop, at.integer_or("stop", 0, 0, 1000));
        if (content != " " || stop != 0) return not_supported(at, "Strip of more than spaces at the start");
        decoding.strip_left = static_cast<int>(start);
        return {};
    }
    if (type == "Metaspace") {
        HEARTH_TRY(const PreTokenizerStep step, read_metaspace(at));
        decoding.metaspace = step.pattern;
        if (step.prepend != PreTokenizerStep::Prepend::never)
            decoding.start = Decoding::Start::first_metaspaces;
        return {};
    }
    if (type == "WordPiece") {
        decoding.start = Decoding::Start::word;
        decoding.spaced = true;
        HEARTH_TRY(decoding.clean_up, at.boolean_or("cleanup", true));
        return {};
    }
    if (type == "BPEDecoder") {
        HEARTH_TRY(decoding.word_suffix, at.string_or("suffix", "</w>"));
        return {};
    }
    return not_supported(at, type);
}

}  // namespace hearth::text
