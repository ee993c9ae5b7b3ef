// plan/cost_text.cpp - the cost report for people and for programs.
#include <boost/json.hpp>
#include <cmath>

#include "base/terminal.h"
#include "plan/cost.h"

namespace hearth::plan {
namespace {

// Two digits after the point, more for small amounts: 0.0042 is not 0.00.
std::string money(double value) {
    const double size = std::fabs(value);
    if (size == 0 || size >= 1) return fmt::format("{:.2f}", value);
    return fmt::format("{:.{}f}", value,
                       std::min(12, 1 - static_cast<int>(std::floor(std::log10(size))) + 1));
}

std::string volume(double tokens) {
    static constexpr const char* kUnits[] = {"", " k", " M", " G", " T"};
    int unit = 0;
    while (tokens >= 999.5 && unit < 4) {
        tokens /= 1000;
        ++unit;
    }
    return fmt::format("{:.3g}{}", tokens, kUnits[unit]);
}

Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

std::string break_even_text(const CostReport& r) {
    if (!r.break_even_output) return "never: its energy alone costs more than the API";
    return fmt::format("{} output tokens a month{}", volume(*r.break_even_output),
                       r.break_even_reachable ? ""
                                              : fmt::format(", beyond the capacity of {}: not reachable",
                                                            volume(r.capacity_per_month)));
}

std::string payback_text(const CostReport& r) {
    if (!r.payback_months) return "never: energy and fixed costs exceed the API bill";
    return fmt::format("{:.1f} months{}", *r.payback_months,
                       r.payback_within_life
                           ? ""
                           : fmt::format(", longer than the {:g} months of use", *r.inputs.hardware.months));
}

std::string tariff_text(const CostInputs& in) {
    const Tariff t = tariff(in);
    if (in.power.price_by_hour.empty()) return money(t.busy);
    return fmt::format("{} while it computes and {} while it waits", money(t.busy), money(t.waiting));
}

std::string fixed_text(const CostReport& r) {
    std::string out;
    const auto add = [&](const char* what, double value) {
        if (value > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", what, money(value));
    };
    add("people", r.people);
    add("failures", r.failures);
    if (!out.empty()) add("other", r.inputs.hardware.fixed_per_month);
    if (r.spares_for_95 > 0)
        out += fmt::format("; {} spare{} suffice{} in 95 of 100 lives", r.spares_for_95,
                           r.spares_for_95 == 1 ? "" : "s", r.spares_for_95 == 1 ? "s" : "");
    return out;
}

}  // namespace

std::string cost_text(const CostReport& r) {
    const std::string& c = r.inputs.currency;
    using Align = Table::Align;
    Table rates({{c + " per million tokens"},
                 {"own hardware", Align::right},
                 {"energy alone", Align::right},
                 {r.inputs.api.name, Align::right}});
    const auto rate = [](const std::optional<double>& v) { return v ? money(*v) : std::string("-"); };
    rates.add({"output, with its input", rate(r.per_million_output), rate(r.per_million_output_energy),
               money(r.api_per_million_output)});
    rates.add({"input and output alike", rate(r.per_million), rate(r.per_million_energy),
               money(r.api_per_million)});
    Table month({{c + " per month"}, {"", Align::right}, {""}});
    month.add({"capital", money(r.capital),
               fmt::format("({}{} - {}) over {:g} months", money(*r.inputs.hardware.price),
                           r.spares_price > 0 ? " + " + money(r.spares_price) + " of spares" : "",
                           money(r.inputs.hardware.resale), *r.inputs.hardware.months)});
    month.add(
        {"energy", money(r.energy), fmt::format("{:.1f} kWh at {}", r.energy_kwh, tariff_text(r.inputs))});
    month.add({"fixed", money(r.fixed), fixed_text(r)});
    month.add({"own hardware", money(r.total), ""});
    month.add({r.inputs.api.name, money(r.api_bill),
               fmt::format("{} tokens in, {} out", volume(r.input_per_month), volume(r.output_per_month))});
    month.add({r.saving >= 0 ? "saved" : "lost", money(std::fabs(r.saving)), ""});
    Table rest({{"and"}, {""}});
    rest.add({"utilisation", fmt::format("{:.1f} % of {} output tokens a month", r.utilisation * 100,
                                         volume(r.capacity_per_month))});
    rest.add({"speed",
              fmt::format("{:.4g} tokens/s in, {:.4g} out ({})", *r.inputs.speed.prefill_tokens_per_second,
                          *r.inputs.speed.decode_tokens_per_second, r.inputs.speed.source)});
    rest.add({"break-even", break_even_text(r)});
    rest.add({"payback", payback_text(r)});
    return rates.text() + "\n" + month.text() + "\n" + rest.text();
}

std::string cost_line(const CostReport& r) {
    const std::string& c = r.inputs.currency;
    if (!r.per_million_output) return fmt::format("{} {} a month for nothing made", money(r.total), c);
    return fmt::format(
        "{} {} per million output tokens with their input ({} energy alone) against {} from {}; break-even "
        "at {}",
        money(*r.per_million_output), c, money(*r.per_million_output_energy), money(r.api_per_million_output),
        r.inputs.api.name, break_even_text(r));
}

Json cost_json(const CostReport& r) {
    using Object = boost::json::object;
    Object inputs = {{"currency", r.inputs.currency},
                     {"speed.source", r.inputs.speed.source},
                     {"api.name", r.inputs.api.name}};
    CostInputs copy = r.inputs;
    for (const CostField& field : cost_fields())
        inputs[field.name] = field.of != nullptr ? maybe(field.of(copy)) : Json(field.of_plain(copy));
    return Object{{"inputs", std::move(inputs)},
                  {"utilisation", r.utilisation},
                  {"capacity_output_tokens_per_month", r.capacity_per_month},
                  {"output_tokens_per_month", r.output_per_month},
                  {"input_tokens_per_month", r.input_per_month},
                  {"per_month", Object{{"capital", r.capital},
                                       {"energy_kwh", r.energy_kwh},
                                       {"energy", r.energy},
                                       {"fixed", r.fixed},
                                       {"people", r.people},
                                       {"failures", r.failures},
                                       {"total", r.total},
                                       {"api", r.api_bill},
                                       {"saving", r.saving}}},
                  {"per_million_output_tokens", Object{{"own", maybe(r.per_million_output)},
                                                       {"energy", maybe(r.per_million_output_energy)},
                                                       {"api", r.api_per_million_output}}},
                  {"per_million_tokens", Object{{"own", maybe(r.per_million)},
                                                {"energy", maybe(r.per_million_energy)},
                                                {"api", r.api_per_million}}},
                  {"spares_price", r.spares_price},
                  {"spares_for_95_percent", r.spares_for_95},
                  {"break_even_output_tokens_per_month", maybe(r.break_even_output)},
                  {"break_even_reachable", r.break_even_reachable},
                  {"payback_months", maybe(r.payback_months)},
                  {"payback_within_life", r.payback_within_life}};
}

}  // namespace hearth::plan
