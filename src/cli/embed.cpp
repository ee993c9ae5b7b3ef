// cli/embed.cpp - hearth embed MODEL --ids FILE.json --out FILE.npy: the embedding of given tokens.
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/input.h"
#include "engine/engine.h"
#include "formats/npy.h"
#include "hub/default_model.h"
#include "models/embedder.h"
#include "models/model.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, ids, out, pooling;
};

Result<int> run(const Options& options, const GlobalOptions& global) {
    using Pooling = models::Embedder::Pooling;
    HEARTH_TRY(const std::vector<int> ids, read_ids(options.ids));
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const auto model,
               models::load_model(path, pool, {.need_tokenizer = false, .hidden_states = true}));
    HEARTH_TRY(models::Embedder embedder, models::load_embedder(path, model->config()));
    if (!options.pooling.empty())
        embedder.pooling = options.pooling == "mean"  ? Pooling::mean
                           : options.pooling == "cls" ? Pooling::first
                                                      : Pooling::last;
    HEARTH_TRY(const auto engine,
               engine::Engine::open(model, {.threads = global.threads, .batch_max = 1, .exact = true}));
    HEARTH_TRY(const std::vector<float> embedding, engine->embed(ids, embedder));
    const auto width = static_cast<std::int64_t>(embedding.size());
    HEARTH_TRY(formats::NpyWriter file, formats::NpyWriter::create(options.out, 1, width));
    HEARTH_TRY_STATUS(file.append(embedding));
    HEARTH_TRY_STATUS(file.commit());
    if (global.json) {
        HEARTH_TRY_STATUS(print_json({{"out", options.out}, {"n_tokens", ids.size()}, {"width", width}}));
    } else {
        HEARTH_TRY_STATUS(
            print(fmt::format("{}: float32 [1, {}] of {} tokens\n", options.out, width, ids.size())));
    }
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model, "a model folder or a .gguf file")->required();
    app.add_option("--ids", options->ids, "token ids: a JSON file that holds a list")->required();
    app.add_option("--out", options->out, "where to write float32 [1, width] as .npy")->required();
    app.add_option("--pooling", options->pooling, "in place of what the model's files say")
        ->check(CLI::IsMember({"mean", "cls", "last"}));
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kEmbed = {"embed", "the embedding of given tokens as a .npy file", setup};

}  // namespace hearth::cli
