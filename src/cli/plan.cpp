// cli/plan.cpp - hearth plan MODEL: will it fit, how fast could it be, at what context; here, or on named
// devices.
#include <algorithm>
#include <boost/json.hpp>

#include "base/file.h"
#include "base/machine.h"
#include "cli/command.h"
#include "cli/engine_flags.h"
#include "engine/measure.h"
#include "hub/default_model.h"
#include "plan/fit.h"
#include "plan/outlook.h"
#include "plan/scenario.h"
#include "plan/score.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, on, type, score, calibrate, html;
    std::int64_t context = 0;
    int sequences = 0;
    std::optional<kernels::KvType> kv;
    plan::HardwareOverrides hardware;
    bool tensor_parallel = false;
};

// What flags say beyond a scenario or the defaults.
Status apply_flags(const Options& options, plan::OutlookRequest& request) {
    if (options.on.ends_with(".toml")) {
        HEARTH_TRY_STATUS(plan::read_cluster(options.on, request));
    } else if (!options.on.empty()) {
        HEARTH_TRY(request.devices, plan::parse_devices(options.on));
    }
    if (!options.type.empty()) {
        HEARTH_TRY(request.type, plan::find_weight_type(options.type));
    }
    if (options.context > 0) request.use.context = options.context;
    if (options.sequences > 0) request.use.sequences = options.sequences;
    if (options.kv) request.use.kv = *options.kv;
    if (options.tensor_parallel) request.tensor_parallel = true;
    plan::override_hardware(options.hardware, request);
    return {};
}

Result<int> print_outlook(const Options& options, const plan::OutlookRequest& request,
                          const GlobalOptions& global) {
    HEARTH_TRY(const plan::Outlook outlook, plan::outlook(request));
    if (!options.html.empty()) HEARTH_TRY_STATUS(write_whole(options.html, plan::outlook_html(outlook)));
    HEARTH_TRY_STATUS(global.json ? print_json(plan::outlook_json(outlook))
                                  : print(plan::outlook_text(outlook)));
    return 0;
}

bool is_ember(const Options& options) { return options.model.empty() || options.model == "ember"; }

Result<plan::ModelShape> shape_of(const Options& options) {
    std::error_code error;
    if (!is_ember(options) || fs::exists(options.model, error)) return plan::find_shape(options.model);
    HEARTH_TRY(const fs::path ember, hub::default_model());
    return plan::find_shape(ember.string());
}

// A question in a file; flags change it.
Result<int> run_scenario(const Options& options, const GlobalOptions& global) {
    HEARTH_TRY(plan::Scenario scenario, plan::read_scenario(options.model));
    HEARTH_TRY_STATUS(apply_flags(options, scenario.request));
    return print_outlook(options, scenario.request, global);
}

// On devices of the table: from the model's headers or config, no weights read.
Result<int> run_elsewhere(const Options& options, const GlobalOptions& global) {
    plan::OutlookRequest request;
    HEARTH_TRY(request.shape, shape_of(options));
    HEARTH_TRY_STATUS(apply_flags(options, request));
    return print_outlook(options, request, global);
}

Result<engine::Ceilings> measured_ceilings(const Options& options, const GlobalOptions& global) {
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(engine::Ceilings ceilings, engine::measure_ceilings(pool));
    if (options.hardware.bandwidth_gbs)
        ceilings.read_bytes_per_second = *options.hardware.bandwidth_gbs * 1e9;
    if (options.hardware.tflops)
        ceilings.flops_per_second = ceilings.int8_ops_per_second = *options.hardware.tflops * 1e12;
    return ceilings;
}

double memory_here(const Options& options) {
    return options.hardware.ram_gb ? *options.hardware.ram_gb * 1e9
                                   : static_cast<double>(read_machine().memory_available_bytes);
}

