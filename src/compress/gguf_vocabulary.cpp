// compress/gguf_vocabulary.cpp - tokenizer.json and its companions to tokenizer.* keys.
#include <boost/json.hpp>

#include "base/limits.h"
#include "compress/gguf_keys.h"
#include "text/splitter.h"

namespace hearth::compress {
namespace {

using formats::GgufPair;
using formats::GgufValue;

// GGUF's token types.
constexpr std::int32_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;
constexpr std::int64_t kTokensMax = std::int64_t{1} << 24;

// GGUF names the splits that llama.cpp knows; these are the patterns behind the names, as tokenizer.json has
// them.
struct Split {
    std::string_view pattern, name;
};
constexpr Split kSplits[] = {
    {text::kPatternGpt2, "gpt-2"},    {text::kPatternLlama3, "llama-bpe"}, {text::kPatternQwen2, "qwen2"},
    {text::kPatternQwen35, "qwen35"}, {text::kPatternO200k, "gpt-4o"},     {text::kPatternTekken, "tekken"},
};

Result<std::optional<Json>> read_optional(const fs::path& path) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return std::optional<Json>();
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(Json json, parse_json(text, path.string()));
    return std::optional<Json>(std::move(json));
}

// The one regular expression of the pre-tokenizer, by its GGUF name.
Result<std::string> split_name(const JsonCursor& tokenizer) {
    const auto unknown = [&](std::string_view seen) {
        return fail(Fault::unsupported, "{}: expected a pre-tokenizer that GGUF has a name for, saw {}",
                    tokenizer.where(), seen);
    };
    const auto root = tokenizer.find("pre_tokenizer");
    if (!root) return unknown("none");
    std::vector<JsonCursor> steps;
    if (const auto list = root->find("pretokenizers")) {
        HEARTH_TRY(const std::size_t n, list->array_size());
        for (std::size_t i = 0; i < n; ++i) {
            HEARTH_TRY(JsonCursor step, list->at(i));
            steps.push_back(std::move(step));
        }
    } else {
        steps.push_back(*root);
    }
    std::string pattern;
    for (const JsonCursor& step : steps) {
        HEARTH_TRY(const std::string type, step.string_or("type", ""));
        if (type == "ByteLevel") {
            HEARTH_TRY(const bool own_regex, step.boolean_or("use_regex", true));
            if (own_regex) pattern = kSplits[0].pattern;
        } else if (type == "Split" && pattern.empty()) {
            HEARTH_TRY(const JsonCursor pattern_at, step.at("pattern"));
            HEARTH_TRY(pattern, pattern_at.string_or("Regex", ""));
        } else {
            return unknown(fmt::format("a step of type {}", type));
        }
    }
    for (const Split& split : kSplits)
        if (split.pattern == pattern) return std::string(split.name);
    return unknown(fmt::format("the pattern {}", pattern.substr(0, 200)));
}

struct Vocabulary {
    std::vector<std::string> tokens;
    std::vector<std::int32_t> types;
    boost::json::object ids;  // text to id, for the named special tokens

