// plan/cost_report.cpp - the study for people and for programs.
#include "plan/cost_report.h"

#include <boost/json.hpp>

#include "base/terminal.h"

namespace hearth::plan {
namespace {

std::string whole(double x) { return fmt::format("{:.0f}", x); }
std::string months_text(const std::optional<double>& months) {
    return months ? fmt::format("{:.2f} months", *months) : "never within the hardware's months";
}
Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }
Json quantiles_json(const Quantiles& q) { return {{"p5", q.p5}, {"p50", q.p50}, {"p95", q.p95}}; }

std::string investment_text(const CostStudy& study) {
    const Investment& i = study.investment;
    const CostInputs& in = study.report.inputs;
    Table table({{"as an investment"}, {"", Table::Align::right}, {""}});
    table.add({"net present value", whole(i.npv),
               fmt::format("{}, {} months at {:g} % a year", in.currency, i.months.size(),
                           100 * in.finance.discount_rate)});
    table.add({"rate of return", i.irr ? fmt::format("{:.1f} %", 100 * *i.irr) : "none", "a year"});
    table.add({"payback", months_text(i.payback), "energy and fixed costs taken off"});
    table.add({"discounted", months_text(i.discounted_payback), ""});
    table.add({"with resale", months_text(i.payback_with_resale), "sold at that month's end"});
    table.add({"first year", fmt::format("{:.2f}", i.first_year_total),
               fmt::format("of it {:.2f} depreciation ({})", i.first_year_depreciation, in.hardware.method)});
    return table.text();
}

std::string utilisation_text(const CostStudy& study) {
    using enum Table::Align;
    Table table(
        {{"utilisation"}, {study.report.inputs.currency + " per million output tokens", right}, {"", right}});
    for (const double share : {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0}) {
        const double own = cost_at_utilisation(study.report, share);
        table.add({fmt::format("{:g} %", 100 * share), fmt::format("{:.3g}", own),
                   own <= study.report.api_per_million_output ? "below the API" : ""});
    }
    return table.text();
}

}  // namespace

std::string study_text(const CostStudy& study) {
    using enum Table::Align;
    std::string out =
        cost_text(study.report) + "\n" + investment_text(study) + "\n" + utilisation_text(study);
    if (!study.tornado.empty()) {
        Table table({{"net present value if"}, {"is", right}, {"", right}, {"or", right}, {"", right}});
        for (const TornadoRow& row : study.tornado)
            table.add({row.field, fmt::format("{:.4g}", row.at_low), whole(row.npv_at_low),
                       fmt::format("{:.4g}", row.at_high), whole(row.npv_at_high)});
        out += "\n" + table.text();
    }
    if (study.monte_carlo) {
        const MonteCarlo& mc = *study.monte_carlo;
        out += fmt::format(
            "\nOf {} draws (seed {}): net present value {:.0f} ({:.0f} to {:.0f}: nine in ten); above zero "
            "in {:.1f} %; "
            "paid back within the months in {:.1f} %.\n",
            mc.draws, mc.seed, mc.npv.p50, mc.npv.p5, mc.npv.p95, 100 * mc.pays_off, 100 * mc.pays_back);
        if (mc.refused > 0) out += fmt::format("{} draws made no sense and were drawn again.\n", mc.refused);
    }
    return out;
}

Json study_json(const CostStudy& study) {
    Json out = cost_json(study.report);
    boost::json::object& object = out.get_object();
    const Investment& i = study.investment;
    object["investment"] = {{"npv", i.npv},
                            {"accrual_npv", i.accrual_npv},
                            {"irr", maybe(i.irr)},
                            {"payback_months", maybe(i.payback)},
                            {"discounted_payback_months", maybe(i.discounted_payback)},
                            {"payback_with_resale_months", maybe(i.payback_with_resale)},
                            {"first_year_depreciation", i.first_year_depreciation},
                            {"first_year_total", i.first_year_total},
                            {"own_capital", i.own_capital}};
    boost::json::object curve;
    for (const double share : {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0})
        curve[fmt::format("{:g}", share)] = cost_at_utilisation(study.report, share);
    object["per_million_output_by_utilisation"] = std::move(curve);
    boost::json::array rows;
    for (const TornadoRow& row : study.tornado)
        rows.push_back({{"field", row.field},
                        {"low", row.at_low},
                        {"high", row.at_high},
                        {"npv_at_low", row.npv_at_low},
                        {"npv_at_high", row.npv_at_high}});
    object["tornado"] = std::move(rows);
    if (study.monte_carlo) {
        const MonteCarlo& mc = *study.monte_carlo;
        object["monte_carlo"] = {{"draws", mc.draws},
                                 {"refused", mc.refused},
                                 {"seed", mc.seed},
                                 {"npv", quantiles_json(mc.npv)},
                                 {"per_million_output", quantiles_json(mc.per_million)},
                                 {"share_with_positive_npv", mc.pays_off},
                                 {"share_paid_back", mc.pays_back}};
    }
    return out;
}

}  // namespace hearth::plan
