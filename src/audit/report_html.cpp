// audit/report_html.cpp - the report as one file that needs nothing else: no script, no font, no address.
#include "audit/plot.h"
#include "audit/report.h"
#include "audit/report_style.h"
#include "base/terminal.h"

namespace hearth::audit {
namespace {

std::string_view verdict_class(Verdict verdict) {
    static constexpr std::string_view kNames[] = {"worse", "better", "same", "few"};
    return kNames[static_cast<std::size_t>(verdict)];
}

double share(std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

// Numbers as print has them: a true minus, and powers of ten in place of "e-07".
std::string typeset(std::string_view number) {
    static constexpr std::string_view kRaised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    std::string out;
    for (std::size_t i = 0; i < number.size(); ++i) {
        const char c = number[i], next = i + 1 < number.size() ? number[i + 1] : ' ';
        if (c == 'e' && (next == '-' || next == '+') && i > 0 && number[i - 1] >= '0' &&
            number[i - 1] <= '9') {
            out += next == '-' ? " × 10⁻" : " × 10";
            i += 2;
            if (i + 1 < number.size() && number[i] == '0') ++i;
            for (; i < number.size() && number[i] >= '0' && number[i] <= '9'; ++i)
                out += kRaised[static_cast<std::size_t>(number[i] - '0')];
            --i;
        } else if (c == '-' && next >= '0' && next <= '9') {
            out += "−";
        } else {
            out += c;
        }
    }
    return out;
}

std::string number_cell(std::string_view value, std::string_view interval = {}) {
    const std::string small =
        interval.empty() ? "" : fmt::format("<span class=\"ci\">{}</span>", typeset(escaped(interval)));
    return fmt::format("<td class=\"num\">{}{}</td>", typeset(escaped(value)), small);
}

std::string section(std::string_view title, std::string_view why) {
    return fmt::format("<h2>{}</h2>\n<p class=\"why\">{}</p>\n", title, why);
}

std::string figure(std::string_view label, std::string_view value, std::string_view note) {
    return fmt::format("<div class=\"figure\"><span>{}</span><b>{}</b><span>{}</span></div>\n",
                       escaped(label), typeset(escaped(value)), typeset(escaped(note)));
}

std::string head(const Report& r) {
    const std::string title = r.variant ? r.base.name + " and " + r.variant->name : r.base.name;
    std::string out =
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    out += fmt::format("<title>{}: {}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n", escaped(r.what),
                       escaped(title), kReportStyle);
    out +=
        fmt::format("<div class=\"kicker\">Hearth {}</div>\n<h1>{}", escaped(r.what), escaped(r.base.name));
    if (r.variant) out += fmt::format(" <span class=\"arrow\">→</span> {}", escaped(r.variant->name));
    return out + fmt::format("</h1>\n<p class=\"lead\">{}</p>\n", typeset(escaped(summary_sentence(r))));
}

std::string figures(const Report& r) {
    std::string out;
    if (r.all_tasks && r.variant)
        out += figure("accuracy, all tasks", points_text(r.all_tasks->difference) + " points",
                      interval_text(r.all_tasks->difference_interval, 100, 1) + ", " +
                          count_text(r.all_tasks->n) + " items");
    else if (r.all_tasks)
        out += figure(
            "accuracy, all tasks", percent_text(share(r.all_tasks->right_base, r.all_tasks->n)) + " %",
            interval_text(r.all_tasks->interval_base, 100, 1) + ", " + count_text(r.all_tasks->n) + " items");
    if (r.text && r.text->divergence)
        out += figure("mean KL divergence", number_text(r.text->divergence->mean.value, 3),
                      fmt::format("nats, [{}, {}]", number_text(r.text->divergence->mean.interval.low, 3),
                                  number_text(r.text->divergence->mean.interval.high, 3)));
    if (r.text && r.text->perplexity_ratio)
        out += figure("perplexity ratio", fmt::format("{:.4f}", r.text->perplexity_ratio->value),
                      interval_text(r.text->perplexity_ratio->interval, 1, 4));
    else if (r.text)
        out += figure("perplexity", fmt::format("{:.4f}", r.text->perplexity_base.value),
                      interval_text(r.text->perplexity_base.interval, 1, 4));
    if (r.variant && r.base.file_bytes > 0 && r.variant->file_bytes > 0) {
        const auto before = static_cast<double>(r.base.file_bytes),
                   after = static_cast<double>(r.variant->file_bytes);
        const std::string note =
            r.base.file_bytes == r.variant->file_bytes
                ? "as the base"
                : fmt::format("base {}, {:.2f} times that", bytes_text(before), before / after);
        out += figure("size of the weights", bytes_text(after), note);
    }
    return out.empty() ? out : "<div class=\"figures\">\n" + out + "</div>\n";
}

std::string task_row(const Report& r, const TaskRow& t, bool all) {
    std::string out = fmt::format("<tr{}><td>{}</td>", all ? " class=\"all\"" : "", escaped(t.name));
    out += number_cell(count_text(t.n));
    out += number_cell(percent_text(share(t.right_base, t.n)), interval_text(t.interval_base, 100, 1));
    if (r.variant) {
        out +=
            number_cell(percent_text(share(t.right_variant, t.n)), interval_text(t.interval_variant, 100, 1));
        out += number_cell(points_text(t.difference), interval_text(t.difference_interval, 100, 1));
        out += number_cell(fmt::format("-{} +{}", t.pairs.base_only, t.pairs.variant_only));
        out += number_cell(t.p_corrected < 1e-4 ? "< 0.0001" : number_text(t.p_corrected, 2));
        out += number_cell(fmt::format("{:.1f}", t.detectable * 100));
        out += fmt::format("<td><span class=\"verdict {}\">{}</span></td>", verdict_class(t.verdict),
                           verdict_text(t.verdict));
    } else {
        out += number_cell(t.chance > 0 ? percent_text(t.chance) : "");
        out += number_cell(count_text(t.cut_base));
    }
    return out + "</tr>\n";
}

std::string task_section(const Report& r) {
    if (r.tasks.empty()) return {};
    std::string out;
    if (r.variant) {
        out = section("Tasks", fmt::format("Both models answered the same items. Accuracies carry Wilson "
                                           "intervals, differences Tango's paired score "
                                           "interval, all 95&nbsp;%. Flips are items that only the base (−) "
                                           "or only the variant (+) got right. "
                                           "<i>p</i> is McNemar's exact test after Holm's correction. “No "
                                           "difference seen” means that the whole "
                                           "interval lies within ±{:.3g} points; “shown from” is the "
                                           "smallest difference these items would have revealed.",
                                           r.margin * 100));
        out +=
            "<div class=\"scroll stack\"><table><tr><th>task</th><th class=\"num\">items</th><th "
            "class=\"num\">base, %</th><th class=\"num\">variant, %</th>"
            "<th class=\"num\">difference, points</th><th class=\"num\">flips</th><th "
            "class=\"num\"><i>p</i></th>"
            "<th class=\"num\">shown from</th><th>verdict</th></tr>\n";
    } else {
        out = section(
            "Tasks",
            "Accuracies carry 95&nbsp;% Wilson intervals. “Cut” answers reached the limit of new tokens.");
        out +=
            "<div class=\"scroll stack\"><table><tr><th>task</th><th class=\"num\">items</th><th "
            "class=\"num\">right, %</th>"
            "<th class=\"num\">chance, %</th><th class=\"num\">cut</th></tr>\n";
    }
    for (const TaskRow& t : r.tasks) out += task_row(r, t, false);
    if (r.all_tasks) out += task_row(r, *r.all_tasks, true);
    out += "</table></div>\n";
    if (r.variant) out += difference_plot(r) + "\n";
    return out;
}

std::string safety_section(const Report& r) {
    if (r.safety.empty()) return {};
    std::string out = section("Refusals",
                              "The share of requests that were declined, measured and no more: of forbidden "
                              "ones a safety policy wants "
                              "all, of benign ones none. Wilson and paired score intervals, 95&nbsp;%.");
    out += fmt::format(
        "<div class=\"scroll\"><table><tr><th>set</th><th class=\"num\">items</th><th class=\"num\">{}</th>",
        r.variant ? "base refused, %" : "refused, %");
    if (r.variant)
        out += "<th class=\"num\">variant refused, %</th><th class=\"num\">difference, points</th>";
    out += "</tr>\n";
    for (const SafetyRow& s : r.safety) {
        out += fmt::format("<tr><td>{}, {}</td>", escaped(s.task), escaped(s.label)) +
               number_cell(count_text(s.n));
        out += number_cell(percent_text(share(s.refused_base, s.n)), interval_text(s.interval_base, 100, 1));
        if (r.variant) {
            out += number_cell(percent_text(share(s.refused_variant, s.n)),
                               interval_text(s.interval_variant, 100, 1));
            out += number_cell(points_text(s.difference), interval_text(s.difference_interval, 100, 1));
        }
        out += "</tr>\n";
    }
    return out + "</table></div>\n";
}

std::string text_section(const Report& r) {
    if (!r.text) return {};
    const TextSummary& t = *r.text;
    std::string out = section(
        "Text",
        fmt::format(
            "{} tokens in {} documents ({}). Intervals resample whole {}, {} times, since tokens of one "
            "document are not independent.",
            count_text(t.tokens), count_text(t.documents), escaped(r.text_rule),
            t.clusters_are_windows ? "windows" : "documents", count_text(kBootstrapResamples)));
    out +=
        "<div class=\"scroll\"><table><tr><th>measure</th><th class=\"num\">value</th><th class=\"num\">95 % "
        "interval</th></tr>\n";
    const auto row = [&](std::string_view name, std::string_view value, std::string_view interval) {
        out += fmt::format("<tr><td>{}</td>", escaped(name)) + number_cell(value) + number_cell(interval) +
               "</tr>\n";
    };
    const auto estimate = [&](std::string_view name, const Estimate& e, int digits) {
        row(name, fmt::format("{:.{}f}", e.value, digits), interval_text(e.interval, 1, digits));
    };
    estimate(r.variant ? "perplexity of the base" : "perplexity", t.perplexity_base, 4);
    if (t.perplexity_variant) estimate("perplexity of the variant", *t.perplexity_variant, 4);
    if (t.perplexity_ratio) estimate("ratio, variant to base", *t.perplexity_ratio, 5);
    if (t.divergence) {
        const Divergence& d = *t.divergence;
        row("KL divergence base to variant, mean, nats", number_text(d.mean.value, 4),
            fmt::format("[{}, {}]", number_text(d.mean.interval.low, 3),
                        number_text(d.mean.interval.high, 3)));
        row("median", number_text(d.median, 4), "");
        row("99th percentile", number_text(d.p99, 4), "");
        row(fmt::format("maximum (document {}, token {})", d.max_document + 1, d.max_token + 1),
            number_text(d.max, 4), "");
        row("tokens with divergence of exactly 0", count_text(d.zeros), "");
        row("same most likely token, %", fmt::format("{:.2f}", d.same_top.value * 100),
            interval_text(d.same_top.interval, 100, 2));
    }
    out += "</table></div>\n";
    if (t.divergence) out += divergence_plot(*t.divergence) + "\n";
    return out;
}

std::string key_rows(const std::vector<Line>& lines) {
    std::string out;
    for (const Line& line : lines)
        if (!line.second.empty())
            out +=
                fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", escaped(line.first), escaped(line.second));
    return out;
}

std::string key_section(std::string_view title, std::string_view why, const std::vector<Line>& lines) {
    if (lines.empty()) return {};
    return section(title, why) + "<div class=\"scroll keys\"><table>\n" + key_rows(lines) +
           "</table></div>\n";
}

struct Fact {
    std::string_view name;
    std::string text;
    bool code = false;
};

std::vector<Fact> facts_of(const SubjectFacts& f) {
    const auto bytes = static_cast<double>(f.file_bytes), parameters = static_cast<double>(f.parameters);
    const auto count = [](std::uint64_t n) { return count_text(static_cast<std::int64_t>(n)); };
    return {
        {"model", f.name},
        {"architecture", f.architecture},
        {"format of the weights", f.format},
        {"parameters", f.parameters > 0 ? count(f.parameters) : ""},
        {"size", bytes > 0 ? fmt::format("{} ({} bytes)", bytes_text(bytes), count(f.file_bytes)) : ""},
        {"bits per parameter",
         bytes > 0 && parameters > 0 ? fmt::format("{:.2f}", bytes * 8 / parameters) : ""},
        {"weights", f.weights_hash, true},
        {"tokenizer", f.tokenizer_hash, true},
        {"chat template", f.template_hash, true},
        {"arithmetic", f.kernels},
    };
}

std::string model_section(const Report& r) {
    std::string out = section(
        "Models",
        "Sizes are those of the weight files on disk. Hashes are XXH3, 128 bits, over the files read.");
    out += fmt::format("<div class=\"scroll\"><table><tr><th></th><th>base</th>{}</tr>\n",
                       r.variant ? "<th>variant</th>" : "");
    const std::vector<Fact> base = facts_of(r.base),
                            variant = facts_of(r.variant ? *r.variant : SubjectFacts{});
    const auto cell = [](const Fact& f) {
        const std::string text = escaped(f.text);
        return "<td class=\"plain\">" + (f.code && !text.empty() ? "<code>" + text + "</code>" : text) +
               "</td>";
    };
    for (std::size_t i = 0; i < base.size(); ++i) {
        if (base[i].text.empty() && variant[i].text.empty()) continue;
        out += fmt::format("<tr><td>{}</td>{}{}</tr>\n", base[i].name, cell(base[i]),
                           r.variant ? cell(variant[i]) : "");
    }
    return out + "</table></div>\n";
}

std::string method_section(const Report& r) {
    std::vector<Line> lines = {
        {"command", r.command},
        {"started", r.started},
        {"took", seconds_text(r.seconds)},
        {"machine", r.machine},
        {"program", "hearth " + r.version},
        {"seed", fmt::format("{} (bootstrap, {} resamples)", r.seed, count_text(kBootstrapResamples))}};
    if (r.text) lines.emplace_back("text", r.text_path + ", hash " + r.text_hash);
    for (const TaskRow& t : r.tasks)
        lines.emplace_back("task " + t.name,
                           fmt::format("{}, marked by {}, hash {}", t.path, t.match, t.hash));
    lines.insert(lines.end(), r.measured.begin(), r.measured.end());
    return key_section("How it was measured",
                       "Greedy decoding; perplexity after a single start token; the same bits for any batch, "
                       "chunk size and number "
                       "of threads. The formulas and their sources are in docs/audit.md.",
                       lines);
}

std::string record_section(const Report& r) {
    if (r.records.empty()) return {};
    std::string out = section("Raw records",
                              "Beside this file: one line an item or document, with every answer, token id "
                              "and score, so that each number "
                              "above can be made again.");
    out += "<div class=\"scroll\"><table><tr><th>file</th><th class=\"num\">bytes</th><th>hash</th></tr>\n";
    for (const RecordFile& f : r.records)
        out += fmt::format(
            "<tr><td><a href=\"{0}\"><code>{0}</code></a></td>{1}<td><code>{2}</code></td></tr>\n",
            escaped(f.path), number_cell(count_text(static_cast<std::int64_t>(f.bytes))), escaped(f.hash));
    return out + "</table></div>\n";
}

}  // namespace

std::string report_html(const Report& r) {
    std::string out =
        head(r) + figures(r) + task_section(r) + text_section(r) + safety_section(r) + model_section(r);
    out += key_section("Speed", "Measured on this machine.", r.speeds);
    out += key_section("Cost", "From the measured speed and the prices given.", r.costs);
    out += method_section(r) + record_section(r);
    return out + fmt::format("<footer>Made by hearth {} at {}.</footer>\n</main>\n</body>\n</html>\n",
                             escaped(r.version), escaped(r.started));
}

}  // namespace hearth::audit
