// audit/report_json.cpp - the report as one JSON value, every number at full length; docs/audit.md names the
// members.
#include <boost/json.hpp>

#include "audit/report.h"

namespace hearth::audit {
namespace {

using Object = boost::json::object;
using Array = boost::json::array;

Array interval_json(const Interval& i) { return {i.low, i.high}; }
Object estimate_json(const Estimate& e) {
    return {{"value", e.value}, {"interval", interval_json(e.interval)}};
}

Object facts_json(const SubjectFacts& f) {
    return {{"name", f.name},
            {"architecture", f.architecture},
            {"format", f.format},
            {"parameters", f.parameters},
            {"file_bytes", f.file_bytes},
            {"weights_hash", f.weights_hash},
            {"tokenizer_hash", f.tokenizer_hash},
            {"template_hash", f.template_hash},
            {"kernels", f.kernels}};
}

Object task_json(const TaskRow& t, bool paired) {
    static constexpr const char* kKinds[] = {"generative", "choice", "safety"};
    Object base = {
        {"right", t.right_base}, {"cut", t.cut_base}, {"interval", interval_json(t.interval_base)}};
    Object out = {{"name", t.name}, {"n", t.n}, {"base", std::move(base)}};
    if (!t.path.empty()) {
        out["path"] = t.path;
        out["hash"] = t.hash;
        out["kind"] = kKinds[static_cast<int>(t.kind)];
        out["match"] = t.match;
    }
    if (t.chance > 0) out["chance"] = t.chance;
    if (!paired) return out;
    out["variant"] = Object{
        {"right", t.right_variant}, {"cut", t.cut_variant}, {"interval", interval_json(t.interval_variant)}};
    out["base_only_right"] = t.pairs.base_only;
    out["variant_only_right"] = t.pairs.variant_only;
    out["flips"] = t.pairs.base_only + t.pairs.variant_only;
    out["answers_changed"] = t.answers_changed;
    out["difference"] = t.difference;
    out["difference_interval"] = interval_json(t.difference_interval);
    out["mcnemar_p"] = t.p;
    out["holm_p"] = t.p_corrected;
    out["detectable_difference"] = t.detectable;
    out["verdict"] = verdict_text(t.verdict);
    return out;
}

Object safety_json(const SafetyRow& s, bool paired) {
    Object out = {{"task", s.task}, {"label", s.label}, {"n", s.n}};
    out["base"] = Object{{"refused", s.refused_base}, {"interval", interval_json(s.interval_base)}};
    if (!paired) return out;
    out["variant"] = Object{{"refused", s.refused_variant}, {"interval", interval_json(s.interval_variant)}};
    out["difference"] = s.difference;
    out["difference_interval"] = interval_json(s.difference_interval);
    return out;
}

Object divergence_json(const Divergence& d) {
    Array histogram;
    for (const std::int64_t count : d.histogram) histogram.emplace_back(count);
    return {{"mean", estimate_json(d.mean)},
            {"median", d.median},
            {"p99", d.p99},
            {"max", d.max},
            {"max_at", Object{{"document", d.max_document}, {"token", d.max_token}}},
            {"top1_agreement", estimate_json(d.same_top)},
            {"tokens_zero", d.zeros},
            {"tokens_below_histogram", d.below},
            {"histogram_log10_min", kHistogramLog10Min},
            {"histogram_bins_per_decade", 2},
            {"histogram", std::move(histogram)}};
}

Object text_json(const Report& report) {
    const TextSummary& t = *report.text;
    Object out = {{"path", report.text_path},
                  {"hash", report.text_hash},
                  {"rule", report.text_rule},
                  {"documents", t.documents},
                  {"windows", t.windows},
                  {"tokens", t.tokens},
                  {"clusters", t.clusters_are_windows ? "windows" : "documents"},
                  {"perplexity_base", estimate_json(t.perplexity_base)}};
    if (t.perplexity_variant) out["perplexity_variant"] = estimate_json(*t.perplexity_variant);
    if (t.perplexity_ratio) out["perplexity_ratio"] = estimate_json(*t.perplexity_ratio);
    if (t.divergence) out["kl"] = divergence_json(*t.divergence);
    return out;
}

Array lines_json(const std::vector<Line>& lines) {
    Array out;
    for (const Line& line : lines) out.push_back(Object{{"label", line.first}, {"text", line.second}});
    return out;
}

}  // namespace

Json report_json(const Report& r) {
    const bool paired = r.variant.has_value();
    Object out = {{"what", r.what},
                  {"summary", summary_sentence(r)},
                  {"version", r.version},
                  {"command", r.command},
                  {"started", r.started},
                  {"seconds", r.seconds},
                  {"machine", r.machine},
                  {"seed", r.seed},
                  {"bootstrap_resamples", kBootstrapResamples},
                  {"confidence", kConfidence}};
    if (paired) out["margin"] = r.margin;
    out["base"] = facts_json(r.base);
    if (paired) out["variant"] = facts_json(*r.variant);
    Array tasks, safety, records;
    for (const TaskRow& t : r.tasks) tasks.push_back(task_json(t, paired));
    for (const SafetyRow& s : r.safety) safety.push_back(safety_json(s, paired));
    for (const RecordFile& f : r.records)
        records.push_back(Object{{"path", f.path}, {"xxh3_128", f.hash}, {"bytes", f.bytes}});
    out["tasks"] = std::move(tasks);
    if (r.all_tasks) out["all_tasks"] = task_json(*r.all_tasks, paired);
    out["safety"] = std::move(safety);
    if (r.text) out["text"] = text_json(r);
    out["measured"] = lines_json(r.measured);
    out["speeds"] = lines_json(r.speeds);
    out["costs"] = lines_json(r.costs);
    out["records"] = std::move(records);
    return out;
}

}  // namespace hearth::audit
