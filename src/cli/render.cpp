// cli/render.cpp - hearth render MODEL CONVERSATION.json: the chat template's text, byte for byte.
#include <boost/json.hpp>

#include "base/limits.h"
#include "cli/command.h"
#include "cli/input.h"
#include "hub/default_model.h"
#include "models/tokenizer_files.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, conversation;
};

Result<int> run(const Options& options, bool json) {
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const models::LoadedTemplate loaded, models::load_chat_template(path));
    HEARTH_TRY(const std::string input, read_input(options.conversation, kTextFileBytesMax));
    HEARTH_TRY(const Json conversation, parse_json(input, options.conversation));
    if (!conversation.is_object())
        return fail(JsonCursor(conversation, options.conversation).wrong("an object with messages"));
    HEARTH_TRY(const text::QuotedText rendered, models::render(loaded, conversation));
    HEARTH_TRY_STATUS(json ? print_json({{"text", rendered.text}}) : print(rendered.text));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model, "a model folder, a .gguf, or a template file")->required();
    app.add_option(
           "CONVERSATION", options->conversation,
           "JSON: {\"messages\": [...], \"tools\": [...], \"add_generation_prompt\": true, ...}, or - for "
           "standard input")
        ->required();
    return [options, &global]() -> Result<int> { return run(*options, global.json); };
}

}  // namespace

const Command kRender{"render", "the text that a chat template makes of a conversation", setup};

}  // namespace hearth::cli
