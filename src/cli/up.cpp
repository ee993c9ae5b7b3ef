// cli/up.cpp - hearth up MODEL and hearth demo: the main job, step by step, each leaving a record for the
// next.
#include <boost/json.hpp>
#include <optional>

#include "audit/audit.h"
#include "audit/engine_subject.h"
#include "base/machine.h"
#include "base/terminal.h"
#include "cli/benchmark_output.h"
#include "cli/command.h"
#include "cli/quantizing.h"
#include "cli/serving.h"
#include "engine/benchmark.h"
#include "hub/default_model.h"
#include "models/chat.h"
#include "plan/cost.h"
#include "plan/fit.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, out, cost_file, tasks, text;
    std::int64_t limit = 0;
    ServeOptions serve;
};

// What the steps share. Each step leaves a file of its own under the run folder, whole or absent.
struct Job {
    Options options;
    GlobalOptions global;
    std::string command;
    fs::path source, run, quantized;
    std::shared_ptr<const models::Model> quantized_model;  // once some step has run it
    boost::json::object record;                            // up.json: one member a step
    std::optional<audit::RunFolder> audit_folder;
    std::optional<audit::Report> report;  // written last, with the speeds and costs that later steps add

    [[nodiscard]] Status say(const std::string& text) const { return global.json ? Status() : print(text); }
    [[nodiscard]] Status heading(int step, std::string_view what) const {
        return say("\n" + tinted(fmt::format("{}. {}", step, what), Tint::bold) + "\n\n");
    }
    Status keep(const char* step, Json value) {
        HEARTH_TRY_STATUS(write_whole(run / (std::string(step) + ".json"), to_json(value, 2) + "\n"));
        record[step] = std::move(value);
        return {};
    }
};

Status plan_step(Job& job) {
    HEARTH_TRY_STATUS(job.heading(1, "Plan: will it fit here, how fast could it be"));
    HEARTH_TRY(const models::Checkpoint checkpoint, models::Checkpoint::open(job.source));
    ThreadPool pool({.threads = job.global.threads});
    HEARTH_TRY(const engine::Ceilings ceilings, engine::measure_ceilings(pool));
    HEARTH_TRY(const plan::Fit fit,
               plan::fit(checkpoint, {.memory_bytes = read_machine().memory_available_bytes,
                                      .read_bytes_per_second = ceilings.read_bytes_per_second,
                                      .flops_per_second = ceilings.flops_per_second}));
    HEARTH_TRY_STATUS(job.say(plan::fit_text(fit)));
    HEARTH_TRY_STATUS(job.keep("plan", plan::fit_json(fit)));
    // The audit holds the source and the quantized model side by side.
    std::uint64_t both = 0;
    for (const plan::FitRow& row : fit.rows) both += row.weight_bytes;
    if (both > fit.inputs.memory_bytes)
        return fail(Fault::no_memory,
                    "{}: the source and the quantized model need {} together, and {} are available",
                    job.source.string(), bytes_text(static_cast<double>(both)),
                    bytes_text(static_cast<double>(fit.inputs.memory_bytes)));
    return {};
}

Status quantize_step(Job& job) {
    HEARTH_TRY_STATUS(job.heading(2, "Quantize: linears to NVFP4, 4.5 bits a weight"));
    compress::Options request;
    request.source = job.source;
    request.target = job.quantized;
    request.threads = job.global.threads;
    HEARTH_TRY(const compress::Report report, quantize_with_progress(std::move(request)));
    const double ratio = static_cast<double>(report.bytes_before) / static_cast<double>(report.bytes_after);
    HEARTH_TRY_STATUS(job.say(fmt::format(
        "{} -> {}: {:.2f} times smaller, {:.2f} bits a weight in all, {:.2f} in what was quantized, in {}\n",
        bytes_text(static_cast<double>(report.bytes_before)),
        bytes_text(static_cast<double>(report.bytes_after)), ratio, report.bits_per_weight(),
        report.bits_per_quantized_weight(), seconds_text(report.seconds))));
    return job.keep("quantize", compress::to_json_value(report));
}

// An engine over the model at `path`, with the threads of the command. The quantized model is loaded once for
// all steps that run it; the source, which the audit alone needs, goes with the audit.
Result<std::unique_ptr<engine::Engine>> open_engine(Job& job, const fs::path& path,
                                                    engine::EngineOptions options) {
    options.threads = job.global.threads;
    std::shared_ptr<const models::Model> model = path == job.quantized ? job.quantized_model : nullptr;
    if (!model) {
        ThreadPool pool({.threads = options.threads});
        HEARTH_TRY(model, models::load_model(path, pool));
        if (path == job.quantized) job.quantized_model = model;
    }
    return engine::Engine::open(std::move(model), options);
}

