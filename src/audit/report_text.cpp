// audit/report_text.cpp - the words that all writers share, and the report for a terminal.
#include <cmath>

#include "audit/report.h"
#include "base/terminal.h"

namespace hearth::audit {
namespace {

Tint tint_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::worse:
            return Tint::red;
        case Verdict::better:
            return Tint::blue;
        case Verdict::no_difference:
            return Tint::green;
        case Verdict::too_few:
            return Tint::yellow;
    }
    return Tint::plain;
}

std::string share_cell(std::int64_t right, std::int64_t n, const Interval& interval) {
    return fmt::format("{}  {}",
                       percent_text(n > 0 ? static_cast<double>(right) / static_cast<double>(n) : 0),
                       interval_text(interval, 100, 1));
}

std::string task_table(const Report& r) {
    using Align = Table::Align;
    std::vector<Table::Column> columns = {
        {"task"}, {"items", Align::right}, {r.variant ? "base %" : "right %", Align::right}};
    if (r.variant)
        for (const char* title : {"variant %", "difference, points", "flips"})
            columns.push_back({title, Align::right});
    if (r.variant) columns.push_back({"verdict"});
    Table table(columns);
    const auto add = [&](const TaskRow& t) {
        std::vector<std::string> cells = {t.name, count_text(t.n),
                                          share_cell(t.right_base, t.n, t.interval_base)};
        if (r.variant) {
            cells.push_back(share_cell(t.right_variant, t.n, t.interval_variant));
            cells.push_back(points_text(t.difference) + "  " + interval_text(t.difference_interval, 100, 1));
            cells.push_back(count_text(t.pairs.base_only + t.pairs.variant_only));
            cells.push_back(tinted(verdict_text(t.verdict), tint_of(t.verdict)));
        }
        table.add(std::move(cells));
    };
    for (const TaskRow& t : r.tasks) add(t);
    if (r.all_tasks) add(*r.all_tasks);
    return table.text();
}

std::string safety_table(const Report& r) {
    using Align = Table::Align;
    std::vector<Table::Column> columns = {
        {"refused"}, {"items", Align::right}, {r.variant ? "base %" : "refused %", Align::right}};
    if (r.variant) columns.push_back({"variant %", Align::right});
    Table table(columns);
    for (const SafetyRow& s : r.safety) {
        std::vector<std::string> cells = {s.task + ", " + s.label, count_text(s.n),
                                          share_cell(s.refused_base, s.n, s.interval_base)};
        if (r.variant) cells.push_back(share_cell(s.refused_variant, s.n, s.interval_variant));
        table.add(std::move(cells));
    }
    return table.text();
}

std::string text_table(const Report& r) {
    const TextSummary& t = *r.text;
    Table table({{"text"}, {"value", Table::Align::right}, {"95 % interval", Table::Align::right}});
    const auto add = [&](const char* name, const Estimate& e, int digits) {
        table.add({name, fmt::format("{:.{}f}", e.value, digits), interval_text(e.interval, 1, digits)});
    };
    add(r.variant ? "perplexity, base" : "perplexity", t.perplexity_base, 4);
    if (t.perplexity_variant) add("perplexity, variant", *t.perplexity_variant, 4);
    if (t.perplexity_ratio) add("perplexity ratio", *t.perplexity_ratio, 5);
    if (t.divergence) {
        const Divergence& d = *t.divergence;
        table.add({"KL mean, nats", number_text(d.mean.value, 4),
                   fmt::format("[{}, {}]", number_text(d.mean.interval.low, 3),
                               number_text(d.mean.interval.high, 3))});
        table.add({"KL median", number_text(d.median, 4), ""});
        table.add({"KL 99th percentile", number_text(d.p99, 4), ""});
        table.add({"KL maximum", number_text(d.max, 4), ""});
        table.add({"same top token", percent_text(d.same_top.value) + " %",
                   interval_text(d.same_top.interval, 100, 2)});
    }
    return table.text();
}

}  // namespace

