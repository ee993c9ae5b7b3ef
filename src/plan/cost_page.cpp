// plan/cost_page.cpp - the study as one HTML page: cumulative costs with their bands, cost by utilisation,
// tornado.
#include <algorithm>
#include <cmath>

#include "base/terminal.h"
#include "plan/cost_report.h"
#include "plan/page.h"

namespace hearth::plan {
namespace {

constexpr double kWidth = 720, kHeight = 300, kLeft = 80, kRight = 20, kTop = 20, kBottom = 40;

// A plot's frame: numbers to places, axes with round ticks.
struct Frame {
    double x0, x1, y0, y1;
    bool log_x = false;
    [[nodiscard]] double x(double v) const {
        const double share = log_x ? std::log(v / x0) / std::log(x1 / x0) : (v - x0) / (x1 - x0);
        return kLeft + share * (kWidth - kLeft - kRight);
    }
    [[nodiscard]] double y(double v) const {
        return kHeight - kBottom - (v - y0) / (y1 - y0) * (kHeight - kTop - kBottom);
    }
    [[nodiscard]] std::string open(std::string_view title) const {
        std::string out = fmt::format(
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
            escaped(title), kWidth, kHeight, escaped(title));
        const double step = std::pow(10, std::floor(std::log10((y1 - y0) / 2)));
        for (double v = std::ceil(y0 / step) * step; v <= y1; v += step * ((y1 - y0) / step > 8 ? 2 : 1))
            out += fmt::format(
                "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>"
                "<text x=\"{}\" y=\"{:.1f}\" class=\"tick\">{:g}</text>",
                kLeft, kWidth - kRight, y(v), y(v), std::fabs(v) < step / 2 ? "zero" : "grid", kLeft - 6,
                y(v) + 4, std::fabs(v) < step / 2 ? 0 : v);
        return out;
    }
};

// One line of sums by month, and the band that nine in ten draws stay in.
std::string curve(const Frame& f, const std::vector<double>& sums, const std::vector<Quantiles>* band,
                  std::string_view kind) {
    std::string out;
    if (band != nullptr && !band->empty()) {
        std::string upper, lower;
        for (std::size_t m = 0; m < band->size(); ++m) {
            const double x = f.x(static_cast<double>(m + 1));
            upper += fmt::format("{:.1f},{:.1f} ", x, f.y((*band)[m].p95));
            lower = fmt::format("{:.1f},{:.1f} ", x, f.y((*band)[m].p5)) + lower;
        }
        out += fmt::format("<polygon class=\"band {}\" points=\"{}{}\"/>", kind, upper, lower);
    }
    std::string line;
    for (std::size_t m = 0; m < sums.size(); ++m)
        line += fmt::format("{:.1f},{:.1f} ", f.x(static_cast<double>(m)), f.y(sums[m]));
    return out + fmt::format("<polyline class=\"line {}\" points=\"{}\"/>", kind, line);
}

std::string cumulative(const CostStudy& study) {
    const auto& months = study.investment.months;
    std::vector<double> own = {study.investment.own_capital}, api = {0};
    for (const MonthFlow& month : months) {
        own.push_back(own.back() + month.local + month.loan);
        api.push_back(api.back() + month.api);
    }
    const MonteCarlo* mc = study.monte_carlo ? &*study.monte_carlo : nullptr;
    double high = std::max({own.back(), api.back(), own.front(), 1.0});
    if (mc != nullptr)
        for (const auto* band : {&mc->cumulative_own, &mc->cumulative_api})
            for (const Quantiles& q : *band) high = std::max(high, q.p95);
    const Frame f{0, static_cast<double>(months.size()), 0, high};
    std::string out = f.open(fmt::format("Paid by month, {}: own hardware and {}",
                                         study.report.inputs.currency, study.report.inputs.api.name));
    out += curve(f, api, mc != nullptr ? &mc->cumulative_api : nullptr, "theirs");
    out += curve(f, own, mc != nullptr ? &mc->cumulative_own : nullptr, "");
    out += fmt::format(
        "<text x=\"{0}\" y=\"{1}\" class=\"label\">own hardware: the solid line; {2}: the dashed "
        "one{3}</text>",
        kLeft + 8, kTop - 8, escaped(study.report.inputs.api.name),
        mc != nullptr ? "; bands: nine draws in ten" : "");
    for (std::size_t m = 0; m <= months.size(); m += 12)
        out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" class=\"under\">{}</text>",
                           f.x(static_cast<double>(m)), kHeight - 14, m);
    return out + "</svg></figure>\n";
}

std::string by_utilisation(const CostStudy& study) {
    const double api = study.report.api_per_million_output;
    const Frame f{0.01, 1, 0, std::max(4 * api, 2 * cost_at_utilisation(study.report, 1)), true};
    std::string out = f.open("Cost per million output tokens with their input, by utilisation");
    std::string line;
    for (int i = 0; i <= 100; ++i) {
        const double share = std::pow(10, -2 + 2.0 * i / 100), own = cost_at_utilisation(study.report, share);
        if (own <= f.y1) line += fmt::format("{:.1f},{:.1f} ", f.x(share), f.y(own));
    }
    out += fmt::format("<polyline class=\"line\" points=\"{}\"/>", line);
    out += fmt::format(
        "<line class=\"api\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text x=\"{}\" "
        "y=\"{:.1f}\" class=\"label\">{}</text>",
        kLeft, kWidth - kRight, f.y(api), f.y(api), kLeft + 8, f.y(api) - 6,
        escaped(study.report.inputs.api.name));
    for (const double share : {0.01, 0.1, 1.0})
        out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" class=\"under\">{:g} %</text>", f.x(share),
                           kHeight - 14, 100 * share);
    return out + "</svg></figure>\n";
}

