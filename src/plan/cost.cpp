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
        const bool either = field.name == "use.utilisation" || field.name == "use.output_tokens_per_month";
        if (field.of != nullptr && !field.of(inputs) && !either)
            return fail(Fault::usage, "{}: expected a number, saw none; give it in the file or by {}",
                        field.name, field.flag);
    }
    if (inputs.use.utilisation.has_value() == inputs.use.output_tokens_per_month.has_value())
        return fail(Fault::usage, "use: expected either utilisation or output_tokens_per_month, saw {}",
                    inputs.use.utilisation ? "both" : "neither");
    if (inputs.hardware.resale > *inputs.hardware.price)
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
    r.busy_hours_per_million =
        (ratio / *in.speed.prefill_tokens_per_second + 1 / *in.speed.decode_tokens_per_second) * 1e6 / 3600;
    r.capacity_per_month = kHoursPerMonth / r.busy_hours_per_million * 1e6;
    if (in.use.utilisation) {
        r.utilisation = *in.use.utilisation;
        r.output_per_month = r.capacity_per_month * r.utilisation;
    } else {
        r.output_per_month = *in.use.output_tokens_per_month;
        r.utilisation = r.output_per_month / r.capacity_per_month;
        if (r.utilisation > 1)
            return fail(Fault::usage,
                        "use.output_tokens_per_month: expected at most what this speed can make, {:.4g} a "
                        "month, saw {:.4g}",
                        r.capacity_per_month, r.output_per_month);
    }
    r.input_per_month = r.output_per_month * ratio;
    return {};
}

void find_break_even(CostReport& r) {
    const auto& in = r.inputs;
    const double idle_month = in.power.idle_watts / 1000 * kHoursPerMonth * *in.power.price_per_kwh;
    const double own_per_million = (*in.power.load_watts - in.power.idle_watts) / 1000 *
                                   r.busy_hours_per_million * *in.power.price_per_kwh;
    const double gain = r.api_per_million_output - own_per_million;
    if (gain > 0) {
        r.break_even_output = (r.capital + r.fixed + idle_month) / gain * 1e6;
        r.break_even_reachable = *r.break_even_output <= r.capacity_per_month;
    }
    const double net = r.api_bill - r.energy - r.fixed;
    if (net > 0) {
        r.payback_months = *in.hardware.price / net;
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
    };
    return fields;
}

Result<CostReport> cost(const CostInputs& inputs) {
    HEARTH_TRY_STATUS(check(inputs));
    CostReport r;
    r.inputs = inputs;
    HEARTH_TRY_STATUS(size_up(r));
    const double watts =
        *inputs.power.load_watts * r.utilisation + inputs.power.idle_watts * (1 - r.utilisation);
    const double ratio = *inputs.use.input_per_output;
    r.capital = (*inputs.hardware.price - inputs.hardware.resale) / *inputs.hardware.months;
    r.energy_kwh = watts / 1000 * kHoursPerMonth;
    r.energy = r.energy_kwh * *inputs.power.price_per_kwh;
    r.fixed = inputs.hardware.fixed_per_month;
    r.total = r.capital + r.energy + r.fixed;
    r.api_per_million_output = ratio * *inputs.api.input_per_million + *inputs.api.output_per_million;
    r.api_per_million = r.api_per_million_output / (1 + ratio);
    r.api_bill = r.output_per_month / 1e6 * r.api_per_million_output;
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
