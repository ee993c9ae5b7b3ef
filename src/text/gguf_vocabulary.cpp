// text/gguf_vocabulary.cpp - from the values of tokenizer.ggml.* to a TokenizerSpec.
#include <algorithm>
#include <limits>

#include "text/quote.h"
#include "text/splitter.h"
#include "text/tokenizer.h"

namespace hearth::text {
namespace {

// Pre-tokenizers by the names that llama.cpp's converter writes. Its vocabularies carry neither ignore_merges
// nor a default for add_bos: both belong to the name.
struct NamedPre {
    std::string_view name;
    std::string_view pattern;
    bool ignore_merges = false;
    bool add_bos = false;
};
constexpr NamedPre kNamed[] = {
    {"gpt-2", kPatternGpt2},
    {"phi-2", kPatternGpt2},
    {"llama-bpe", kPatternLlama3, true, true},
    {"llama3", kPatternLlama3, true, true},
    {"llama-v3", kPatternLlama3, true, true},
    {"qwen2", kPatternQwen2},
    {"deepseek-r1-qwen", kPatternQwen2},
    {"qwen35", kPatternQwen35},
};

enum TokenType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

Result<std::optional<int>> token_id(const GgufVocabulary& v, const char* name,
                                    std::optional<std::int64_t> id) {
    if (!id) return std::nullopt;
    if (*id < 0 || static_cast<std::uint64_t>(*id) >= v.tokens.size())
        return fail(Fault::corrupt, "{}: tokenizer.ggml.{}_token_id: expected an id below {}, saw {}",
                    v.where, name, v.tokens.size(), *id);
    return static_cast<int>(*id);
}

}  // namespace

Result<TokenizerSpec> spec_from_gguf(GgufVocabulary v) {
    if (v.model != "gpt2")
        return fail(Fault::unsupported,
                    "{}: tokenizer.ggml.model: expected \"gpt2\" (byte-level BPE), saw {}", v.where,
                    quoted(v.model));
    const std::string_view pre = v.pre.empty() ? "gpt-2" : std::string_view(v.pre);
    const auto* named = std::find_if(std::begin(kNamed), std::end(kNamed),
                                     [&](const NamedPre& candidate) { return candidate.name == pre; });
    if (named == std::end(kNamed))
        return fail(Fault::unsupported, "{}: tokenizer.ggml.pre: expected a pre-tokenizer known here, saw {}",
                    v.where, quoted(v.pre));
    if (!v.token_types.empty() && v.token_types.size() != v.tokens.size())
        return fail(Fault::corrupt, "{}: tokenizer.ggml.token_type: expected {} entries, saw {}", v.where,
                    v.tokens.size(), v.token_types.size());
    TokenizerSpec spec;
    spec.where = v.where;
    spec.splits = {{.pattern = std::string(named->pattern)}};
    spec.ignore_merges = named->ignore_merges;
    HEARTH_TRY(spec.bos, token_id(v, "bos", v.bos));
    HEARTH_TRY(spec.eos, token_id(v, "eos", v.eos));
    HEARTH_TRY(spec.pad, token_id(v, "padding", v.pad));
    HEARTH_TRY(spec.unk, token_id(v, "unknown", v.unk));
    if (v.add_bos.value_or(named->add_bos) && spec.bos) spec.prefix.push_back(*spec.bos);
    if (v.add_eos.value_or(false) && spec.eos) spec.suffix.push_back(*spec.eos);
    for (std::size_t id = 0; id < v.token_types.size(); ++id) {
        const int type = v.token_types[id];
        if ((type == kControl || type == kUserDefined || type == kUnknown) && !v.tokens[id].empty())
            spec.added.push_back(
                {.id = static_cast<int>(id), .content = v.tokens[id], .special = type != kUserDefined});
    }
    spec.merges.reserve(v.merges.size());
    for (std::size_t i = 0; i < v.merges.size(); ++i) {
        const std::string& merge = v.merges[i];
        const std::size_t space = merge.find(' ', 1);  // a piece is never empty
        if (space == std::string::npos || space + 1 >= merge.size())
            return fail(Fault::corrupt, "{}: tokenizer.ggml.merges[{}]: expected two tokens, saw {}", v.where,
                        i, quoted(merge));
        spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
    spec.tokens = std::move(v.tokens);
    return spec;
}

}  // namespace hearth::text
