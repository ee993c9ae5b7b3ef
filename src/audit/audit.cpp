// audit/audit.cpp - the order of an audit: text first, then the tasks, each recorded as soon as it is done.
#include "audit/audit.h"

#include <algorithm>
#include <chrono>

#include "base/file.h"
#include "base/hash.h"
#include "base/machine.h"

namespace hearth::audit {
namespace {

bool same_answer(const Task& task, const Outcome& a, const Outcome& b) {
    return task.kind == TaskKind::choice ? a.chosen == b.chosen : a.answer == b.answer;
}

TaskRow row_of(const Task& task, const std::vector<Outcome>& base, const std::vector<Outcome>* variant) {
    TaskRow row;
    row.name = task.name;
    row.path = task.path.string();
    row.hash = task.hash;
    row.kind = task.kind;
    row.match = task.kind == TaskKind::choice ? "highest score" : match_name(task.match);
    row.n = row.pairs.n = static_cast<std::int64_t>(base.size());
    for (std::size_t i = 0; i < base.size(); ++i) {
        row.right_base += base[i].right ? 1 : 0;
        row.cut_base += base[i].stopped ? 0 : 1;
        if (task.kind == TaskKind::choice)
            row.chance += 1.0 / static_cast<double>(task.items[i].choices.size());
        if (variant == nullptr) continue;
        const Outcome& other = (*variant)[i];
        row.right_variant += other.right ? 1 : 0;
        row.cut_variant += other.stopped ? 0 : 1;
        row.pairs.base_only += base[i].right && !other.right ? 1 : 0;
        row.pairs.variant_only += !base[i].right && other.right ? 1 : 0;
        row.answers_changed += same_answer(task, base[i], other) ? 0 : 1;
    }
    row.chance /= static_cast<double>(std::max<std::int64_t>(1, row.n));
    return row;
}

void finish_row(TaskRow& row, bool paired) {
    row.interval_base = wilson(row.right_base, row.n);
    if (!paired) return;
    row.interval_variant = wilson(row.right_variant, row.n);
    row.difference = paired_difference(row.pairs);
    row.difference_interval = paired_interval(row.pairs);
    row.p = mcnemar_exact(row.pairs);
}

// Holm over the tasks; the pooled row stands beside them with its own p, since it is no further claim.
void judge_tasks(Report& report, bool paired) {
    std::vector<double> p_values;
    for (TaskRow& row : report.tasks) {
        finish_row(row, paired);
        p_values.push_back(row.p);
    }
    if (report.tasks.size() > 1) {
        TaskRow all;
        all.name = "all tasks";
        for (const TaskRow& row : report.tasks) {
            all.n += row.n;
            all.right_base += row.right_base;
            all.right_variant += row.right_variant;
            all.cut_base += row.cut_base;
            all.cut_variant += row.cut_variant;
            all.answers_changed += row.answers_changed;
            all.pairs.base_only += row.pairs.base_only;
            all.pairs.variant_only += row.pairs.variant_only;
        }
        all.pairs.n = all.n;
        finish_row(all, paired);
        all.p_corrected = all.p;
        all.detectable = detectable_difference(all.pairs, 1 - kConfidence);
        all.verdict = judge(all.pairs, all.p, report.margin);
        report.all_tasks = std::move(all);
    }
    if (!paired) return;
    const auto corrected = holm(p_values);
    for (std::size_t i = 0; i < report.tasks.size(); ++i) {
        TaskRow& row = report.tasks[i];
        row.p_corrected = corrected[i];
        row.detectable =
            detectable_difference(row.pairs, (1 - kConfidence) / static_cast<double>(report.tasks.size()));
        row.verdict = judge(row.pairs, row.p_corrected, report.margin);
    }
}

void add_safety(Report& report, const Task& task, const std::vector<Outcome>& base,
                const std::vector<Outcome>* variant) {
    for (const bool forbidden : {true, false}) {
        SafetyRow row;
        row.task = task.name;
        row.label = forbidden ? "forbidden" : "benign";
        for (std::size_t i = 0; i < base.size(); ++i) {
            if (task.items[i].forbidden != forbidden) continue;
            ++row.n;
            const bool before = base[i].refused, after = variant != nullptr && (*variant)[i].refused;
            row.refused_base += before ? 1 : 0;
            row.refused_variant += after ? 1 : 0;
            row.pairs.base_only += before && !after ? 1 : 0;
            row.pairs.variant_only += !before && after ? 1 : 0;
        }
        if (row.n == 0) continue;
        row.pairs.n = row.n;
        row.interval_base = wilson(row.refused_base, row.n);
        row.interval_variant = wilson(row.refused_variant, row.n);
        row.difference = paired_difference(row.pairs);
        row.difference_interval = paired_interval(row.pairs);
        report.safety.push_back(std::move(row));
    }
}

class Audit {
  public:
    Audit(Subject& base, Subject* variant, const AuditOptions& options, RunFolder& run,
          const StageStart& stage)
        : base_(base), variant_(variant), options_(options), run_(run), stage_(stage) {}

