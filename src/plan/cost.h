// plan/cost.h - what tokens cost on own hardware, against an API's price: sums of a month whose every term is
// an input. plan/investment.h looks at all months together. docs/cost.md works each formula by hand.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hearth::plan {

inline constexpr double kHoursPerMonth = 8760.0 / 12;  // 730: a common year in twelve equal months

// One purchase among several: used cards, a new board, a case that nobody buys back.
struct HardwarePart {
    std::string name;
    double price = 0;
    int count = 1;
    double lost_at_once = 0;      // share of the price that a sale on the day after would lose
    double decline_per_year = 0;  // of what is left, each year; below 0: it gains
};

// Money is in `currency`, token prices per million tokens. Every number without a value here must be given.
struct CostInputs {
    std::string currency;  // three capital letters; no price is meant without one

    struct {
        std::optional<double> price;           // bought for, once
        std::optional<double> months;          // used for
        double resale = 0;                     // sold for at the end
        double fixed_per_month = 0;            // rent, repairs, people: whatever runs on its own
        double decline_per_year = 0.3;         // of what is left, for the method "declining"
        std::string method = "straight_line";  // or declining, double_declining, sum_of_years, market
        std::vector<HardwarePart> parts;       // price and resale follow from them where there are some
    } hardware;
    struct {
        std::optional<double> load_watts;  // at the wall while it computes
        double idle_watts = 0;             // at the wall while it waits; 0: it is switched off then
        std::optional<double> price_per_kwh;
        std::optional<double> prefill_watts, decode_watts;  // where they differ from load_watts
        std::optional<double>
            parked_watts;  // waiting with the model loaded, where that differs from idle_watts
        // What energy counters of a measured run do not see (boards, disks, fans), and the supply's
        // efficiency.
        std::optional<double> rest_watts;
        double supply_efficiency = 0.9;
        double cooling = 0;                 // watts of cooling for each watt
        std::vector<double> price_by_hour;  // 24 tariffs, in place of price_per_kwh
        std::vector<double> busy_by_hour;   // 24 weights of when the work comes; empty: evenly
    } power;
    struct {
        std::optional<double> prefill_tokens_per_second;  // of all sequences together
        std::optional<double> decode_tokens_per_second;   // of all sequences together
        std::string source = "given";                     // "given" or where they were measured
        std::optional<double> counted_prefill_watts, counted_decode_watts;  // by energy counters of that run
    } speed;
    struct {
        std::optional<double> utilisation;              // share of the hours that it computes, 0..1, or
        std::optional<double> output_tokens_per_month;  // the volume, from which utilisation follows
        std::optional<double> input_per_output;         // input tokens for each output token
        double cached_input_share = 0;                  // of the input: prefixes that were sent before
        std::optional<double> local_cached_share;       // that own hardware has cached too; absent: the same
        std::optional<double> prompt_tokens;            // of a usual request: chooses among an API's tiers
    } use;
    struct {
        std::string name = "API";
        std::optional<double> input_per_million, output_per_million;
        std::optional<double> cached_input_per_million;  // absent: as input
        double batch_share = 0, batch_discount = 0.5;    // of the tokens; of their price
        double price_decline_per_year = 0;
    } api;
    struct {
        double annual_rate = 0;     // failures a year
        double replacement = 0;     // what one costs
        double downtime_hours = 0;  // of each: the API serves meanwhile
        double spares =
            0;  // bought at the start, at a replacement's price each; the first failures take them
    } failures;
    struct {
        double hours_per_month = 0, hourly_rate = 0;
    } people;
    struct {
        double discount_rate = 0;  // a year
        double loan_share = 0, loan_rate = 0, loan_months = 0;
    } finance;
};

// Electricity appears once: as idle hours and busy hours of one month. Nothing else holds any.
struct CostReport {
    CostInputs inputs;
    double utilisation = 0;
    double busy_hours_per_million = 0;  // to make 1M output tokens and read the input that goes with them
    double capacity_per_month = 0;      // output tokens at utilisation 1
    double output_per_month = 0, input_per_month = 0;  // tokens
    // Per month:
    double capital = 0;                 // (price - resale) / months
    double energy_kwh = 0, energy = 0;  // at this utilisation
    double fixed = 0, total = 0;        // fixed: with people and failures
    double people = 0, failures = 0;    // of it
    double spares_price = 0;            // of the price
    int spares_for_95 = 0;              // spares that suffice in 95 of 100 lives of the hardware
    double resale = 0;                  // at the end
    double api_bill = 0, saving = 0;    // api_bill - total
    // Per million output tokens together with their input, absent when nothing is made:
    std::optional<double> per_million_output, per_million_output_energy;
    double api_per_million_output = 0;
    // Per million tokens of either kind:
    std::optional<double> per_million, per_million_energy;
    double api_per_million = 0;
    // Output tokens a month at which own hardware and API cost the same. Absent: never, since a token costs
    // more in energy alone than from the API. It may lie beyond the capacity: see reachable.
    std::optional<double> break_even_output;
    bool break_even_reachable = false;
    // Months until the API bills avoided, less energy and fixed costs, have paid the price; no resale, no
    // interest. Absent: never.
    std::optional<double> payback_months;
    bool payback_within_life = false;
};

// Checks every input. Errors: usage, naming the field, what it may be and what was seen.
Result<CostReport> cost(const CostInputs& inputs);

// The tariff that busy hours pay, by price_by_hour and busy_by_hour, and that waiting ones do.
struct Tariff {
    double busy = 0, waiting = 0;
};
Tariff tariff(const CostInputs& inputs);

// Own cost per million output tokens with their input at a share of the capacity.
double cost_at_utilisation(const CostReport& report, double utilisation);

// Reads a TOML file over `inputs`, keeping what the file does not name. An unknown key or a value of the
// wrong type is an error with its line.
Status read_cost_file(const std::filesystem::path& path, CostInputs& inputs);
Status read_cost_text(std::string_view text, const std::filesystem::path& path, CostInputs& inputs);
// Takes prefill_tokens_per_second and decode_tokens_per_second from a JSON file as `hearth bench --json`
// writes, or those and what was asked of it from a saved page of a server's /metrics (plan/server_metrics.h).
Status read_measured_speed(const std::filesystem::path& path, CostInputs& inputs);

// One settable number: its name as in the file ("power.load_watts"), its limits, and where it lives. The file
// reader, the command's flags and the checks all walk this table.
struct CostField {
    std::string_view name, flag, help;
    double min = 0, max = 0;
    bool min_open = false;  // the minimum itself is excluded
    std::optional<double>& (*of)(CostInputs&) = nullptr;
    double& (*of_plain)(CostInputs&) = nullptr;  // for those with a default
    bool optional = false;                       // absent means something of its own
};
const std::vector<CostField>& cost_fields();

std::string cost_text(const CostReport& report);
Json cost_json(const CostReport& report);
std::string cost_line(const CostReport& report);  // one sentence

}  // namespace hearth::plan
