// plan/cost.cpp - the fields, their limits, and the sums.
#include "plan/cost.h"

#include <algorithm>
#include <cmath>

namespace hearth::plan {
namespace {

constexpr double kHuge = 1e15;

Status check_field(const CostField& field, CostInputs& inputs) {
    std::optional<double> value;
    if (field.of != nullptr)
        value = field.of(inputs);
    else
        value = field.of_plain(inputs);
    if (!value) return {};
    const bool inside = std::isfinite(*value) && *value <= field.max &&
                        (field.min_open ? *value > field.min : *value >= field.min);
    if (inside) return {};
    return fail(Fault::usage, "{}: expected a number {} {:g} and at most {:g}, saw {:g}", field.name,
                field.min_open ? "above" : "of at least", field.min, field.max, *value);
}

Status check(CostInputs inputs) {
    const std::string& c = inputs.currency;
    const bool letters = std::all_of(c.begin(), c.end(), [](char x) { return x >= 'A' && x <= 'Z'; });
    if (c.empty())
        return fail(Fault::usage,
                    "currency: expected three capital letters as USD, saw none: a price needs one");
    if (c.size() != 3 || !letters)
        return fail(Fault::usage, "currency: expected three capital letters as USD, saw \"{}\"", c);
    for (const CostField& field : cost_fields()) HEARTH_TRY_STATUS(check_field(field, inputs));
    for (const CostField& field : cost_fields()) {
        if (field.optional) continue;
        const bool either = field.name == "use.utilisation" || field.name == "use.output_tokens_per_month";
        if (field.of != nullptr && !field.of(inputs) && !either)
            return fail(Fault::usage, "{}: expected a number, saw none; give it in the file or by {}",
                        field.name, field.flag);
    }
    if (inputs.use.utilisation.has_value() == inputs.use.output_tokens_per_month.has_value())
        return fail(Fault::usage, "use: expected either utilisation or output_tokens_per_month, saw {}",
                    inputs.use.utilisation ? "both" : "neither");
    for (const HardwarePart& part : inputs.hardware.parts) {
        if (!(part.price >= 0 && part.price <= kHuge) || part.count < 1 || part.count > 1'000'000)
            return fail(Fault::usage,
                        "hardware.parts: {}: expected a price of at least 0 and a count of at least 1",
                        part.name);
        if (!(part.lost_at_once >= 0 && part.lost_at_once <= 1) ||
            !(part.decline_per_year > -1 && part.decline_per_year < 1))
            return fail(
                Fault::usage,
                "hardware.parts: {}: expected lost_at_once from 0 to 1 and decline_per_year between -1 and 1",
                part.name);
    }
    static constexpr std::string_view kMethods[] = {"straight_line", "declining", "double_declining",
                                                    "sum_of_years", "market"};
    if (std::find(std::begin(kMethods), std::end(kMethods), inputs.hardware.method) == std::end(kMethods))
        return fail(
            Fault::usage,
            "hardware.method: expected straight_line, declining, double_declining, sum_of_years or market, "
            "saw \"{}\"",
            inputs.hardware.method);
    for (const auto* hours : {&inputs.power.price_by_hour, &inputs.power.busy_by_hour}) {
        const bool good =
            std::all_of(hours->begin(), hours->end(), [](double x) { return x >= 0 && x < 1e6; });
        if ((!hours->empty() && hours->size() != 24) || !good)
            return fail(Fault::usage, "power.{}: expected 24 numbers of at least 0, saw {}",
                        hours == &inputs.power.price_by_hour ? "price_by_hour" : "busy_by_hour",
                        hours->size());
    }
    if (inputs.hardware.parts.empty() && inputs.hardware.resale > *inputs.hardware.price)
        return fail(Fault::usage, "hardware.resale: expected at most the price, {:g}, saw {:g}",
                    *inputs.hardware.price, inputs.hardware.resale);
    if (inputs.power.idle_watts > *inputs.power.load_watts)
        return fail(Fault::usage, "power.idle_watts: expected at most the load, {:g} W, saw {:g}",
                    *inputs.power.load_watts, inputs.power.idle_watts);
    return {};
}

// Volume from utilisation, or the other way about.
Status size_up(CostReport& r) {
    const auto& in = r.inputs;
    const double ratio = *in.use.input_per_output;
    const double fresh = 1 - in.use.local_cached_share.value_or(in.use.cached_input_share);
    r.busy_hours_per_million =
        (ratio * fresh / *in.speed.prefill_tokens_per_second + 1 / *in.speed.decode_tokens_per_second) * 1e6 /
        3600;
    r.capacity_per_month = kHoursPerMonth / r.busy_hours_per_million * 1e6;
    if (in.use.utilisation) {
        r.utilisation = *in.use.utilisation;
        r.output_per_month = r.capacity_per_month * r.utilisation;
    } else {
        r.output_per_month = *in.use.output_tokens_per_month;
        r.utilisation = r.output_per_month / r.capacity_per_month;
        if (r.utilisation > 1 + 1e-9)
            return fail(Fault::usage,
                        "use.output_tokens_per_month: expected at most what this speed can make, {:.4g} a "
                        "month, saw {:.4g}",
                        r.capacity_per_month, r.output_per_month);
    }
    r.input_per_month = r.output_per_month * ratio;
    return {};
}

double waiting_watts(const CostInputs& in) { return in.power.parked_watts.value_or(in.power.idle_watts); }

// Kilowatt-hours beyond waiting that a million output tokens with their input take.
double busy_kwh_per_million(const CostInputs& in) {
    const double fresh = 1 - in.use.local_cached_share.value_or(in.use.cached_input_share);
    const double prefill_hours =
        *in.use.input_per_output * fresh / *in.speed.prefill_tokens_per_second * 1e6 / 3600;
    const double decode_hours = 1 / *in.speed.decode_tokens_per_second * 1e6 / 3600;
    const double waiting = waiting_watts(in);
    return ((in.power.prefill_watts.value_or(*in.power.load_watts) - waiting) * prefill_hours +
            (in.power.decode_watts.value_or(*in.power.load_watts) - waiting) * decode_hours) /
           1000 * (1 + in.power.cooling);
}
double waiting_kwh_per_month(const CostInputs& in) {
    return waiting_watts(in) / 1000 * kHoursPerMonth * (1 + in.power.cooling);
}

double api_per_million(const CostInputs& in) {
    const double cached = in.use.cached_input_share;
    const double input = (1 - cached) * *in.api.input_per_million +
                         cached * in.api.cached_input_per_million.value_or(*in.api.input_per_million);
    return (*in.use.input_per_output * input + *in.api.output_per_million) *
           (1 - in.api.batch_share * in.api.batch_discount);
}

// Failures over the hardware's months come as chance has it (Poisson).
struct Spares {
    double covered = 0;  // share of the failures that take a spare
    int for_95 = 0;
};
Spares spares_of(const CostInputs& in) {
    Spares out;
    const double mean = in.failures.annual_rate * *in.hardware.months / 12;
    if (mean <= 0) return out;
    const double kept = std::floor(in.failures.spares);
    // P(n) by recurrence; beyond 500 expected failures the mean is what happens.
    if (mean > 500) return {std::min(1.0, kept / mean), static_cast<int>(mean + 1.645 * std::sqrt(mean))};
    double p = std::exp(-mean), below = p, used = 0;
    bool found = below >= 0.95;
    for (int n = 1; n < 2000; ++n) {
        p *= mean / n;
        used += p * std::min(static_cast<double>(n), kept);
        below += p;
        if (!found && below >= 0.95) {
            out.for_95 = n;
            found = true;
        }
    }
    out.covered = std::min(1.0, used / mean);
    return out;
}

// Watts at the wall from a run's energy counters, where the rest of the machine is told.
void use_counters(CostInputs& in) {
    if (!in.power.rest_watts || !(in.power.supply_efficiency > 0)) return;
    const auto wall = [&](double counted) {
        return (counted + *in.power.rest_watts) / in.power.supply_efficiency;
    };
    if (in.speed.counted_prefill_watts && !in.power.prefill_watts)
        in.power.prefill_watts = wall(*in.speed.counted_prefill_watts);
    if (in.speed.counted_decode_watts && !in.power.decode_watts)
        in.power.decode_watts = wall(*in.speed.counted_decode_watts);
    if (!in.power.load_watts && in.power.prefill_watts && in.power.decode_watts)
        in.power.load_watts = std::max(*in.power.prefill_watts, *in.power.decode_watts);
}

void find_break_even(CostReport& r) {
    const auto& in = r.inputs;
    const Tariff price = tariff(in);
    const double idle_month = waiting_kwh_per_month(in) * price.waiting;
    const double own_per_million = busy_kwh_per_million(in) * price.busy;
    const double gain = r.api_per_million_output - own_per_million;
    if (gain > 0) {
        r.break_even_output = (r.capital + r.fixed + idle_month) / gain * 1e6;
        r.break_even_reachable = *r.break_even_output <= r.capacity_per_month;
    }
    const double net = r.api_bill - r.energy - r.fixed;
    if (net > 0) {
        r.payback_months = (*in.hardware.price + r.spares_price) / net;
        r.payback_within_life = *r.payback_months <= *in.hardware.months;
    }
}

}  // namespace

const std::vector<CostField>& cost_fields() {
    using In = CostInputs;
    using Maybe = std::optional<double>;
    static const std::vector<CostField> fields = {
        {"hardware.price", "--price", "what the hardware cost", 0, kHuge, false,
         [](In& i) -> Maybe& { return i.hardware.price; }},
        {"hardware.months", "--months", "months it is used for", 0, 1200, true,
         [](In& i) -> Maybe& { return i.hardware.months; }},
        {"hardware.resale", "--resale", "what it is sold for in the end (default 0)", 0, kHuge, false,
         nullptr, [](In& i) -> double& { return i.hardware.resale; }},
        {"hardware.fixed_per_month", "--fixed", "rent, repairs, work per month (default 0)", 0, kHuge, false,
         nullptr, [](In& i) -> double& { return i.hardware.fixed_per_month; }},
        {"power.load_watts", "--load-watts", "at the wall, computing", 0, 1e9, true,
         [](In& i) -> Maybe& { return i.power.load_watts; }},
        {"power.idle_watts", "--idle-watts", "at the wall, waiting (default 0: switched off)", 0, 1e9, false,
         nullptr, [](In& i) -> double& { return i.power.idle_watts; }},
        {"power.price_per_kwh", "--kwh-price", "tariff per kilowatt-hour", 0, 1e6, false,
         [](In& i) -> Maybe& { return i.power.price_per_kwh; }},
        {"speed.prefill_tokens_per_second", "--prefill-speed", "input tokens per second, all sequences", 0,
         1e12, true, [](In& i) -> Maybe& { return i.speed.prefill_tokens_per_second; }},
        {"speed.decode_tokens_per_second", "--decode-speed", "output tokens per second, all sequences", 0,
         1e12, true, [](In& i) -> Maybe& { return i.speed.decode_tokens_per_second; }},
        {"use.utilisation", "--utilisation", "share of the hours that it computes, 0 to 1", 0, 1, false,
         [](In& i) -> Maybe& { return i.use.utilisation; }},
        {"use.output_tokens_per_month", "--volume", "output tokens per month, in place of utilisation", 0,
         kHuge, false, [](In& i) -> Maybe& { return i.use.output_tokens_per_month; }},
        {"use.input_per_output", "--input-per-output", "input tokens for each output token", 0, 1e6, false,
         [](In& i) -> Maybe& { return i.use.input_per_output; }},
        {"api.input_per_million", "--api-input", "API price per million input tokens", 0, 1e9, false,
         [](In& i) -> Maybe& { return i.api.input_per_million; }},
        {"api.output_per_million", "--api-output", "API price per million output tokens", 0, 1e9, false,
         [](In& i) -> Maybe& { return i.api.output_per_million; }},
        {"hardware.decline_per_year", "--decline", "of its value, for the method declining (default 0.3)", 0,
         1, false, nullptr, [](In& i) -> double& { return i.hardware.decline_per_year; }},
        {"power.prefill_watts", "--prefill-watts", "reading input (default: the load)", 0, 1e9, true,
         [](In& i) -> Maybe& { return i.power.prefill_watts; }, nullptr, true},
        {"power.decode_watts", "--decode-watts", "writing output (default: the load)", 0, 1e9, true,
         [](In& i) -> Maybe& { return i.power.decode_watts; }, nullptr, true},
        {"power.parked_watts", "--parked-watts", "waiting with a model loaded (default: idle)", 0, 1e9, false,
         [](In& i) -> Maybe& { return i.power.parked_watts; }, nullptr, true},
        {"power.cooling", "--cooling", "watts of cooling for each watt (default 0)", 0, 5, false, nullptr,
         [](In& i) -> double& { return i.power.cooling; }},
        {"use.cached_input_share", "--cached", "share of the input that repeats a prefix (default 0)", 0, 1,
         false, nullptr, [](In& i) -> double& { return i.use.cached_input_share; }},
        {"use.local_cached_share", "--local-cached", "of it, cached on own hardware (default: the same)", 0,
         1, false, [](In& i) -> Maybe& { return i.use.local_cached_share; }, nullptr, true},
        {"use.prompt_tokens", "--prompt-tokens", "of a usual request: chooses the tier of --prices", 0, 1e9,
         true, [](In& i) -> Maybe& { return i.use.prompt_tokens; }, nullptr, true},
        {"api.cached_input_per_million", "--api-cached", "API price of cached input (default: as input)", 0,
         1e9, false, [](In& i) -> Maybe& { return i.api.cached_input_per_million; }, nullptr, true},
        {"api.batch_share", "--batch-share", "share of the tokens that can wait (default 0)", 0, 1, false,
         nullptr, [](In& i) -> double& { return i.api.batch_share; }},
        {"api.batch_discount", "--batch-discount", "of the API's price for those (default 0.5)", 0, 1, false,
         nullptr, [](In& i) -> double& { return i.api.batch_discount; }},
        {"api.price_decline_per_year", "--price-decline", "of the API's prices (default 0)", -1, 1, true,
         nullptr, [](In& i) -> double& { return i.api.price_decline_per_year; }},
        {"failures.annual_rate", "--failures", "failures a year (default 0)", 0, 1e3, false, nullptr,
         [](In& i) -> double& { return i.failures.annual_rate; }},
        {"failures.replacement", "--replacement", "what a failure costs (default 0)", 0, kHuge, false,
         nullptr, [](In& i) -> double& { return i.failures.replacement; }},
        {"failures.downtime_hours", "--downtime", "hours each takes (default 0)", 0, 8760, false, nullptr,
         [](In& i) -> double& { return i.failures.downtime_hours; }},
        {"failures.spares", "--spares", "replacements bought at the start (default 0)", 0, 1e4, false,
         nullptr, [](In& i) -> double& { return i.failures.spares; }},
        {"power.rest_watts", "--rest-watts",
         "what energy counters of --measured do not see, before the supply", 0, 1e9, false,
         [](In& i) -> Maybe& { return i.power.rest_watts; }, nullptr, true},
        {"power.supply_efficiency", "--supply-efficiency",
         "of the power supply, with --rest-watts (default 0.9)", 0, 1, true, nullptr,
         [](In& i) -> double& { return i.power.supply_efficiency; }},
        {"people.hours_per_month", "--admin-hours", "of work a month (default 0)", 0, 744, false, nullptr,
         [](In& i) -> double& { return i.people.hours_per_month; }},
        {"people.hourly_rate", "--hourly-rate", "what an hour costs (default 0)", 0, 1e6, false, nullptr,
         [](In& i) -> double& { return i.people.hourly_rate; }},
        {"finance.discount_rate", "--discount-rate", "a year (default 0)", -0.5, 10, false, nullptr,
         [](In& i) -> double& { return i.finance.discount_rate; }},
        {"finance.loan_share", "--loan-share", "share of the price that is lent (default 0)", 0, 1, false,
         nullptr, [](In& i) -> double& { return i.finance.loan_share; }},
        {"finance.loan_rate", "--loan-rate", "interest a year (default 0)", 0, 10, false, nullptr,
         [](In& i) -> double& { return i.finance.loan_rate; }},
        {"finance.loan_months", "--loan-months", "paid back in (default 0)", 0, 1200, false, nullptr,
         [](In& i) -> double& { return i.finance.loan_months; }},
    };
    return fields;
}

Tariff tariff(const CostInputs& in) {
    const auto& hours = in.power.price_by_hour;
    if (hours.empty()) return {in.power.price_per_kwh.value_or(0), in.power.price_per_kwh.value_or(0)};
    Tariff out;
    double weight = 0;
    for (std::size_t h = 0; h < hours.size(); ++h) {
        const double w = in.power.busy_by_hour.empty() ? 1 : in.power.busy_by_hour[h];
        out.busy += w * hours[h];
        out.waiting += hours[h] / 24;
        weight += w;
    }
    out.busy = weight > 0 ? out.busy / weight : out.waiting;
    return out;
}

double cost_at_utilisation(const CostReport& r, double utilisation) {
    const Tariff price = tariff(r.inputs);
    const double month = r.capital + r.fixed + waiting_kwh_per_month(r.inputs) * price.waiting;
    return month / (utilisation * r.capacity_per_month / 1e6) + busy_kwh_per_million(r.inputs) * price.busy;
}

Result<CostReport> cost(const CostInputs& given) {
    CostInputs inputs = given;
    if (!inputs.hardware.parts.empty()) {  // price and resale follow from the parts
        const double years = inputs.hardware.months.value_or(0) / 12;
        double price = 0, resale = 0;
        for (const HardwarePart& part : inputs.hardware.parts) {
            price += part.price * part.count;
            resale += part.price * part.count * (1 - part.lost_at_once) *
                      std::pow(1 - part.decline_per_year, years);
        }
        inputs.hardware.price = price;
        inputs.hardware.resale = resale;  // parts may have gained
    }
    use_counters(inputs);
    if (!inputs.power.price_per_kwh && !inputs.power.price_by_hour.empty())
        inputs.power.price_per_kwh = tariff(inputs).waiting;
    HEARTH_TRY_STATUS(check(inputs));
    CostReport r;
    r.inputs = inputs;
    HEARTH_TRY_STATUS(size_up(r));
    const double ratio = *inputs.use.input_per_output, millions_made = r.output_per_month / 1e6;
    const Tariff price = tariff(inputs);
    r.resale = inputs.hardware.resale;
    r.capital = (*inputs.hardware.price - r.resale) / *inputs.hardware.months;
    const double waiting_kwh = waiting_kwh_per_month(inputs),
                 busy_kwh = busy_kwh_per_million(inputs) * millions_made;
    r.energy_kwh = waiting_kwh + busy_kwh;
    r.energy = waiting_kwh * price.waiting + busy_kwh * price.busy;
    r.api_per_million_output = api_per_million(inputs);
    r.api_bill = millions_made * r.api_per_million_output;
    r.people = inputs.people.hours_per_month * inputs.people.hourly_rate;
    const auto spares = spares_of(inputs);
    r.spares_for_95 = spares.for_95;
    r.spares_price = std::floor(inputs.failures.spares) * inputs.failures.replacement;
    r.capital += r.spares_price / *inputs.hardware.months;
    r.failures = inputs.failures.annual_rate / 12 *
                 (inputs.failures.replacement * (1 - spares.covered) +
                  inputs.failures.downtime_hours / kHoursPerMonth * r.api_bill);
    r.fixed = inputs.hardware.fixed_per_month + r.people + r.failures;
    r.total = r.capital + r.energy + r.fixed;
    r.api_per_million = r.api_per_million_output / (1 + ratio);
    r.saving = r.api_bill - r.total;
    if (r.output_per_month > 0) {
        const double millions = r.output_per_month / 1e6;
        r.per_million_output = r.total / millions;
        r.per_million_output_energy = r.energy / millions;
        r.per_million = *r.per_million_output / (1 + ratio);
        r.per_million_energy = *r.per_million_output_energy / (1 + ratio);
    }
    find_break_even(r);
    return r;
}

}  // namespace hearth::plan
