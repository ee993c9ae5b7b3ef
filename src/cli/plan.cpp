// cli/plan.cpp - hearth plan MODEL: will it fit, how fast could it be, at what context; here, or on named
// devices.
#include <algorithm>
#include <boost/json.hpp>

#include "base/machine.h"
#include "cli/command.h"
#include "cli/engine_flags.h"
#include "engine/measure.h"
#include "hub/default_model.h"
#include "plan/fit.h"
#include "plan/outlook.h"
#include "plan/score.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, on, type, score, calibrate;
    std::int64_t context = 0;
    int sequences = 1;
    std::optional<kernels::KvType> kv;
    double memory_gb = 0, memory_speed = 60, disk_speed = 0;
    bool tensor_parallel = false;
};

// On devices of the table: from the model's headers or config, no weights read.
Result<int> run_elsewhere(const Options& options, const GlobalOptions& global) {
    plan::OutlookRequest request;
    std::error_code error;
    const bool named = !options.model.empty() && options.model != "ember";
    std::string model = options.model;
    if (!named && !fs::exists(model, error)) {
        HEARTH_TRY(const fs::path ember, hub::default_model());
        model = ember.string();
    }
    HEARTH_TRY(request.shape, plan::find_shape(model));
    HEARTH_TRY(request.devices, plan::parse_devices(options.on));
    if (!options.type.empty()) {
        HEARTH_TRY(request.type, plan::find_weight_type(options.type));
    }
    request.use = {.context = options.context,
                   .sequences = options.sequences,
                   .kv = options.kv.value_or(kernels::kKvBf16)};
    request.host_bytes = options.memory_gb * 1e9;
    request.host_read_bytes_per_second = options.memory_speed * 1e9;
    request.disk_read_bytes_per_second = options.disk_speed * 1e9;
    request.tensor_parallel = options.tensor_parallel;
    HEARTH_TRY(const plan::Outlook outlook, plan::outlook(request));
    HEARTH_TRY_STATUS(global.json ? print_json(plan::outlook_json(outlook))
                                  : print(plan::outlook_text(outlook)));
    return 0;
}

// Here: measured ceilings, and the sums of the program that would run.
Result<int> run_here(const Options& options, const GlobalOptions& global) {
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const models::Checkpoint checkpoint, models::Checkpoint::open(path));
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const engine::Ceilings ceilings, engine::measure_ceilings(pool));
    plan::FitInputs inputs{
        .context = options.context,
        .sequences = options.sequences,
        .kv = options.kv.value_or(kernels::kKvBf16),
        .memory_bytes = read_machine().memory_available_bytes,
        .read_bytes_per_second = ceilings.read_bytes_per_second,
        .flops_per_second = std::max(ceilings.flops_per_second, ceilings.int8_ops_per_second)};
    if (!options.calibrate.empty()) HEARTH_TRY_STATUS(plan::read_local_run(options.calibrate, inputs));
    HEARTH_TRY(const plan::Fit fit, plan::fit(checkpoint, inputs));
    if (global.json) {
        HEARTH_TRY_STATUS(print_json(plan::fit_json(fit)));
    } else {
        HEARTH_TRY_STATUS(
            print(plan::fit_text(fit) + fmt::format("\nCeilings measured now: {:.1f} GB/s, {:.0f} GFLOP/s. "
                                                    "`hearth bench` says what is reached.\n",
                                                    ceilings.read_bytes_per_second / 1e9,
                                                    inputs.flops_per_second / 1e9)));
    }
    return 0;
}

Result<int> run(const Options& options, const GlobalOptions& global) {
    if (options.score.empty())
        return options.on.empty() ? run_here(options, global) : run_elsewhere(options, global);
    HEARTH_TRY(const plan::Score score, plan::score_file(options.score));
    HEARTH_TRY_STATUS(global.json ? print_json(plan::score_json(score)) : print(plan::score_text(score)));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model,
                   "a model folder, a .gguf file, with --on also a config.json or a name as Llama-3.3-70B "
                   "(default: ember)");
    app.add_option("--on", options->on,
                   "devices of the table, as \"RTX 5090\" or \"4x MI100\" (default: here)");
    app.add_option("--type", options->type,
                   "weights as nvfp4, q4_k_m, iq4_xs, bf16, ... (default: as stored)");
    app.add_option("--context", options->context, "tokens a sequence may reach (default: the model's)")
        ->check(CLI::Range(1, 1 << 26));
    app.add_option("--sequences", options->sequences, "sequences at once")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    add_kv_flag(app, options->kv);
    app.add_option("--memory", options->memory_gb, "GB beside the devices; all there is for a CPU");
    app.add_option("--memory-speed", options->memory_speed, "GB/s that it reads")->capture_default_str();
    app.add_option("--disk", options->disk_speed, "GB/s that a disk reads: experts may be streamed from it");
    app.add_flag("--tensor-parallel", options->tensor_parallel, "split each layer over the devices");
    app.add_option("--calibrate", options->calibrate,
                   "the --json of `hearth bench` on another model here: expected speeds beside the ceilings");
    app.add_option("--score", options->score,
                   "predict every row of a file of measured points; print the errors");
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kPlan = {"plan", "will it fit here or on named devices, how fast, at what context", setup};

}  // namespace hearth::cli
