// text/gguf_vocabulary.cpp - from the values of tokenizer.ggml.* to a TokenizerSpec.
#include <algorithm>
#include <limits>
#include <span>

#include "text/quote.h"
#include "text/splitter.h"
#include "text/tokenizer_spec.h"

namespace hearth::text {
namespace {

using Model = TokenizerSpec::Model;
using Behavior = PreTokenizerStep::Behavior;
using Match = PreTokenizerStep::Match;

// DeepSeek LLM's splits, as its tokenizer.json has them: newlines, words, punctuation, white space at the
// end, Chinese and Korean, numbers.
constexpr std::string_view kDeepseekLlm[] = {
    R"([\r\n])",
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ)"
    R"(-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1F7D}ᾀ-ᾴ)"
    R"(ᾶ-ᾼ\x{1FBE}ῂ-ῄῆ-ῌῐ-\x{1FD3}ῖ-\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ)"
    R"(\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ)"
    R"(\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2})"
    R"(\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)",
    R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)",
    R"(\s+$)",
    R"([一-龥ࠀ-一가-퟿]+)",
    R"(\p{N}+)",
};
constexpr std::string_view kDeepseekCoder[] = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                                               R"([一-龥ࠀ-一가-퟿]+)", R"(\p{N})"};
constexpr std::string_view kDeepseekV3[] = {kPatternDigits3, kPatternDeepseekHan, kPatternDeepseekV3};
constexpr std::string_view kDigitsThenGpt2[] = {R"(\p{N})", kPatternGpt2};
constexpr std::string_view kGpt2[] = {kPatternGpt2};
constexpr std::string_view kLlama3[] = {kPatternLlama3};
constexpr std::string_view kQwen2[] = {kPatternQwen2};
constexpr std::string_view kQwen35[] = {kPatternQwen35};
constexpr std::string_view kO200k[] = {kPatternO200k};
constexpr std::string_view kTekken[] = {kPatternTekken};
constexpr std::string_view kGemma[] = {R"([^\n]+|[\n]+)"};

// Pre-tokenizers by the names that llama.cpp's converter writes; the patterns are those of the models' own
// tokenizer.json. Its vocabularies carry neither ignore_merges nor a default for add_bos: both belong to the
// name.
struct NamedPre {
    std::string_view names;  // with a space before and after each
    std::span<const std::string_view> patterns;
    bool ignore_merges = false;
    bool add_bos = false;
};
constexpr NamedPre kNamed[] = {
    {" gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 mpt "
     "olmo jais"
     " trillion granite-docling ",
     kGpt2},
    {" jina-v1-en jina-v2-code roberta-bpe ", kGpt2},
    {" llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ", kLlama3, true, true},
    {" glm4 chatglm-bpe dbrx smaug-bpe ", kLlama3},
    {" qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan grok-2 ", kQwen2},
    {" qwen35 ", kQwen35},
    {" gpt-4o llama4 kanana2 minimax-m2 ", kO200k},
    {" tekken ", kTekken, true, true},
    {" deepseek-llm ", kDeepseekLlm},
    {" deepseek-coder ", kDeepseekCoder},
    {" deepseek-v3 hunyuan-dense ", kDeepseekV3},
    {" starcoder refact command-r smollm codeshell exaone minerva-7b ", kDigitsThenGpt2},
};

enum TokenType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

Result<std::optional<int>> token_id(const GgufVocabulary& v, const char* name,
                                    std::optional<std::int64_t> id) {
    if (!id) return std::nullopt;
    if (*id < 0 || static_cast<std::uint64_t>(*id) >= v.tokens.size())
        return fail(Fault::corrupt, "{}: tokenizer.ggml.{}_token_id: expected an id below {}, saw {}",
                    v.where, name, v.tokens.size(), *id);
    return static_cast<int>(*id);
}

// What all models share: named tokens, and by their types the added and the unmatched ones.
Result<TokenizerSpec> base_spec(const GgufVocabulary& v) {
    if (!v.token_types.empty() && v.token_types.size() != v.tokens.size())
        return fail(Fault::corrupt, "{}: tokenizer.ggml.token_type: expected {} entries, saw {}", v.where,
                    v.tokens.size(), v.token_types.size());
    TokenizerSpec spec;
    spec.where = v.where;
    HEARTH_TRY(spec.bos, token_id(v, "bos", v.bos));
    HEARTH_TRY(spec.eos, token_id(v, "eos", v.eos));
    HEARTH_TRY(spec.pad, token_id(v, "padding", v.pad));
    HEARTH_TRY(spec.unk, token_id(v, "unknown", v.unk));
    for (std::size_t id = 0; id < v.token_types.size(); ++id) {
        const int type = v.token_types[id];
        const auto own = static_cast<int>(id);
        if ((type == kControl || type == kUserDefined || type == kUnknown) && !v.tokens[id].empty())
            spec.added.push_back({.id = own, .content = v.tokens[id], .special = type != kUserDefined});
        if (type == kControl || type == kUnknown || type == kUnused || type == kByte)
            spec.unmatched.push_back(own);
    }
    return spec;
}

