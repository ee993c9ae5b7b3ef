// cli/bench.cpp - hearth bench MODEL: tokens per second, and their share of what this machine can do.
#include "cli/benchmark_output.h"
#include "cli/command.h"
#include "hub/default_model.h"
#include "models/model.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model;
    engine::BenchmarkOptions bench;
    int chunk = 256;
};

Result<int> run(const Options& options, const GlobalOptions& global) {
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const auto model, models::load_model(path, pool, {.need_tokenizer = false}));
    HEARTH_TRY(const auto engine,
               engine::Engine::open(
                   model, {.threads = global.threads, .batch_max = 1, .chunk_tokens = options.chunk}));
    HEARTH_TRY(const engine::Benchmark b, engine::benchmark(*engine, options.bench));
    if (global.json) {
        HEARTH_TRY_STATUS(print_json(benchmark_json(b, model->name, engine->kernels_name())));
        return 0;
    }
    HEARTH_TRY_STATUS(
        print(fmt::format("{}, {} kernels\n\n{}", model->name, engine->kernels_name(), benchmark_text(b))));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model, "a model folder or a .gguf file (default: ember)");
    app.add_option("--prompt", options->bench.prompt_tokens, "tokens of the prompt")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--decode", options->bench.decode_tokens, "tokens decoded one by one")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--repeats", options->bench.repeats, "runs; the median counts")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    app.add_option("--chunk", options->chunk, "prompt tokens evaluated together")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kBench = {
    "bench", "prefill and decode speed, and their share of this machine's measured ceilings", setup};

}  // namespace hearth::cli
