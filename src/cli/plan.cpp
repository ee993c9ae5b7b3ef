// cli/plan.cpp - hearth plan MODEL: will it fit here, how fast could it be, at what context.
#include "plan/fit.h"

#include <boost/json.hpp>

#include "base/machine.h"
#include "cli/command.h"
#include "engine/measure.h"
#include "hub/default_model.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model;
    std::int64_t context = 0;
    int sequences = 1;
};

Result<int> run(const Options& options, const GlobalOptions& global) {
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const models::Checkpoint checkpoint, models::Checkpoint::open(path));
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const engine::Ceilings ceilings, engine::measure_ceilings(pool));
    HEARTH_TRY(const plan::Fit fit,
               plan::fit(checkpoint, {.context = options.context,
                                      .sequences = options.sequences,
                                      .memory_bytes = read_machine().memory_available_bytes,
                                      .read_bytes_per_second = ceilings.read_bytes_per_second,
                                      .flops_per_second = ceilings.flops_per_second}));
    if (global.json) {
        HEARTH_TRY_STATUS(print_json(plan::fit_json(fit)));
    } else {
        HEARTH_TRY_STATUS(
            print(plan::fit_text(fit) + fmt::format("\nCeilings measured now: {:.1f} GB/s, {:.0f} GFLOP/s. "
                                                    "`hearth bench` says what is reached.\n",
                                                    ceilings.read_bytes_per_second / 1e9,
                                                    ceilings.flops_per_second / 1e9)));
    }
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model, "a model folder or a .gguf file (default: ember)");
    app.add_option("--context", options->context, "tokens a sequence may reach (default: the model's)")
        ->check(CLI::Range(1, 1 << 26));
    app.add_option("--sequences", options->sequences, "sequences at once")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kPlan = {"plan", "will it fit here, how fast could it be, at what context", setup};

}  // namespace hearth::cli