// A model that is not here, or in another type than its files: on this machine's processor, as a device.
Result<int> run_here_from_config(const Options& options, const GlobalOptions& global) {
    plan::OutlookRequest request;
    HEARTH_TRY(request.shape, shape_of(options));
    HEARTH_TRY(const engine::Ceilings ceilings, measured_ceilings(options, global));
    plan::Device here;
    here.name = "this machine";
    here.kind = "cpu";
    here.read_bytes_per_second = ceilings.read_bytes_per_second;
    here.flops = std::max(ceilings.flops_per_second, ceilings.int8_ops_per_second);
    here.memory_bytes = memory_here(options);
    request.devices = {{here, 1}};
    request.host_bytes = here.memory_bytes;
    HEARTH_TRY_STATUS(apply_flags(options, request));
    return print_outlook(options, request, global);
}

// Here: measured ceilings, and the sums of the program that would run.
Result<int> run_here(const Options& options, const GlobalOptions& global) {
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const models::Checkpoint checkpoint, models::Checkpoint::open(path));
    HEARTH_TRY(const engine::Ceilings ceilings, measured_ceilings(options, global));
    plan::FitInputs inputs{
        .context = options.context,
        .sequences = std::max(options.sequences, 1),
        .kv = options.kv.value_or(kernels::kKvBf16),
        .memory_bytes = static_cast<std::uint64_t>(memory_here(options)),
        .read_bytes_per_second = ceilings.read_bytes_per_second,
        .flops_per_second = std::max(ceilings.flops_per_second, ceilings.int8_ops_per_second)};
    if (!options.calibrate.empty()) {
        HEARTH_TRY(inputs.run, plan::read_local_run(options.calibrate));
    }
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
    if (options.score.empty()) {
        if (options.model.ends_with(".toml")) return run_scenario(options, global);
        if (!options.on.empty()) return run_elsewhere(options, global);
        std::error_code error;
        const bool weights =
            is_ember(options) || (fs::exists(options.model, error) && !options.model.ends_with(".json"));
        // A page shows terms and types, which come from the model's shape.
        return weights && options.type.empty() && options.html.empty()
                   ? run_here(options, global)
                   : run_here_from_config(options, global);
    }
    HEARTH_TRY(const plan::Score score, plan::score_file(options.score));
    HEARTH_TRY_STATUS(global.json ? print_json(plan::score_json(score)) : print(plan::score_text(score)));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model,
                   "a model folder, a .gguf file, a config.json, a name as Llama-3.3-70B, or a scenario "
                   "(.toml) (default: ember)");
    app.add_option(
        "--on", options->on,
        "devices of the table, as \"RTX 5090\" or \"4x MI100\", or a cluster file (.toml) (default: here)");
    app.add_option("--type", options->type,
                   "weights as nvfp4, q4_k_m, iq4_xs, bf16, ... (default: as stored)");
    app.add_option("--context", options->context, "tokens a sequence may reach (default: the model's)")
        ->check(CLI::Range(1, 1 << 26));
    app.add_option("--sequences", options->sequences, "sequences at once (default: 1)")
        ->check(CLI::Range(1, 4096));
    add_kv_flag(app, options->kv);
    const auto known = [&](const char* flag, std::optional<double>& value, const char* help) {
        app.add_option(flag, value, help)->check(CLI::Range(0.0, 1e6));
    };
    plan::HardwareOverrides& hardware = options->hardware;
    known("--vram", hardware.vram_gb, "GB of each device, in place of the table's");
    known("--bandwidth", hardware.bandwidth_gbs, "GB/s that each device (or this machine) reads");
    known("--tflops", hardware.tflops, "FP16 TFLOP/s of each device (or this machine)");
    known("--watts", hardware.load_watts, "of each device, computing");
    known("--ram,--memory", hardware.ram_gb, "GB beside the devices; all there is for a processor");
    known("--ram-bandwidth,--memory-speed", hardware.ram_bandwidth_gbs, "GB/s that it reads (default: 60)");
    known("--disk", hardware.disk_gbs, "GB/s that a disk reads: experts may be streamed from it");
    app.add_flag("--tensor-parallel", options->tensor_parallel, "split each layer over the devices");
    app.add_option("--calibrate", options->calibrate,
                   "the --json of `hearth bench` on another model here: expected speeds beside the ceilings");
    app.add_option("--html", options->html, "write a page with bars of memory and of a step's time");
    app.add_option("--score", options->score,
                   "predict every row of a file of measured points; print the errors");
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kPlan = {"plan", "will it fit here or on named devices, how fast, at what context", setup};

}  // namespace hearth::cli
