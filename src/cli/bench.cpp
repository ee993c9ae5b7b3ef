// cli/bench.cpp - hearth bench MODEL: tokens per second, and their share of what this machine can do.
#include <boost/json.hpp>

#include "base/terminal.h"
#include "cli/command.h"
#include "engine/benchmark.h"
#include "hub/default_model.h"
#include "models/model.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model;
    engine::BenchmarkOptions bench;
    int chunk = 256;
};

Json to_json_value(const engine::Benchmark& b, const std::string& model, const std::string& isa) {
    return {{"model", model},
            {"kernels", isa},
            {"threads", b.ceilings.threads},
            {"prompt_tokens", b.prompt_tokens},
            {"decode_tokens", b.decode_tokens},
            {"prefill_tokens_per_second", b.prefill_tokens_per_second},
            {"decode_tokens_per_second", b.decode_tokens_per_second},
            {"weight_bytes_per_token", b.weight_bytes_per_token},
            {"kv_bytes_per_token", b.kv_bytes_per_token},
            {"flops_per_token", b.flops_per_token},
            {"decode_bytes_per_second", b.decode_bytes_per_second},
            {"prefill_flops_per_second", b.prefill_flops_per_second},
            {"ceiling_read_bytes_per_second", b.ceilings.read_bytes_per_second},
            {"ceiling_flops_per_second", b.ceilings.flops_per_second},
            {"decode_share_of_bandwidth", b.decode_share()},
            {"prefill_share_of_flops", b.prefill_share()}};
}

Result<int> run(const Options& options, const GlobalOptions& global) {
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const auto model, models::load_model(path, pool, {.need_tokenizer = false}));
    HEARTH_TRY(const auto engine,
               engine::Engine::open(
                   model, {.threads = global.threads, .batch_max = 1, .chunk_tokens = options.chunk}));
    HEARTH_TRY(const engine::Benchmark b, engine::benchmark(*engine, options.bench));
    if (global.json) {
        HEARTH_TRY_STATUS(print_json(to_json_value(b, model->name, engine->kernels_name())));
        return 0;
    }
    using enum Table::Align;
    Table table({{"phase"},
                 {"tokens", right},
                 {"tokens/s", right},
                 {"reached", right},
                 {"ceiling here", right},
                 {"share", right}});
    table.add({"prefill", fmt::format("{}", b.prompt_tokens),
               fmt::format("{:.0f}", b.prefill_tokens_per_second),
               fmt::format("{:.1f} GFLOP/s", b.prefill_flops_per_second / 1e9),
               fmt::format("{:.1f} GFLOP/s", b.ceilings.flops_per_second / 1e9),
               fmt::format("{:.0f} %", 100 * b.prefill_share())});
    table.add({"decode", fmt::format("{}", b.decode_tokens),
               fmt::format("{:.0f}", b.decode_tokens_per_second),
               fmt::format("{:.1f} GB/s", b.decode_bytes_per_second / 1e9),
               fmt::format("{:.1f} GB/s", b.ceilings.read_bytes_per_second / 1e9),
               fmt::format("{:.0f} %", 100 * b.decode_share())});
    HEARTH_TRY_STATUS(print(fmt::format(
        "{}: {} of weights and {} of KV read per decoded token, {:.3g} FLOP; {} kernels, {} threads\n\n{}",
        model->name, bytes_text(b.weight_bytes_per_token), bytes_text(b.kv_bytes_per_token),
        b.flops_per_token, engine->kernels_name(), b.ceilings.threads, table.text())));
    // A model inside the caches decodes faster than memory reads: the share says so instead of hiding it.
    if (b.decode_share() > 1)
        return print("\nThe weights fit in the processor's caches, so decode is not bound by memory here.\n")
            .map([] { return 0; });
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