    Status add(std::string_view text, std::int64_t id, std::int32_t type, std::string_view where) {
        if (id < 0 || id >= kTokensMax)
            return fail(Fault::out_of_range, "{}: expected ids from 0 to {}, saw {}", where, kTokensMax - 1,
                        id);
        const auto at = static_cast<std::size_t>(id);
        if (at >= tokens.size()) {
            tokens.resize(at + 1);
            types.resize(at + 1, kUnused);
        }
        if (types[at] != kUnused && tokens[at] != text)
            return fail(Fault::corrupt, "{}: expected one text for id {}, saw two", where, id);
        tokens[at] = text;
        types[at] = type;
        ids[text] = id;
        return {};
    }
};

Result<Vocabulary> read_tokens(const JsonCursor& tokenizer, std::int64_t vocab_size) {
    Vocabulary vocabulary;
    HEARTH_TRY(const JsonCursor model, tokenizer.at("model"));
    HEARTH_TRY(const JsonCursor vocab, model.at("vocab"));
    if (!vocab.value().is_object()) return fail(vocab.wrong("an object"));
    // Ids are bounded by what the file holds: a lone huge id must not make a huge table.
    const std::int64_t id_max =
        std::max(vocab_size, static_cast<std::int64_t>(vocab.value().get_object().size()) * 2 + 65'536);
    for (const auto& member : vocab.value().get_object()) {
        HEARTH_TRY(const std::int64_t id, JsonCursor(member.value(), vocab.where()).integer(0, id_max));
        HEARTH_TRY_STATUS(vocabulary.add(member.key(), id, kNormal, vocab.where()));
    }
    if (const auto added = tokenizer.find("added_tokens")) {
        HEARTH_TRY(const std::size_t n, added->array_size());
        for (std::size_t i = 0; i < n; ++i) {
            HEARTH_TRY(const JsonCursor token, added->at(i));
            HEARTH_TRY(const JsonCursor id_at, token.at("id"));
            HEARTH_TRY(const JsonCursor content_at, token.at("content"));
            HEARTH_TRY(const std::int64_t id, id_at.integer(0, id_max));
            HEARTH_TRY(const std::string content, content_at.string());
            HEARTH_TRY(const bool special, token.boolean_or("special", false));
            HEARTH_TRY_STATUS(vocabulary.add(content, id, special ? kControl : kUserDefined, token.where()));
        }
    }
    // The embedding may have more rows than the tokenizer has tokens.
    const auto n_rows = static_cast<std::size_t>(vocab_size);
    if (vocabulary.tokens.size() < n_rows) {
        vocabulary.tokens.resize(n_rows);
        vocabulary.types.resize(n_rows, kUnused);
    }
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id)
        if (vocabulary.types[id] == kUnused) vocabulary.tokens[id] = fmt::format("[PAD{}]", id);
    return vocabulary;
}

// tokenizer.json writes "left right" or ["left", "right"]; GGUF the former.
Result<std::vector<std::string>> read_merges(const JsonCursor& tokenizer) {
    HEARTH_TRY(const JsonCursor model, tokenizer.at("model"));
    HEARTH_TRY(const JsonCursor merges, model.at("merges"));
    HEARTH_TRY(const std::size_t n, merges.array_size());
    std::vector<std::string> out;
    out.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor merge, merges.at(i));
        if (merge.value().is_string()) {
            HEARTH_TRY(std::string text, merge.string());
            out.push_back(std::move(text));
            continue;
        }
        HEARTH_TRY(const JsonCursor left_at, merge.at(std::size_t{0}));
        HEARTH_TRY(const JsonCursor right_at, merge.at(std::size_t{1}));
        HEARTH_TRY(const std::string left, left_at.string());
        HEARTH_TRY(const std::string right, right_at.string());
        if ((left + right).find(' ') != std::string::npos)
            return fail(Fault::unsupported, "{}: expected byte-level pieces without spaces, saw one with",
                        merge.where());
        out.push_back(left + " " + right);
    }
    return out;
}

// A special token in tokenizer_config.json is a text or {"content": text}.
Result<std::optional<std::int64_t>> named_id(const std::optional<Json>& config, std::string_view key,
                                             const Vocabulary& vocabulary) {
    if (!config) return std::optional<std::int64_t>();
    const auto at = JsonCursor(*config, "tokenizer_config.json").find(key);
    if (!at) return std::optional<std::int64_t>();
    const auto content = at->find("content");
    HEARTH_TRY(const std::string text, (content ? *content : *at).string());
    const Json* id = vocabulary.ids.if_contains(text);
    if (id == nullptr) return std::optional<std::int64_t>();
    return std::optional<std::int64_t>(id->as_int64());
}

// `key` of a config: a number, or a list of them.
Result<std::vector<std::int64_t>> config_ids(const JsonCursor& config, std::string_view key,
                                             std::int64_t n_tokens) {
    std::vector<std::int64_t> ids;
    const auto at = config.find(key);
    if (!at) return ids;
    if (!at->value().is_array()) {
        HEARTH_TRY(const std::int64_t id, at->integer(0, n_tokens - 1));
        ids.push_back(id);
        return ids;
    }
    for (std::size_t i = 0; i < at->value().get_array().size(); ++i) {
        HEARTH_TRY(const JsonCursor one, at->at(i));
        HEARTH_TRY(const std::int64_t id, one.integer(0, n_tokens - 1));
        ids.push_back(id);
    }
    return ids;
}

struct SpecialIds {
    std::vector<std::int64_t> eos;  // best first
    std::optional<std::int64_t> bos, pad;
};
Result<SpecialIds> special_ids(const fs::path& folder, const Json& config, const Vocabulary& vocabulary) {
    const auto n = static_cast<std::int64_t>(vocabulary.tokens.size());
    HEARTH_TRY(const auto tokenizer_config, read_optional(folder / "tokenizer_config.json"));
    HEARTH_TRY(const auto generation, read_optional(folder / "generation_config.json"));
    SpecialIds ids;
    const auto add_eos = [&](std::int64_t id) {
        if (std::find(ids.eos.begin(), ids.eos.end(), id) == ids.eos.end()) ids.eos.push_back(id);
    };
    HEARTH_TRY(const auto named_eos, named_id(tokenizer_config, "eos_token", vocabulary));
    HEARTH_TRY(ids.bos, named_id(tokenizer_config, "bos_token", vocabulary));
    HEARTH_TRY(ids.pad, named_id(tokenizer_config, "pad_token", vocabulary));
    if (named_eos) add_eos(*named_eos);
    std::vector<JsonCursor> configs;
    if (generation) configs.emplace_back(*generation, "generation_config.json");
    configs.emplace_back(config, "config.json");
    for (const JsonCursor& cursor : configs) {
        HEARTH_TRY(const auto eos, config_ids(cursor, "eos_token_id", n));
        for (const std::int64_t id : eos) add_eos(id);
        HEARTH_TRY(const auto bos, config_ids(cursor, "bos_token_id", n));
        HEARTH_TRY(const auto pad, config_ids(cursor, "pad_token_id", n));
        if (!ids.bos && !bos.empty()) ids.bos = bos[0];
        if (!ids.pad && !pad.empty()) ids.pad = pad[0];
    }
    return ids;
}

