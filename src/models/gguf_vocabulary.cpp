// models/gguf_vocabulary.cpp - reads tokenizer.ggml.*; which values make sense together, text decides.
#include "models/gguf_vocabulary.h"

#include <limits>

namespace hearth::models {
namespace {

using formats::Gguf;

Result<std::optional<std::int64_t>> token_id(const Gguf& gguf, const char* key, std::string_view where) {
    if (gguf.find_key(key) == nullptr) return std::nullopt;
    const auto id = gguf.integer(key, 0, std::numeric_limits<std::int32_t>::max());
    if (!id) return fail(id.error().at(where));
    return *id;
}

Result<std::optional<bool>> flag(const Gguf& gguf, const char* key, std::string_view where) {
    if (gguf.find_key(key) == nullptr) return std::nullopt;
    const auto value = gguf.boolean(key);
    if (!value) return fail(value.error().at(where));
    return *value;
}

Result<std::vector<std::string>> texts(const Gguf& gguf, const char* key, std::string_view where) {
    const auto array = gguf.array(key);
    if (!array) return fail(array.error().at(where));
    if ((*array)->type != formats::GgufType::string)
        return fail(Fault::corrupt, "{}: {}: expected an array of texts, saw another type", where, key);
    return (*array)->strings;
}

Result<std::vector<int>> token_types(const Gguf& gguf, std::string_view where) {
    constexpr const char* kKey = "tokenizer.ggml.token_type";
    std::vector<int> types;
    if (gguf.find_key(kKey) == nullptr) return types;
    const auto array = gguf.array(kKey);
    if (!array) return fail(array.error().at(where));
    types.reserve((*array)->n);
    for (std::uint64_t i = 0; i < (*array)->n; ++i) {
        const formats::GgufScalar value = (*array)->at(i);
        if (const auto* const wide = std::get_if<std::int64_t>(&value))
            types.push_back(static_cast<int>(*wide));
        else if (const auto* const unsigned_wide = std::get_if<std::uint64_t>(&value))
            types.push_back(static_cast<int>(*unsigned_wide));
        else
            return fail(Fault::corrupt, "{}: {}[{}]: expected an integer, saw another type", where, kKey, i);
    }
    return types;
}

// Numbers of any float type; nothing when absent.
Result<std::vector<double>> scores(const Gguf& gguf, std::string_view where) {
    constexpr const char* kKey = "tokenizer.ggml.scores";
    std::vector<double> out;
    if (gguf.find_key(kKey) == nullptr) return out;
    const auto array = gguf.array(kKey);
    if (!array) return fail(array.error().at(where));
    out.reserve((*array)->n);
    for (std::uint64_t i = 0; i < (*array)->n; ++i) {
        const formats::GgufScalar value = (*array)->at(i);
        const auto* const number = std::get_if<double>(&value);
        if (number == nullptr)
            return fail(Fault::corrupt, "{}: {}[{}]: expected a floating-point number, saw another type",
                        where, kKey, i);
        out.push_back(*number);
    }
    return out;
}

// SentencePiece's character map, an array of bytes.
Result<std::string> charsmap(const Gguf& gguf, std::string_view where) {
    constexpr const char* kKey = "tokenizer.ggml.precompiled_charsmap";
    if (gguf.find_key(kKey) == nullptr) return std::string();
    const auto array = gguf.array(kKey);
    if (!array) return fail(array.error().at(where));
    if ((*array)->type != formats::GgufType::u8 && (*array)->type != formats::GgufType::i8)
        return fail(Fault::corrupt, "{}: {}: expected an array of bytes, saw another type", where, kKey);
    return std::string(reinterpret_cast<const char*>((*array)->raw.data()), (*array)->raw.size());
}

}  // namespace

Result<text::GgufVocabulary> read_gguf_vocabulary(const Gguf& gguf, std::string_view where) {
    if (gguf.find_key("tokenizer.ggml.model") == nullptr)
        return fail(Fault::not_found, "{}: expected tokenizer.ggml.model, saw no tokenizer", where);
    text::GgufVocabulary v;
    v.where = where;
    const auto model = gguf.string("tokenizer.ggml.model");
    if (!model) return fail(model.error().at(where));
    v.model = *model;
    if (gguf.find_key("tokenizer.ggml.pre") != nullptr) {
        const auto pre = gguf.string("tokenizer.ggml.pre");
        if (!pre) return fail(pre.error().at(where));
        v.pre = *pre;
    }
    HEARTH_TRY(v.tokens, texts(gguf, "tokenizer.ggml.tokens", where));
    HEARTH_TRY(v.token_types, token_types(gguf, where));
    if (gguf.find_key("tokenizer.ggml.merges") != nullptr) {
        HEARTH_TRY(v.merges, texts(gguf, "tokenizer.ggml.merges", where));
    }
    HEARTH_TRY(v.scores, scores(gguf, where));
    HEARTH_TRY(v.charsmap, charsmap(gguf, where));
    HEARTH_TRY(v.bos, token_id(gguf, "tokenizer.ggml.bos_token_id", where));
    HEARTH_TRY(v.eos, token_id(gguf, "tokenizer.ggml.eos_token_id", where));
    HEARTH_TRY(v.pad, token_id(gguf, "tokenizer.ggml.padding_token_id", where));
    HEARTH_TRY(v.unk, token_id(gguf, "tokenizer.ggml.unknown_token_id", where));
    // Spelled so by the converter.
    HEARTH_TRY(v.sep, token_id(gguf, "tokenizer.ggml.seperator_token_id", where));
    HEARTH_TRY(v.cls, token_id(gguf, "tokenizer.ggml.cls_token_id", where));
    HEARTH_TRY(v.add_space_prefix, flag(gguf, "tokenizer.ggml.add_space_prefix", where));
    HEARTH_TRY(v.remove_extra_whitespaces, flag(gguf, "tokenizer.ggml.remove_extra_whitespaces", where));
    HEARTH_TRY(v.add_bos, flag(gguf, "tokenizer.ggml.add_bos_token", where));
    HEARTH_TRY(v.add_eos, flag(gguf, "tokenizer.ggml.add_eos_token", where));
    return v;
}

}  // namespace hearth::models