Status audit_step(Job& job) {
    HEARTH_TRY_STATUS(job.heading(3, "Audit: the quantized model against its source"));
    const auto subject = [&](const fs::path& path) -> Result<std::unique_ptr<audit::Subject>> {
        HEARTH_TRY(auto engine, open_engine(job, path, {.exact = true}));
        return audit::make_subject(std::move(engine), path.filename().string());
    };
    HEARTH_TRY(const auto base, subject(job.source));
    HEARTH_TRY(const auto variant, subject(job.quantized));
    HEARTH_TRY(audit::RunFolder folder, audit::RunFolder::create(job.run / "audit", "audit"));
    audit::AuditOptions options;
    options.tasks = job.options.tasks;
    options.text = job.options.text;
    options.limit = job.options.limit;
    options.command = job.command;
    options.version = HEARTH_VERSION;
    const audit::StageStart stage = [](const audit::Stage& s) {
        auto bar = std::make_shared<Progress>(s.title, s.total, s.unit);
        return [bar](std::uint64_t by) { bar->advance(by); };
    };
    HEARTH_TRY(audit::Report report, audit::run_audit(*base, variant.get(), options, folder, stage));
    HEARTH_TRY_STATUS(job.say(audit::report_text(report)));
    job.record["audit"] = {{"report", (folder.path() / "report.json").string()},
                           {"page", (folder.path() / "report.html").string()},
                           {"summary", audit::summary_sentence(report)}};
    job.report = std::move(report);
    job.audit_folder = std::move(folder);
    return {};
}

// Measured on the quantized model; the cost step reads the record.
Status bench_step(Job& job) {
    HEARTH_TRY_STATUS(job.heading(4, "Measure: tokens per second of the quantized model"));
    HEARTH_TRY(const auto engine, open_engine(job, job.quantized, {.batch_max = 1}));
    HEARTH_TRY(const engine::Benchmark bench, engine::benchmark(*engine, {}));
    HEARTH_TRY_STATUS(job.say(benchmark_text(bench)));
    const std::string name = job.quantized.filename().string();
    job.report->speeds = {
        {name, fmt::format("prefill {:.0f} tokens/s ({:.0f} % of the measured {} rate)",
                           bench.prefill().tokens_per_second, 100 * bench.prefill().share_of_operations,
                           bench.arithmetic)},
        {name, fmt::format("decode {:.0f} tokens/s ({:.1f} GB/s; memory reads {:.1f} GB/s here)",
                           bench.decode().tokens_per_second, bench.decode().bytes_per_second / 1e9,
                           bench.ceilings.read_bytes_per_second / 1e9)}};
    return job.keep("bench", benchmark_json(bench, engine->model().name, engine->kernels_name()));
}

// An example, and called one: people have other machines, tariffs and uses. `--cost FILE` brings theirs.
plan::CostInputs example_inputs() {
    plan::CostInputs in;
    in.currency = "USD";
    in.hardware.price = 900;
    in.hardware.months = 48;
    in.power.load_watts = 45;
    in.power.idle_watts = 5;
    in.power.price_per_kwh = 0.30;
    in.use.utilisation = 0.25;
    in.use.input_per_output = 5;
    in.api.name = "a small hosted model";
    in.api.input_per_million = 0.05;
    in.api.output_per_million = 0.20;
    return in;
}

Status cost_step(Job& job) {
    HEARTH_TRY_STATUS(job.heading(5, "Cost: what a million tokens costs here, against an API"));
    plan::CostInputs inputs = example_inputs();
    const bool example = job.options.cost_file.empty();
    if (!example) {
        inputs = {};
        HEARTH_TRY_STATUS(plan::read_cost_file(job.options.cost_file, inputs));
    }
    HEARTH_TRY_STATUS(plan::read_measured_speed(job.run / "bench.json", inputs));
    HEARTH_TRY(const plan::CostReport report, plan::cost(inputs));
    const std::string note =
        example
            ? fmt::format(
                  "Example inputs: a laptop for {:.0f} {} over {:.0f} months, {:.0f} W at work, "
                  "{:.2f} {} per kWh, {:.0f} % busy. Bring yours with --cost FILE.",
                  *inputs.hardware.price, inputs.currency, *inputs.hardware.months, *inputs.power.load_watts,
                  *inputs.power.price_per_kwh, inputs.currency, 100 * *inputs.use.utilisation)
            : "Inputs: " + job.options.cost_file;
    job.report->costs = {{"against the API", plan::cost_line(report)}, {"inputs", note}};
    HEARTH_TRY_STATUS(job.say(plan::cost_line(report) + "\n" + tinted(note, Tint::dim) + "\n"));
    return job.keep("cost", plan::cost_json(report));
}