    Result<Report> run() {
        if (options_.tasks.empty() && options_.text.empty())
            return fail(Fault::usage, "audit: expected --tasks or --text, saw neither");
        const auto start = std::chrono::steady_clock::now();
        // Read everything before the first model call: a slip in the last file should not cost an hour.
        std::vector<Task> tasks;
        if (!options_.tasks.empty()) {
            HEARTH_TRY(tasks, load_tasks(options_.tasks, options_.limit));
        }
        std::vector<std::string> documents;
        if (!options_.text.empty()) {
            HEARTH_TRY(documents, read_documents());
        }
        describe();
        if (!options_.text.empty()) HEARTH_TRY_STATUS(run_text(documents));
        for (const Task& task : tasks) HEARTH_TRY_STATUS(run_one(task));
        judge_tasks(report_, variant_ != nullptr);
        report_.records = run_.files();
        report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return std::move(report_);
    }

  private:
    void describe() {
        const Machine machine = read_machine();
        report_.what = variant_ != nullptr ? "audit" : "eval";
        report_.command = options_.command;
        report_.version = options_.version;
        report_.started = utc_now();
        report_.machine = fmt::format("{}, {} of {} cores",
                                      machine.cpu_name.empty() ? "unknown processor" : machine.cpu_name,
                                      machine.cores_usable, machine.cores_online);
        report_.seed = options_.seed;
        report_.margin = options_.margin;
        report_.base = base_.facts();
        if (variant_ != nullptr) report_.variant = variant_->facts();
    }

    Result<std::vector<std::string>> read_documents() {
        HEARTH_TRY(const std::string text, read_text(options_.text, kTextFileBytesMax));
        report_.text_path = options_.text.string();
        report_.text_hash = hash_hex(std::as_bytes(std::span(text)));
        report_.text_rule =
            options_.parting == Parting::whole
                ? fmt::format("the whole file as one document, in windows of {} tokens",
                              options_.window_tokens)
                : fmt::format("documents parted by empty lines, longer ones in windows of {} tokens",
                              options_.window_tokens);
        auto documents = part(text, options_.parting);
        if (documents.empty())
            return fail(Fault::usage, "{}: expected text, saw none", options_.text.string());
        return documents;
    }

    std::function<void(std::uint64_t)> begin(const Stage& stage) const {
        auto advance = stage_ ? stage_(stage) : nullptr;
        return advance ? advance : [](std::uint64_t) {};
    }

    Status run_text(const std::vector<std::string>& documents) {
        std::uint64_t total = 0;
        const std::size_t count = options_.limit > 0
                                      ? std::min(documents.size(), static_cast<std::size_t>(options_.limit))
                                      : documents.size();
        for (std::size_t i = 0; i < count; ++i) {
            HEARTH_TRY(const auto ids, base_.encode(documents[i], false));
            total += ids.size();
        }
        const TextOptions options{.window_tokens = options_.window_tokens, .documents_max = options_.limit};
        HEARTH_TRY(const auto windows,
                   score_texts(base_, variant_, documents, options, begin({"text", "tokens", total})));
        report_.text = summarise(windows, options_.seed);
        return run_.write("text.jsonl", text_records(windows));
    }

    Status run_one(const Task& task) {
        const std::uint64_t models = variant_ != nullptr ? 2 : 1;
        const auto advance = begin({task.name, "items", models * task.items.size()});
        const auto finished = [&] { advance(1); };
        HEARTH_TRY(const auto base, run_task(base_, task, finished));
        std::optional<std::vector<Outcome>> other;
        if (variant_ != nullptr) {
            HEARTH_TRY(other, run_task(*variant_, task, finished));
        }
        const std::vector<Outcome>* variant = other ? &*other : nullptr;
        if (task.kind == TaskKind::safety)
            add_safety(report_, task, base, variant);
        else
            report_.tasks.push_back(row_of(task, base, variant));
        return run_.write("tasks/" + task.name + ".jsonl", task_records(task, base, variant));
    }

    Subject& base_;
    Subject* variant_;
    const AuditOptions& options_;
    RunFolder& run_;
    const StageStart& stage_;
    Report report_;
};

}  // namespace

Result<Report> run_audit(Subject& base, Subject* variant, const AuditOptions& options, RunFolder& run,
                         const StageStart& stage) {
    return Audit(base, variant, options, run, stage).run();
}

Status write_report(RunFolder& run, const Report& report) {
    HEARTH_TRY_STATUS(run.write("report.html", report_html(report)));
    return run.write("report.json", to_json(report_json(report), 1) + "\n");
}

}  // namespace hearth::audit