std::string percent_text(double share) { return fmt::format("{:.1f}", share * 100); }
std::string points_text(double difference) {
    const double points = std::round(difference * 1000) / 10;
    return points == 0 ? "0.0" : fmt::format("{:+.1f}", points);
}
std::string interval_text(const Interval& interval, double scale, int digits) {
    const auto edge = [&](double v) {
        const std::string text = fmt::format("{:.{}f}", v * scale, digits);
        return text.find_first_not_of("-0.") == std::string::npos && text[0] == '-' ? text.substr(1) : text;
    };
    return fmt::format("[{}, {}]", edge(interval.low), edge(interval.high));
}
std::string number_text(double value, int significant) {
    if (value == 0) return "0";
    const double size = std::fabs(value);
    if (size < 1e-4 || size >= 1e6) return fmt::format("{:.{}e}", value, significant - 1);
    return fmt::format("{:.{}f}", value,
                       std::max(0, significant - 1 - static_cast<int>(std::floor(std::log10(size)))));
}
std::string count_text(std::int64_t value) {
    const std::string digits = fmt::format("{}", value);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const std::size_t left = digits.size() - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') out += ',';
        out += digits[i];
    }
    return out;
}

bool any_worse(const Report& report) {
    for (const TaskRow& t : report.tasks)
        if (t.verdict == Verdict::worse) return report.variant.has_value();
    return report.variant && report.all_tasks && report.all_tasks->verdict == Verdict::worse;
}

std::string summary_sentence(const Report& r) {
    if (!r.variant) {
        if (!r.all_tasks && r.tasks.empty())
            return r.text ? fmt::format("Perplexity {:.4f} over {} tokens.", r.text->perplexity_base.value,
                                        count_text(r.text->tokens))
                          : "Nothing was measured but refusals.";
        const TaskRow& t = r.all_tasks ? *r.all_tasks : r.tasks.front();
        return fmt::format("{} of {} items right ({} %, 95 % interval {}).", count_text(t.right_base),
                           count_text(t.n),
                           percent_text(static_cast<double>(t.right_base) / static_cast<double>(t.n)),
                           interval_text(t.interval_base, 100, 1));
    }
    std::string names[4];
    int counts[4] = {};
    for (const TaskRow& t : r.tasks) {
        const auto v = static_cast<std::size_t>(t.verdict);
        if (counts[v]++ > 0) names[v] += ", ";
        names[v] += t.name;
    }
    const auto worse = static_cast<std::size_t>(Verdict::worse),
               better = static_cast<std::size_t>(Verdict::better),
               same = static_cast<std::size_t>(Verdict::no_difference),
               few = static_cast<std::size_t>(Verdict::too_few);
    std::string out;
    if (counts[worse] > 0) out += fmt::format("Worse on {}. ", names[worse]);
    if (counts[better] > 0) out += fmt::format("Better on {}. ", names[better]);
    if (counts[same] > 0)
        out += fmt::format("No difference of {:.3g} points or more on {} of {} tasks. ", r.margin * 100,
                           counts[same], r.tasks.size());
    if (counts[few] > 0) out += fmt::format("Too few items to tell on {}. ", names[few]);
    if (r.all_tasks)
        out += fmt::format("All tasks together: {} points, 95 % interval {}. ",
                           points_text(r.all_tasks->difference),
                           interval_text(r.all_tasks->difference_interval, 100, 1));
    for (const SafetyRow& row : r.safety)
        if (row.difference_interval.low > 0 || row.difference_interval.high < 0)
            out += fmt::format("Refuses {} of {} {} requests where the base refused {}. ",
                               count_text(row.refused_variant), count_text(row.n), row.label,
                               count_text(row.refused_base));
    if (r.text && r.text->divergence)
        out += fmt::format("Mean KL divergence {} nats, same top token {} %. ",
                           number_text(r.text->divergence->mean.value, 3),
                           percent_text(r.text->divergence->same_top.value));
    if (!out.empty()) out.pop_back();
    return out;
}

std::string report_text(const Report& r) {
    std::string out;
    if (!r.tasks.empty()) out += task_table(r) + "\n";
    if (!r.safety.empty()) out += safety_table(r) + "\n";
    if (r.text) out += text_table(r) + "\n";
    for (const auto* lines : {&r.speeds, &r.costs})
        for (const Line& line : *lines) out += line.first + ": " + line.second + "\n";
    return out + tinted(summary_sentence(r), Tint::bold) + "\n";
}

}  // namespace hearth::audit
