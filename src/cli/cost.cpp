// cli/cost.cpp - hearth cost: what tokens cost on own hardware against an API's price.
#include <map>
#include <memory>

#include "cli/command.h"
#include "plan/cost.h"

namespace hearth::cli {
namespace {

struct CostFlags {
    std::string file, measured, currency, api_name;
    std::map<std::string_view, std::optional<double>> numbers;  // by field name
};

Result<int> run_cost(const CostFlags& flags, bool json) {
    plan::CostInputs inputs;
    if (!flags.file.empty()) HEARTH_TRY_STATUS(plan::read_cost_file(flags.file, inputs));
    if (!flags.measured.empty()) HEARTH_TRY_STATUS(plan::read_measured_speed(flags.measured, inputs));
    if (!flags.currency.empty()) inputs.currency = flags.currency;
    if (!flags.api_name.empty()) inputs.api.name = flags.api_name;
    for (const plan::CostField& field : plan::cost_fields()) {
        const auto& given = flags.numbers.at(field.name);
        if (!given) continue;
        // The volume and the utilisation say the same thing: a flag for one replaces the other of the file.
        if (field.name == "use.utilisation") inputs.use.output_tokens_per_month.reset();
        if (field.name == "use.output_tokens_per_month" && !flags.numbers.at("use.utilisation"))
            inputs.use.utilisation.reset();
        if (field.of != nullptr)
            field.of(inputs) = given;
        else
            field.of_plain(inputs) = *given;
        if (field.name.starts_with("speed.")) inputs.speed.source = "given";
    }
    HEARTH_TRY(const plan::CostReport report, plan::cost(inputs));
    HEARTH_TRY_STATUS(json ? print_json(plan::cost_json(report)) : print(plan::cost_text(report)));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto flags = std::make_shared<CostFlags>();
    app.add_option("FILE", flags->file, "inputs as TOML (examples/cost.toml); flags override it");
    app.add_option("--measured", flags->measured, "take the speeds from what `hearth bench --json` wrote");
    app.add_option("--currency", flags->currency, "of every price: three letters, as EUR");
    app.add_option("--api-name", flags->api_name, "what the prices are compared with");
    for (const plan::CostField& field : plan::cost_fields())
        app.add_option(std::string(field.flag), flags->numbers[field.name], std::string(field.help));
    return [flags, &global] { return run_cost(*flags, global.json); };
}

}  // namespace

const Command kCost = {"cost", "what a token costs here, against an API's price", setup};

}  // namespace hearth::cli