// Whether the post-processor puts a special token before (BOS) or after (EOS) the text.
Result<std::pair<bool, bool>> adds_bos_eos(const JsonCursor& processor) {
    HEARTH_TRY(const std::string type, processor.string_or("type", ""));
    if (const auto list = processor.find("processors")) {
        HEARTH_TRY(const std::size_t n, list->array_size());
        for (std::size_t i = 0; i < n; ++i) {
            HEARTH_TRY(const JsonCursor inner, list->at(i));
            if (inner.find("single")) return adds_bos_eos(inner);
        }
        return std::pair(false, false);
    }
    const auto single = processor.find("single");
    if (!single) return std::pair(false, false);
    HEARTH_TRY(const std::size_t n, single->array_size());
    if (n == 0) return std::pair(false, false);
    HEARTH_TRY(const JsonCursor first, single->at(std::size_t{0}));
    HEARTH_TRY(const JsonCursor last, single->at(n - 1));
    return std::pair(first.find("SpecialToken").has_value(), last.find("SpecialToken").has_value());
}

Result<std::string> chat_template(const fs::path& folder) {
    std::error_code ignored;
    if (fs::exists(folder / "chat_template.jinja", ignored))
        return read_text(folder / "chat_template.jinja", kTextFileBytesMax);
    HEARTH_TRY(const auto config, read_optional(folder / "tokenizer_config.json"));
    if (!config) return std::string();
    const auto at = JsonCursor(*config, "tokenizer_config.json").find("chat_template");
    if (!at) return std::string();
    if (at->value().is_string()) return at->string();
    HEARTH_TRY(const std::size_t n, at->array_size());  // [{"name": ..., "template": ...}]
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor one, at->at(i));
        HEARTH_TRY(const std::string name, one.string_or("name", ""));
        if (name == "default") return one.string_or("template", "");
    }
    return std::string();
}

}  // namespace

Result<std::vector<GgufPair>> gguf_vocabulary(const fs::path& folder, const Json& config) {
    const fs::path path = folder / "tokenizer.json";
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(const Json json, parse_json(text, path.string()));
    const JsonCursor tokenizer(json, path.string());
    HEARTH_TRY(const JsonCursor model, tokenizer.at("model"));
    HEARTH_TRY(const std::string type, model.string_or("type", "BPE"));
    if (type != "BPE")
        return fail(Fault::unsupported, "{}: expected a byte-level BPE for GGUF output, saw {}",
                    model.where(), type);
    HEARTH_TRY(const std::string pre, split_name(tokenizer));
    HEARTH_TRY(const std::int64_t vocab_size,
               JsonCursor(config, "config.json").integer_or("vocab_size", 0, 0, kTokensMax));
    HEARTH_TRY(Vocabulary vocabulary, read_tokens(tokenizer, vocab_size));
    HEARTH_TRY(std::vector<std::string> merges, read_merges(tokenizer));
    HEARTH_TRY(const SpecialIds ids, special_ids(folder, config, vocabulary));

    std::vector<GgufPair> pairs = {
        {"tokenizer.ggml.model", GgufValue::string("gpt2")},
        {"tokenizer.ggml.pre", GgufValue::string(pre)},
        {"tokenizer.ggml.tokens", GgufValue::strings(std::move(vocabulary.tokens))},
        {"tokenizer.ggml.token_type", GgufValue::i32s(vocabulary.types)},
        {"tokenizer.ggml.merges", GgufValue::strings(std::move(merges))}};
    const auto add_id = [&](std::string_view key, std::int64_t id) {
        pairs.push_back(
            {fmt::format("tokenizer.ggml.{}_token_id", key), GgufValue::u32(static_cast<std::uint32_t>(id))});
    };
    if (ids.bos) add_id("bos", *ids.bos);
    if (!ids.eos.empty()) add_id("eos", ids.eos[0]);
    if (ids.eos.size() > 1) add_id("eot", ids.eos[1]);
    if (ids.pad) add_id("padding", *ids.pad);
    std::pair<bool, bool> adds = {false, false};
    if (const auto processor = tokenizer.find("post_processor")) {
        HEARTH_TRY(adds, adds_bos_eos(*processor));
    }
    pairs.push_back({"tokenizer.ggml.add_bos_token", GgufValue::boolean(adds.first)});
    pairs.push_back({"tokenizer.ggml.add_eos_token", GgufValue::boolean(adds.second)});
    HEARTH_TRY(std::string jinja, chat_template(folder));
    if (!jinja.empty()) pairs.push_back({"tokenizer.chat_template", GgufValue::string(std::move(jinja))});
    return pairs;
}

}  // namespace hearth::compress
