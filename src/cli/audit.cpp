// cli/audit.cpp - hearth audit and hearth eval: what a model is worth, alone or against its source.
#include "audit/audit.h"

#include "audit/engine_subject.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "hub/default_model.h"

namespace hearth::cli {
namespace {

constexpr int kExitWorse = 1;  // with --fail-on-worse; docs/exit-codes.md

struct Flags {
    std::string base, variant, tasks, text, out;
    bool whole = false, fail_on_worse = false;
    int batch = 16, chunk = 256;
    double margin_points = 3;
    audit::AuditOptions options;
};

std::string command_line(const Flags& f, bool paired) {
    std::string out =
        paired ? fmt::format("hearth audit {} {}", f.base, f.variant) : fmt::format("hearth eval {}", f.base);
    if (!f.tasks.empty()) out += " --tasks " + f.tasks;
    if (!f.text.empty()) out += " --text " + f.text + (f.whole ? " --whole-text" : "");
    if (f.options.limit > 0) out += fmt::format(" --limit {}", f.options.limit);
    out += fmt::format(" --window {} --seed {} --batch {} --chunk {}", f.options.window_tokens,
                       f.options.seed, f.batch, f.chunk);
    if (paired) out += fmt::format(" --margin {:g}", f.margin_points);
    return out;
}

// Ember comes with its own benches; they serve every audit that names no material.
Status find_material(Flags& f) {
    if (!f.tasks.empty() || !f.text.empty()) return {};
    HEARTH_TRY(const fs::path ember, hub::default_model());
    f.tasks = (ember / "bench").string();
    f.text = (ember / "bench" / "stories.txt").string();
    return {};
}

Result<int> run(Flags f, const GlobalOptions& global, bool paired) {
    HEARTH_TRY_STATUS(find_material(f));
    f.options.tasks = f.tasks;
    f.options.text = f.text;
    f.options.parting = f.whole ? audit::Parting::whole : audit::Parting::paragraphs;
    f.options.margin = f.margin_points / 100;
    f.options.command = command_line(f, paired);
    f.options.version = HEARTH_VERSION;
    const engine::EngineOptions engine{
        .threads = global.threads, .batch_max = f.batch, .chunk_tokens = f.chunk};
    HEARTH_TRY(const fs::path base_path, hub::find_model(f.base));
    HEARTH_TRY(const auto base, audit::open_subject(base_path, f.base, engine));
    std::unique_ptr<audit::Subject> variant;
    if (paired) {
        HEARTH_TRY(const fs::path path, hub::find_model(f.variant));
        HEARTH_TRY(variant, audit::open_subject(path, f.variant, engine));
    }
    HEARTH_TRY(audit::RunFolder folder, audit::RunFolder::create(f.out, paired ? "audit" : "eval"));
    const audit::StageStart stage = [](const audit::Stage& s) {
        auto bar = std::make_shared<Progress>(s.title, s.total, s.unit);
        return [bar](std::uint64_t by) { bar->advance(by); };
    };
    HEARTH_TRY(const audit::Report report, audit::run_audit(*base, variant.get(), f.options, folder, stage));
    HEARTH_TRY_STATUS(audit::write_report(folder, report));
    const std::string page = (folder.path() / "report.html").string();
    HEARTH_TRY_STATUS(global.json ? print_json(audit::report_json(report))
                                  : print(fmt::format("{}\nReport and raw records: {}\n",
                                                      audit::report_text(report), page)));
    return f.fail_on_worse && audit::any_worse(report) ? kExitWorse : 0;
}

void add_flags(CLI::App& app, Flags& f) {
    app.add_option("--tasks", f.tasks,
                   "a folder of JSON Lines tasks, or one file (with no --text either: ember's)");
    app.add_option("--text", f.text, "a text for perplexity; documents are parted by empty lines");
    app.add_flag("--whole-text", f.whole, "take the text as one document, cut into windows");
    app.add_option("--window", f.options.window_tokens, "tokens of a window; longer documents are cut")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--out", f.out, "run folder (default: runs/<time>-<command>)");
    app.add_option("--seed", f.options.seed, "of the bootstrap")->capture_default_str();
    app.add_option("--limit", f.options.limit, "items a task and documents, for a quick look")
        ->check(CLI::PositiveNumber);
    app.add_option("--batch", f.batch, "sequences decoded together")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--chunk", f.chunk, "prompt tokens evaluated together")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
}

Action setup_audit(CLI::App& app, const GlobalOptions& global) {
    auto f = std::make_shared<Flags>();
    app.add_option("BASE", f->base, "the model to compare with")->required();
    app.add_option("VARIANT", f->variant, "the model in question")->required();
    add_flags(app, *f);
    app.add_option("--margin", f->margin_points, "points within which a difference does not matter")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str();
    app.add_flag("--fail-on-worse", f->fail_on_worse, "exit with code 1 when a verdict is \"worse\"");
    return [f, &global] { return run(*f, global, true); };
}

Action setup_eval(CLI::App& app, const GlobalOptions& global) {
    auto f = std::make_shared<Flags>();
    app.add_option("MODEL", f->base, "a model folder or a .gguf file (default: ember)")->default_str("ember");
    f->base = "ember";
    add_flags(app, *f);
    return [f, &global] { return run(*f, global, false); };
}

}  // namespace

const Command kAudit = {
    "audit", "measure a variant against its base: accuracy, perplexity, divergence, with intervals",
    setup_audit};
const Command kEval = {"eval", "accuracy on JSON Lines tasks, and perplexity of a text, with intervals",
                       setup_eval};

}  // namespace hearth::cli
