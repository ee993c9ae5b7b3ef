// models/tokenizer_files.cpp - finds tokenizer.json and the config beside it.
#include "models/tokenizer_files.h"

namespace hearth::models {

Result<text::Tokenizer> load_tokenizer(const fs::path& path) {
    std::error_code ignored;
    const fs::path file = fs::is_directory(path, ignored) ? path / "tokenizer.json" : path;
    HEARTH_TRY(const std::string json, read_text(file, kTextFileBytesMax));
    std::string config;
    const fs::path config_path = file.parent_path() / "tokenizer_config.json";
    if (fs::exists(config_path, ignored)) {
        HEARTH_TRY(config, read_text(config_path, kTextFileBytesMax));
    }
    HEARTH_TRY(text::TokenizerSpec spec, text::read_tokenizer_json(json, config, file.string()));
    return text::Tokenizer::make(std::move(spec));
}

}  // namespace hearth::models