// One question instead of a server: the demo's last step.
Status answer_step(Job& job) {
    HEARTH_TRY_STATUS(job.heading(6, "Ask it"));
    HEARTH_TRY(const auto engine, open_engine(job, job.quantized, {.batch_max = 1}));
    const std::string question = "Sort these words by the alphabet: tulip, ladder, timber, lemon, grove";
    engine::Request request;
    HEARTH_TRY(request.prompt, models::encode_chat(engine->model(),
                                                   {{"messages", {{{"role", "user"}, {"content", question}}}},
                                                    {"add_generation_prompt", true}}));
    HEARTH_TRY(const auto answers, engine->generate({std::move(request)}));
    job.record["question"] = question;
    job.record["answer"] = answers.front().text;
    return job.say(fmt::format("> {}\n{}\n", question, answers.front().text));
}

Status prepare(Job& job, const char* what) {
    HEARTH_TRY(const fs::path source, hub::find_model(job.options.model));
    std::error_code error;
    job.source = fs::canonical(source, error);
    if (error) return fail(io_error(source, "cannot resolve", error.value()));
    // Ember's own benches serve ember; another model brings its tasks, and is compared on ember's stories
    // without.
    HEARTH_TRY(const fs::path ember, hub::default_model());
    if (job.options.text.empty()) job.options.text = (ember / "bench" / "stories.txt").string();
    if (job.options.tasks.empty() && job.source == fs::canonical(ember, error))
        job.options.tasks = (ember / "bench").string();
    const std::string name = job.source.stem().string();
    job.run = job.options.out.empty()
                  ? fs::path("runs") / fmt::format("{}-{}-{}", audit::utc_now(), what, name)
                  : fs::path(job.options.out);
    if (fs::exists(job.run / "up.json", error))
        return fail(Fault::usage, "{}: holds a finished run already; name another folder", job.run.string());
    fs::create_directories(job.run, error);
    if (error) return fail(io_error(job.run, "cannot create the folder", error.value()));
    job.quantized = job.run / (name + "-NVFP4");
    return {};
}

Result<int> run(Options options, const GlobalOptions& global, bool demo) {
    Job job;
    job.options = std::move(options);
    job.global = global;
    job.command = demo ? "hearth demo" : "hearth up";
    if (!job.options.model.empty()) job.command += " " + job.options.model;
    HEARTH_TRY_STATUS(prepare(job, demo ? "demo" : "up"));
    for (const auto step : {plan_step, quantize_step, audit_step, bench_step, cost_step})
        HEARTH_TRY_STATUS(step(job));
    HEARTH_TRY_STATUS(audit::write_report(*job.audit_folder, *job.report));
    if (demo) HEARTH_TRY_STATUS(answer_step(job));
    const std::string page = (job.run / "audit" / "report.html").string();
    job.record["model"] = job.quantized.string();
    HEARTH_TRY_STATUS(write_whole(job.run / "up.json", to_json(job.record, 2) + "\n"));
    HEARTH_TRY_STATUS(job.say(fmt::format("\nReport:       {}\nRaw records:  {}\nModel:        {}\n", page,
                                          (job.run / "audit").string(), job.quantized.string())));
    if (global.json) HEARTH_TRY_STATUS(print_json(job.record));
    if (demo) return 0;
    job.quantized_model.reset();  // the server loads its own
    HEARTH_TRY_STATUS(job.heading(6, "Serve"));
    job.options.serve.model = job.quantized.string();
    return serve(job.options.serve, global);
}

void add_flags(CLI::App& app, Options& options) {
    app.add_option("--out", options.out, "run folder (default: runs/<time>-<command>-<model>)");
    app.add_option("--cost", options.cost_file,
                   "cost inputs as TOML, as examples/cost.toml (default: an example)");
    app.add_option("--limit", options.limit, "items a task and documents, for a quick look")
        ->check(CLI::PositiveNumber);
}

Action setup_up(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model, "a model folder (default: ember)");
    app.add_option("--tasks", options->tasks, "JSON Lines tasks for the audit (default: ember's, for ember)");
    app.add_option("--text", options->text,
                   "a text for perplexity and divergence (default: ember's stories)");
    add_flags(app, *options);
    add_serve_flags(app, options->serve);
    return [options, &global] { return run(*options, global, false); };
}

Action setup_demo(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    add_flags(app, *options);
    return [options, &global] { return run(*options, global, true); };
}

}  // namespace

const Command kUp = {"up", "the whole main job: plan, quantize, measure, cost, audit, serve", setup_up};
const Command kDemo = {"demo", "the main job on the embedded model, ending with an answered question",
                       setup_demo};

}  // namespace hearth::cli