std::string tornado_plot(const CostStudy& study) {
    if (study.tornado.empty()) return {};
    double low = study.investment.npv, high = low;
    for (const TornadoRow& row : study.tornado) {
        low = std::min({low, row.npv_at_low, row.npv_at_high});
        high = std::max({high, row.npv_at_low, row.npv_at_high});
    }
    const double left = 230, row_height = 26;
    const auto x = [&](double v) {
        return left + (v - low) / std::max(high - low, 1e-9) * (kWidth - left - 70);
    };
    const double height = row_height * static_cast<double>(study.tornado.size()) + 30;
    std::string out = fmt::format(
        "<figure><figcaption>Net present value as one input goes from its 10th to its 90th "
        "percentile</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\">",
        kWidth, height);
    double y = 6;
    for (const TornadoRow& row : study.tornado) {
        const double a = std::min(row.npv_at_low, row.npv_at_high),
                     b = std::max(row.npv_at_low, row.npv_at_high);
        out += fmt::format(
            "<text x=\"{}\" y=\"{:.1f}\" class=\"tick\">{}</text><rect class=\"bar\" x=\"{:.1f}\" "
            "y=\"{:.1f}\" width=\"{:.1f}\" height=\"16\"><title>{:g}: {:.0f}; {:g}: {:.0f}</title></rect>"
            "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"label\">{:.0f}</text>",
            left - 8, y + 13, escaped(row.field), x(a), y, std::max(1.0, x(b) - x(a)), row.at_low,
            row.npv_at_low, row.at_high, row.npv_at_high, x(b) + 4, y + 13, b - a);
        y += row_height;
    }
    out += fmt::format("<line class=\"zero\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\"/>",
                       x(study.investment.npv), y);
    return out + "</svg></figure>\n";
}

}  // namespace

std::string study_html(const CostStudy& study) {
    set_colours(Colours::never);
    const CostReport& r = study.report;
    std::string out = page_head("What tokens cost") + fmt::format("<p>{}</p>\n", escaped(cost_line(r)));
    if (study.monte_carlo)
        out += fmt::format(
            "<p>Net present value: {:.0f} {} (nine in ten of {} draws, seed {}: {:.0f} to {:.0f}); above "
            "zero in {:.1f} %.</p>\n",
            study.monte_carlo->npv.p50, escaped(r.inputs.currency), study.monte_carlo->draws,
            study.monte_carlo->seed, study.monte_carlo->npv.p5, study.monte_carlo->npv.p95,
            100 * study.monte_carlo->pays_off);
    out += cumulative(study) + by_utilisation(study) + tornado_plot(study);
    out += fmt::format("<h2>All numbers</h2><pre>{}</pre></html>\n", escaped(study_text(study)));
    return out;
}

}  // namespace hearth::plan
