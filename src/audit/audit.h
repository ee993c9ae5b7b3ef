// audit/audit.h - the audit itself: puts texts and tasks to one model or two, records every answer, reports.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "audit/records.h"
#include "audit/report.h"
#include "base/result.h"

namespace hearth::audit {

struct AuditOptions {
    std::filesystem::path tasks;  // a folder or one .jsonl file; empty: none
    std::filesystem::path text;   // a text file; empty: none
    Parting parting = Parting::paragraphs;
    std::int64_t window_tokens = 512;
    std::int64_t limit = 0;  // items a task and documents; 0: all
    std::uint64_t seed = kSeedDefault;
    double margin = 0.03;
    std::string command, version;  // for the report
};

// Called as the work goes on: the stage ("arith", "text"), how much of what is done.
struct Stage {
    std::string title, unit;
    std::uint64_t total = 0;
};
using StageStart = std::function<std::function<void(std::uint64_t)>(const Stage&)>;

// Runs what `options` names on `base` and, if given, `variant`; writes the records into `run`. The report is
// complete but for its speeds and costs. Errors: usage (neither tasks nor text), those of the parts.
Result<Report> run_audit(Subject& base, Subject* variant, const AuditOptions& options, RunFolder& run,
                         const StageStart& stage);

// report.json and report.html, last: a folder with a report.json is a finished run.
Status write_report(RunFolder& run, const Report& report);

}  // namespace hearth::audit
