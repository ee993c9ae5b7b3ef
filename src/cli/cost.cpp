// cli/cost.cpp - hearth cost: what tokens cost on own hardware against an API's price.
#include <boost/json.hpp>
#include <map>
#include <memory>

#include "base/file.h"
#include "cli/command.h"
#include "plan/cost_report.h"
#include "plan/meter.h"
#include "plan/prices.h"

namespace hearth::cli {
namespace {

struct CostFlags {
    std::string file, measured, meter, currency, api_name, html, method, api, prices;
    int draws = 10'000;
    std::uint64_t seed = 0;
    std::map<std::string_view, std::optional<double>> numbers;  // by field name
};

Result<int> run_cost(const CostFlags& flags, bool json) {
    plan::CostInputs inputs;
    if (!flags.file.empty()) HEARTH_TRY_STATUS(plan::read_cost_file(flags.file, inputs));
    if (!flags.measured.empty()) HEARTH_TRY_STATUS(plan::read_measured_speed(flags.measured, inputs));
    if (!flags.meter.empty()) {
        HEARTH_TRY(const plan::MeterReading reading, plan::read_meter(flags.meter));
        plan::use_meter(reading, inputs);
    }
    if (const auto& given = flags.numbers.at("use.prompt_tokens")) inputs.use.prompt_tokens = *given;
    if (!flags.prices.empty()) {
        HEARTH_TRY(const plan::ApiPrice price, plan::import_price(flags.prices, flags.api));
        plan::use_price(price, inputs);
    } else if (!flags.api.empty()) {
        HEARTH_TRY(const plan::ApiPrice price, plan::find_price(flags.api));
        plan::use_price(price, inputs);
    }
    if (!flags.currency.empty()) inputs.currency = flags.currency;
    if (!flags.api_name.empty()) inputs.api.name = flags.api_name;
    if (!flags.method.empty()) inputs.hardware.method = flags.method;
    // They say the same thing: a flag for one replaces the other of the file, and both together are a
    // mistake.
    if (flags.numbers.at("use.utilisation") && flags.numbers.at("use.output_tokens_per_month"))
        return fail(Fault::usage, "use: expected either --utilisation or --volume, saw both");
    for (const plan::CostField& field : plan::cost_fields()) {
        const auto& given = flags.numbers.at(field.name);
        if (!given) continue;
        HEARTH_TRY_STATUS(plan::set_field(inputs, field.name, *given));
        if (field.name.starts_with("speed.")) inputs.speed.source = "given";
    }
    plan::CostStudy study;
    HEARTH_TRY(study.report, plan::cost(inputs));
    study.investment = plan::invest(study.report);
    if (!flags.file.empty()) {
        HEARTH_TRY(const plan::Uncertainty uncertainty, plan::read_uncertainty(flags.file));
        if (!uncertainty.inputs.empty()) {
            HEARTH_TRY(study.tornado, plan::tornado(inputs, uncertainty));
            HEARTH_TRY(study.monte_carlo, plan::monte_carlo(inputs, uncertainty, flags.draws, flags.seed));
        }
    }
    if (!flags.html.empty()) HEARTH_TRY_STATUS(write_whole(flags.html, plan::study_html(study)));
    HEARTH_TRY_STATUS(json ? print_json(plan::study_json(study)) : print(plan::study_text(study)));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto flags = std::make_shared<CostFlags>();
    app.add_option("FILE", flags->file, "inputs as TOML (examples/cost.toml); flags override it");
    app.add_option("--measured", flags->measured,
                   "take the speeds from what `hearth bench --json` wrote, or those and the use from a saved "
                   "page of /metrics of `hearth serve`");
    app.add_option("--meter", flags->meter,
                   "take idle and load watts from a wall meter's CSV with the columns time and watts");
    app.add_option("--currency", flags->currency, "of every price: three letters, as EUR");
    app.add_option("--api-name", flags->api_name, "what the prices are compared with");
    app.add_option("--api", flags->api,
                   "prices of an API by part of its name; with --prices, the model in that file");
    app.add_option("--prices", flags->prices, "a model's TOML of models.dev, or LiteLLM's JSON of prices");
    app.add_option("--method", flags->method,
                   "what the hardware is worth in between: straight_line, declining, double_declining, "
                   "sum_of_years or market");
    app.add_option("--draws", flags->draws, "of the Monte Carlo over [[uncertain]]")->capture_default_str();
    app.add_option("--seed", flags->seed, "of its random numbers")->capture_default_str();
    app.add_option("--html", flags->html, "write a page with plots");
    for (const plan::CostField& field : plan::cost_fields())
        app.add_option(std::string(field.flag), flags->numbers[field.name], std::string(field.help));
    return [flags, &global] { return run_cost(*flags, global.json); };
}

}  // namespace

const Command kCost = {"cost", "what a token costs here, against an API's price", setup};

}  // namespace hearth::cli
