// cli/bench.cpp - hearth bench MODEL: tokens per second, their share of what this machine can do, and what
// changed since an earlier run.
#include <boost/json.hpp>
#include <chrono>

#include "base/limits.h"
#include "base/terminal.h"
#include "cli/benchmark_output.h"
#include "cli/command.h"
#include "cli/engine_flags.h"
#include "hub/default_model.h"
#include "models/model.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, compare;
    engine::BenchmarkOptions bench;
    bool exact = false, panel_cache = false;
};

// What loading took, and from what.
struct Loaded {
    std::shared_ptr<const models::Model> model;
    double seconds = 0;
};

Result<Loaded> load(const fs::path& path, const Options& options, ThreadPool& pool) {
    const auto timed = [&]() -> Result<Loaded> {
        const auto start = std::chrono::steady_clock::now();
        HEARTH_TRY(auto model,
                   models::load_model(path, pool,
                                      {.need_tokenizer = false, .use_kept_panels = options.panel_cache}));
        return Loaded{std::move(model),
                      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
    };
    HEARTH_TRY(Loaded loaded, timed());
    if (!options.panel_cache || loaded.model->kept.size() > 0) return loaded;
    HEARTH_TRY(const models::Kept kept,
               models::keep_panels(loaded.model->checkpoint, loaded.model->matrices(), {.bytes_min = 0}));
    if (kept != models::Kept::written) return loaded;
    loaded.model.reset();
    return timed();
}

Result<int> run(const Options& options, const GlobalOptions& global) {
    Json earlier;
    if (!options.compare.empty()) {  // read first: a wrong name should not cost a benchmark
        HEARTH_TRY(const std::string text, read_text(options.compare, kTextFileBytesMax));
        HEARTH_TRY(earlier, parse_json(text, options.compare));
    }
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const Loaded loaded, load(path, options, pool));
    const auto& model = loaded.model;
    engine::EngineOptions open = engine::benchmark_engine_options(*model, options.bench);
    open.threads = global.threads;
    open.exact = options.exact;
    HEARTH_TRY(const auto engine, engine::Engine::open(model, open));
    HEARTH_TRY(const engine::Benchmark b, engine::benchmark(*engine, options.bench));
    Json json = benchmark_json(b, model->name, engine->kernels_name());
    const bool kept = model->kept.size() > 0;
    json.get_object()["load"] = {{"seconds", loaded.seconds}, {"kept_panels", kept}};
    std::string text =
        fmt::format("{}, {} kernels, loaded in {}{}\n\n{}", model->name, engine->kernels_name(),
                    seconds_text(loaded.seconds), kept ? " from kept panels" : "", benchmark_text(b));
    if (!options.compare.empty()) {
        HEARTH_TRY(const auto comparisons, compare(b, earlier, options.compare));
        json.get_object()["compare"] = comparison_json(comparisons);
        text += fmt::format("\nBeside {}:\n\n{}", options.compare, comparison_text(comparisons));
    }
    HEARTH_TRY_STATUS(global.json ? print_json(json) : print(text));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    const auto list = [&](const char* flag, std::vector<int>& values, const char* help, int min, int max) {
        app.add_option(flag, values, help)
            ->delimiter(',')
            ->check(CLI::Range(min, max))
            ->capture_default_str();
    };
    app.add_option("MODEL", options->model, "a model folder or a .gguf file (default: ember)");
    list("--prompt", options->bench.prompts, "tokens of the prompt; several with commas", 1, 1 << 20);
    list("--depth", options->bench.depths, "tokens that sequences hold before they decode", 0, 1 << 20);
    list("--batch", options->bench.batches, "sequences decoded together", 1, 4096);
    app.add_option("--decode", options->bench.decode_tokens, "tokens decoded in one run")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--repeats", options->bench.repeats, "runs; the median counts")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    app.add_option("--chunk", options->bench.chunk_tokens, "prompt tokens evaluated together")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    add_engine_flags(app, options->exact, options->bench.kv);
    app.add_flag("--panel-cache", options->panel_cache,
                 "load packed weights kept beside the model; where there are none, keep them first");
    app.add_option("--compare", options->compare, "the --json of an earlier run");
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kBench = {
    "bench", "prefill and decode speed, and their share of this machine's measured ceilings", setup};

}  // namespace hearth::cli
