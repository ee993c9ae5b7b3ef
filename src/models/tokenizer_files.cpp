// models/tokenizer_files.cpp - finds tokenizer.json, tokenizer_config.json, chat_template.jinja or a GGUF's
// keys.
#include "models/tokenizer_files.h"

#include <boost/json.hpp>

#include "base/json.h"
#include "base/limits.h"
#include "formats/gguf.h"
#include "models/gguf_vocabulary.h"

namespace hearth::models {
namespace {

bool is_folder(const fs::path& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
}
bool has_file(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}
bool is_gguf(const fs::path& path) { return path.extension() == ".gguf"; }

// The text of tokenizer_config.json, or an empty one.
Result<std::string> read_config(const fs::path& folder) {
    const fs::path path = folder / "tokenizer_config.json";
    if (!has_file(path)) return std::string();
    return read_text(path, kTextFileBytesMax);
}

// A token as configurations name it: a text, or an object with its content.
Result<std::optional<std::string>> token_text(const JsonCursor& config, const char* key) {
    auto at = config.find(key);
    if (!at) return std::nullopt;
    if (at->value().is_object()) {
        HEARTH_TRY(at, at->at("content"));
    }
    HEARTH_TRY(std::string content, at->string());
    return content;
}

// chat_template in a configuration: a text, or a list of {name, template} with one named "default".
Result<std::optional<std::string>> template_text(const JsonCursor& config) {
    const auto at = config.find("chat_template");
    if (!at) return std::nullopt;
    if (!at->value().is_array()) {
        HEARTH_TRY(std::string text, at->string());
        return text;
    }
    HEARTH_TRY(const std::size_t n, at->array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor entry, at->at(i));
        HEARTH_TRY(const std::string name, entry.string_or("name", ""));
        if (name != "default") continue;
        HEARTH_TRY(const JsonCursor source, entry.at("template"));
        HEARTH_TRY(std::string text, source.string());
        return text;
    }
    return std::nullopt;
}

Result<LoadedTemplate> template_from_folder(const fs::path& folder) {
    HEARTH_TRY(const std::string config_text, read_config(folder));
    const fs::path file = folder / "chat_template.jinja", config_path = folder / "tokenizer_config.json";
    std::optional<std::string> source, bos, eos;
    std::string where = file.string();
    if (has_file(file)) {
        HEARTH_TRY(source, read_text(file, kTemplateSourceBytesMax));
    }
    if (!config_text.empty()) {
        HEARTH_TRY(const Json json, parse_json(config_text, config_path.string()));
        const JsonCursor config(json, config_path.string());
        HEARTH_TRY(bos, token_text(config, "bos_token"));
        HEARTH_TRY(eos, token_text(config, "eos_token"));
        if (!source) {
            where = config_path.string() + ": /chat_template";
            HEARTH_TRY(source, template_text(config));
        }
    }
    if (!source)
        return fail(Fault::not_found,
                    "{}: expected chat_template.jinja, or chat_template in tokenizer_config.json",
                    folder.string());
    HEARTH_TRY(text::ChatTemplate parsed, text::ChatTemplate::parse(*source, where));
    return LoadedTemplate{std::move(parsed), std::move(bos), std::move(eos)};
}

Result<LoadedTemplate> template_from_gguf(const fs::path& path) {
    HEARTH_TRY(const formats::Gguf gguf, formats::Gguf::open(path));
    constexpr const char* kKey = "tokenizer.chat_template";
    if (gguf.find_key(kKey) == nullptr)
        return fail(Fault::not_found, "{}: expected the key {}, saw no chat template", path.string(), kKey);
    const auto source = gguf.string(kKey);
    if (!source) return fail(source.error().at(path.string()));
    HEARTH_TRY(const text::GgufVocabulary vocabulary, read_gguf_vocabulary(gguf, path.string()));
    const auto token = [&](std::optional<std::int64_t> id) -> std::optional<std::string> {
        if (!id || *id < 0 || static_cast<std::size_t>(*id) >= vocabulary.tokens.size()) return std::nullopt;
        return vocabulary.tokens[static_cast<std::size_t>(*id)];
    };
    HEARTH_TRY(text::ChatTemplate parsed,
               text::ChatTemplate::parse(*source, fmt::format("{}: {}", path.string(), kKey)));
    return LoadedTemplate{std::move(parsed), token(vocabulary.bos), token(vocabulary.eos)};
}

// tokenizer.json says most; the others are read where it is absent.
fs::path tokenizer_file(const fs::path& folder) {
    for (const char* name : {"tokenizer.json", "tokenizer.model", "tekken.json"})
        if (has_file(folder / name)) return folder / name;
    return folder / "tokenizer.json";
}

Result<text::TokenizerSpec> read_spec(const fs::path& file) {
    HEARTH_TRY(const std::string bytes, read_text(file, kTextFileBytesMax));
    if (file.filename().string().starts_with("tekken")) return text::read_tekken_json(bytes, file.string());
    const fs::path folder = file.parent_path();
    HEARTH_TRY(const std::string config, read_config(folder));
    if (file.extension() != ".model") return text::read_tokenizer_json(bytes, config, file.string());
    HEARTH_TRY(text::TokenizerSpec spec, text::read_sentencepiece_model(bytes, file.string()));
    if (!config.empty())
        HEARTH_TRY_STATUS(
            text::apply_tokenizer_config(config, (folder / "tokenizer_config.json").string(), spec));
    return spec;
}

}  // namespace

Result<text::Tokenizer> load_tokenizer(const fs::path& path) {
    if (is_gguf(path) && !is_folder(path)) {
        HEARTH_TRY(const formats::Gguf gguf, formats::Gguf::open(path));
        HEARTH_TRY(text::GgufVocabulary vocabulary, read_gguf_vocabulary(gguf, path.string()));
        HEARTH_TRY(text::TokenizerSpec spec, text::spec_from_gguf(std::move(vocabulary)));
        return text::Tokenizer::make(std::move(spec));
    }
    HEARTH_TRY(text::TokenizerSpec spec, read_spec(is_folder(path) ? tokenizer_file(path) : path));
    return text::Tokenizer::make(std::move(spec));
}

Result<LoadedTemplate> load_chat_template(const fs::path& path) {
    if (is_folder(path)) return template_from_folder(path);
    if (is_gguf(path)) return template_from_gguf(path);
    HEARTH_TRY(const std::string source, read_text(path, kTemplateSourceBytesMax));
    HEARTH_TRY(text::ChatTemplate parsed, text::ChatTemplate::parse(source, path.string()));
    return LoadedTemplate{std::move(parsed), std::nullopt, std::nullopt};
}

Result<text::QuotedText> render(const LoadedTemplate& loaded, const Json& conversation) {
    if (!conversation.is_object())
        return loaded.chat_template.render(conversation);  // which says what is wrong
    boost::json::object context = conversation.get_object();
    for (const auto& [key, token] :
         {std::pair("bos_token", &loaded.bos_token), std::pair("eos_token", &loaded.eos_token)})
        if (*token && !context.contains(key)) context[key] = **token;
    return loaded.chat_template.render(Json(std::move(context)));
}

}  // namespace hearth::models