void add_ends(const GgufVocabulary& v, TokenizerSpec& spec, bool bos_default, bool eos_default) {
    if (v.add_bos.value_or(bos_default) && spec.bos) spec.prefix.push_back(*spec.bos);
    if (v.add_eos.value_or(eos_default) && spec.eos) spec.suffix.push_back(*spec.eos);
}

Status read_merges(const GgufVocabulary& v, TokenizerSpec& spec) {
    spec.merges.reserve(v.merges.size());
    for (std::size_t i = 0; i < v.merges.size(); ++i) {
        const std::string& merge = v.merges[i];
        const std::size_t space = merge.find(' ', 1);  // a piece is never empty
        if (space == std::string::npos || space + 1 >= merge.size())
            return fail(Fault::corrupt, "{}: tokenizer.ggml.merges[{}]: expected two tokens, saw {}", v.where,
                        i, quoted(merge));
        spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
    return {};
}

Status byte_level_bpe(const GgufVocabulary& v, TokenizerSpec& spec) {
    const std::string pre = fmt::format(" {} ", v.pre.empty() ? "gpt-2" : v.pre);
    const auto* named = std::find_if(std::begin(kNamed), std::end(kNamed), [&](const NamedPre& candidate) {
        return candidate.names.find(pre) != std::string_view::npos;
    });
    if (named == std::end(kNamed) || v.pre.find(' ') != std::string::npos)
        return fail(Fault::unsupported, "{}: tokenizer.ggml.pre: expected a pre-tokenizer known here, saw {}",
                    v.where, quoted(v.pre));
    for (const std::string_view pattern : named->patterns)
        spec.pre_tokenizer.push_back({.pattern = std::string(pattern)});
    spec.ignore_merges = named->ignore_merges;
    add_ends(v, spec, named->add_bos, false);
    return read_merges(v, spec);
}

Status sentencepiece(GgufVocabulary& v, TokenizerSpec& spec, Model model) {
    spec.model = model;
    spec.byte_level = false;
    spec.byte_fallback = spec.decoding.bytes = true;
    spec.fuse_unknown = true;
    spec.scores = std::move(v.scores);
    if (!v.charsmap.empty())
        spec.normalizer.push_back(
            {.kind = NormalizerStep::Kind::charsmap, .content = std::move(v.charsmap), .by_grapheme = false});
    if (v.remove_extra_whitespaces.value_or(false)) remove_extra_spaces(spec);
    escape_spaces(spec, v.add_space_prefix.value_or(model != Model::bpe));
    add_ends(v, spec, model != Model::unigram, model == Model::unigram);
    if (model != Model::bpe) return {};
    spec.scores.clear();
    for (const std::string_view pattern : kGemma)
        spec.pre_tokenizer.push_back({.pattern = std::string(pattern)});
    return read_merges(v, spec);
}

Status wordpiece(const GgufVocabulary& v, TokenizerSpec& spec) {
    spec.model = Model::wordpiece;
    spec.byte_level = false;
    spec.word_prefix = kMetaspace;  // the converter spells so what begins a word, and drops "##"
    spec.normalizer.push_back({.kind = NormalizerStep::Kind::bert});
    spec.pre_tokenizer.push_back({.match = Match::spaces, .behavior = Behavior::removed});
    spec.pre_tokenizer.push_back({.match = Match::punctuation});
    spec.decoding.start = Decoding::Start::first_metaspaces;
    spec.decoding.metaspace = kMetaspace;
    spec.decoding.clean_up = true;
    HEARTH_TRY(const auto cls, token_id(v, "cls", v.cls ? v.cls : v.bos));
    HEARTH_TRY(const auto sep, token_id(v, "seperator", v.sep ? v.sep : v.eos));
    if (v.add_bos.value_or(true) && cls) spec.prefix.push_back(*cls);
    if (v.add_eos.value_or(true) && sep) spec.suffix.push_back(*sep);
    return {};
}

}  // namespace

Result<TokenizerSpec> spec_from_gguf(GgufVocabulary v) {
    HEARTH_TRY(TokenizerSpec spec, base_spec(v));
    if (v.model == "gpt2") {
        HEARTH_TRY_STATUS(byte_level_bpe(v, spec));
    } else if (v.model == "llama") {
        HEARTH_TRY_STATUS(sentencepiece(v, spec, Model::concatenation));
    } else if (v.model == "gemma4") {
        HEARTH_TRY_STATUS(sentencepiece(v, spec, Model::bpe));
    } else if (v.model == "t5") {
        HEARTH_TRY_STATUS(sentencepiece(v, spec, Model::unigram));
    } else if (v.model == "bert") {
        HEARTH_TRY_STATUS(wordpiece(v, spec));
    } else {
        return fail(Fault::unsupported,
                    "{}: tokenizer.ggml.model: expected gpt2, llama, gemma4, t5 or bert, saw {}", v.where,
                    quoted(v.model));
    }
    spec.tokens = std::move(v.tokens);
    return spec;
}

}  // namespace hearth::text
