// audit/report.h - everything an audit found, as one value; writers turn it into JSON, HTML and terminal
// text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/statistics.h"
#include "audit/subject.h"
#include "audit/tasks.h"
#include "audit/texts.h"
#include "base/json.h"
#include "base/result.h"

namespace hearth::audit {

struct TaskRow {
    std::string name, path, hash;
    TaskKind kind = TaskKind::generative;
    std::string match;
    std::int64_t n = 0, right_base = 0, right_variant = 0;
    Interval interval_base, interval_variant;    // Wilson
    double chance = 0;                           // choice: mean of 1 / choices; 0 else
    std::int64_t cut_base = 0, cut_variant = 0;  // answers that hit new_tokens_max
    // Of two models:
    Pairs pairs;
    std::int64_t answers_changed = 0;  // another text or choice, right or wrong
    double difference = 0, p = 1, p_corrected = 1, detectable = 1;
    Interval difference_interval;  // Tango
    Verdict verdict = Verdict::too_few;
};

struct SafetyRow {
    std::string task, label;  // "forbidden" or "benign"
    std::int64_t n = 0, refused_base = 0, refused_variant = 0;
    Interval interval_base, interval_variant;  // Wilson
    Pairs pairs;                               // refused by one alone
    double difference = 0;
    Interval difference_interval;
};

struct RecordFile {
    std::string path;  // within the run folder
    std::string hash;  // XXH3-128
    std::uint64_t bytes = 0;
};

using Line = std::pair<std::string, std::string>;  // a label and a text

struct Report {
    std::string what;     // "audit" or "eval"
    std::string command;  // as typed
    std::string started;  // 2026-11-23T11:45:00Z
    std::string version;  // of Hearth
    std::string machine;
    double seconds = 0;
    std::uint64_t seed = kSeedDefault;
    double margin = 0;  // of "no difference seen", a share
    SubjectFacts base;
    std::optional<SubjectFacts> variant;
    std::vector<TaskRow> tasks;
    std::optional<TaskRow> all_tasks;  // all items together, when there are two tasks or more
    std::vector<SafetyRow> safety;
    std::optional<TextSummary> text;
    std::string text_path, text_hash, text_rule;
    std::vector<Line> measured;       // more lines for "how it was measured"
    std::vector<Line> speeds, costs;  // given by whoever ran the audit, printed as they are
    std::vector<RecordFile> records;
};

// One sentence on the whole, never stronger than its parts.
std::string summary_sentence(const Report& report);
bool any_worse(const Report& report);

Json report_json(const Report& report);
std::string report_html(const Report& report);
std::string report_text(const Report& report);  // tables for a terminal

// "98.0 %", "+1.2", "[-0.4, 0.4]": shared by the writers, so that every place says the same.
std::string percent_text(double share);
std::string points_text(double difference);  // percentage points, signed
std::string interval_text(const Interval& interval, double scale, int digits);
std::string number_text(double value, int significant);
std::string count_text(std::int64_t value);  // 25,936

}  // namespace hearth::audit
