// plan/uncertain.cpp - quantiles of each input, a Gaussian copula over them, and what comes out.
#include "plan/uncertain.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/rng.h"
#include "plan/toml_table.h"

namespace hearth::plan {
namespace {

constexpr std::size_t kInputsMax = 64;
constexpr int kDrawsMax = 1'000'000;

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// The normal quantile by bisection on the distribution: plain, and exact to the last bits that matter.
double normal_quantile(double p) {
    double low = -12, high = 12;
    for (int i = 0; i < 100; ++i) {
        const double middle = (low + high) / 2;
        (normal_cdf(middle) < p ? low : high) = middle;
    }
    return low;
}

Status check(const Uncertainty& u) {
    if (u.inputs.size() > kInputsMax)
        return fail(Fault::usage, "uncertain: expected at most {} inputs, saw {}", kInputsMax,
                    u.inputs.size());
    for (const Uncertain& input : u.inputs) {
        const bool ordered = std::isfinite(input.low) && std::isfinite(input.high) &&
                             input.low < input.high &&
                             (input.kind != Uncertain::Kind::triangular ||
                              (input.mode >= input.low && input.mode <= input.high));
        if (!ordered)
            return fail(Fault::usage,
                        "uncertain: {}: expected low below high, and a mode between them, saw {:g}, "
                        "{:g}, {:g}",
                        input.field, input.low, input.mode, input.high);
    }
    return {};
}

// Lower triangle L with L L' = the correlations.
Result<std::vector<std::vector<double>>> factor(const Uncertainty& u) {
    const std::size_t n = u.inputs.size();
    std::vector<std::vector<double>> c(n, std::vector<double>(n, 0)), l = c;
    for (std::size_t i = 0; i < n; ++i) c[i][i] = 1;
    for (const Correlation& correlation : u.correlations) {
        const auto find = [&](const std::string& field) {
            return static_cast<std::size_t>(std::find_if(u.inputs.begin(), u.inputs.end(),
                                                         [&](const auto& x) { return x.field == field; }) -
                                            u.inputs.begin());
        };
        const std::size_t a = find(correlation.a), b = find(correlation.b);
        if (a == n || b == n || a == b)
            return fail(Fault::usage, "correlation: expected two fields of [[uncertain]], saw {} and {}",
                        correlation.a, correlation.b);
        if (!(correlation.of >= -1 && correlation.of <= 1))
            return fail(Fault::usage, "correlation: expected a number from -1 to 1, saw {:g}",
                        correlation.of);
        c[a][b] = c[b][a] = correlation.of;
    }
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = c[i][j];
            for (std::size_t k = 0; k < j; ++k) sum -= l[i][k] * l[j][k];
            if (i == j) {
                if (sum < -1e-9)
                    return fail(Fault::usage,
                                "correlation: expected correlations that can hold together, saw "
                                "some that contradict each other at {}",
                                u.inputs[i].field);
                l[i][i] = std::sqrt(std::max(sum, 0.0));
            } else {
                l[i][j] = l[j][j] > 1e-12 ? sum / l[j][j] : 0;
            }
        }
    return l;
}

Quantiles quantiles(std::vector<double>& values) {
    std::sort(values.begin(), values.end());
    const auto at = [&](double q) {
        return values[std::min(values.size() - 1,
                               static_cast<std::size_t>(q * static_cast<double>(values.size())))];
    };
    return {at(0.05), at(0.5), at(0.95)};
}

}  // namespace

double Uncertain::at(double q) const {
    switch (kind) {
        case Kind::uniform:
            return low + q * (high - low);
        case Kind::triangular: {
            const double span = high - low, left = mode - low;
            if (q * span <= left) return low + std::sqrt(q * span * left);
            return high - std::sqrt((1 - q) * span * (high - mode));
        }
        case Kind::normal:
            break;
    }
    constexpr double kTenth = 1.2815515655446004;  // the normal's 90th percentile
    return (low + high) / 2 + normal_quantile(q) * (high - low) / (2 * kTenth);
}

Status set_field(CostInputs& inputs, std::string_view name, double value) {
    for (const CostField& field : cost_fields()) {
        if (field.name != name) continue;
        if (name == "use.utilisation") inputs.use.output_tokens_per_month.reset();
        if (name == "use.output_tokens_per_month") inputs.use.utilisation.reset();
        // A resale or price of its own replaces the parts.
        if (name == "hardware.resale" || name == "hardware.price") {
            if (!inputs.hardware.parts.empty()) {
                double price = 0;
                for (const HardwarePart& part : inputs.hardware.parts) price += part.price * part.count;
                inputs.hardware.price = price;
                inputs.hardware.parts.clear();
                if (inputs.hardware.method == "market") inputs.hardware.method = "straight_line";
            }
        }
        if (field.of != nullptr)
            field.of(inputs) = value;
        else
            field.of_plain(inputs) = value;
        return {};
    }
    return fail(Fault::usage, "uncertain: expected a number's field of the cost file, saw \"{}\"", name);
}

Result<std::vector<TornadoRow>> tornado(const CostInputs& inputs, const Uncertainty& uncertainty) {
    HEARTH_TRY_STATUS(check(uncertainty));
    std::vector<TornadoRow> rows;
    for (const Uncertain& input : uncertainty.inputs) {
        TornadoRow row{input.field, input.at(0.1), input.at(0.9)};
        for (const bool high : {false, true}) {
            CostInputs changed = inputs;
            HEARTH_TRY_STATUS(set_field(changed, input.field, high ? row.at_high : row.at_low));
            HEARTH_TRY(const CostReport report, cost(changed));
            (high ? row.npv_at_high : row.npv_at_low) = invest(report).npv;
        }
        rows.push_back(std::move(row));
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const TornadoRow& a, const TornadoRow& b) { return a.swing() > b.swing(); });
    return rows;
}

Result<MonteCarlo> monte_carlo(const CostInputs& inputs, const Uncertainty& uncertainty, int draws,
                               std::uint64_t seed) {
    HEARTH_TRY_STATUS(check(uncertainty));
    if (draws < 1 || draws > kDrawsMax)
        return fail(Fault::usage, "draws: expected 1 to {}, saw {}", kDrawsMax, draws);
    HEARTH_TRY(const auto lower, factor(uncertainty));
    const std::size_t n = uncertainty.inputs.size();
    MonteCarlo out;
    out.seed = seed;
    std::vector<double> npvs, prices, scores(n);
    std::vector<std::vector<double>> cumulative, own, api;
    int paid = 0, gained = 0;
    std::optional<Error> last;
    for (int draw = 0; draw < draws + out.refused; ++draw) {
        if (out.refused > 9 * draws)
            return fail(last ? *last : Error{Fault::usage, "uncertain: no combination makes sense"});
        Philox rng(seed, static_cast<std::uint64_t>(draw));
        for (double& score : scores) score = rng.normal();
        CostInputs changed = inputs;
        for (std::size_t i = 0; i < n; ++i) {
            double mixed = 0;
            for (std::size_t j = 0; j <= i; ++j) mixed += lower[i][j] * scores[j];
            HEARTH_TRY_STATUS(
                set_field(changed, uncertainty.inputs[i].field, uncertainty.inputs[i].at(normal_cdf(mixed))));
        }
        const auto report = cost(changed);
        if (!report) {  // a volume beyond the capacity, an idle above the load: drawn again
            ++out.refused;
            last = report.error();
            continue;
        }
        const Investment investment = invest(*report);
        npvs.push_back(investment.npv);
        if (report->per_million_output) prices.push_back(*report->per_million_output);
        gained += investment.npv > 0 ? 1 : 0;
        paid += investment.payback ? 1 : 0;
        double own_sum = investment.own_capital, api_sum = 0;
        for (std::size_t m = 0; m < investment.months.size(); ++m) {
            const MonthFlow& flow = investment.months[m];
            own_sum += flow.local + flow.loan;
            api_sum += flow.api;
            for (auto* sums : {&cumulative, &own, &api})
                if (sums->size() <= m) sums->emplace_back();
            cumulative[m].push_back(api_sum - own_sum);
            own[m].push_back(own_sum);
            api[m].push_back(api_sum);
        }
    }
    out.draws = draws;
    out.npv = quantiles(npvs);
    if (!prices.empty()) out.per_million = quantiles(prices);
    out.pays_off = static_cast<double>(gained) / draws;
    out.pays_back = static_cast<double>(paid) / draws;
    for (auto& month : cumulative) out.cumulative.push_back(quantiles(month));
    for (auto& month : own) out.cumulative_own.push_back(quantiles(month));
    for (auto& month : api) out.cumulative_api.push_back(quantiles(month));
    return out;
}

namespace {

Result<Uncertain> read_input(const TomlTable& table) {
    Uncertain input;
    HEARTH_TRY(input.field, table.text("field"));
    HEARTH_TRY(input.source, table.text_or("source", ""));
    HEARTH_TRY(const std::string kind, table.text_or("kind", "uniform"));
    if (kind == "triangular")
        input.kind = Uncertain::Kind::triangular;
    else if (kind == "normal")
        input.kind = Uncertain::Kind::normal;
    else if (kind != "uniform")
        return table.fault("kind", fmt::format("expected uniform, triangular or normal, saw \"{}\"", kind));
    HEARTH_TRY(input.low, table.number("low"));
    HEARTH_TRY(input.high, table.number("high"));
    HEARTH_TRY(input.mode, table.number_or("mode", (input.low + input.high) / 2));
    CostInputs probe;
    if (auto known = set_field(probe, input.field, 1); !known)
        return table.fault("field", known.error().message);
    HEARTH_TRY_STATUS(table.finish());
    return input;
}

Status read_all(const TomlTable& file, Uncertainty& out) {
    HEARTH_TRY(const auto inputs, file.tables("uncertain"));
    for (const TomlTable& table : inputs) {
        HEARTH_TRY(Uncertain input, read_input(table));
        out.inputs.push_back(std::move(input));
    }
    HEARTH_TRY(const auto pairs, file.tables("correlation"));
    for (const TomlTable& table : pairs) {
        Correlation pair;
        HEARTH_TRY(pair.a, table.text("a"));
        HEARTH_TRY(pair.b, table.text("b"));
        HEARTH_TRY(pair.of, table.number("of", -1, 1));
        HEARTH_TRY_STATUS(table.finish());
        out.correlations.push_back(std::move(pair));
    }
    return {};
}

}  // namespace

Result<Uncertainty> uncertainty_of(std::string_view text, const fs::path& path) {
    Uncertainty out;
    HEARTH_TRY_STATUS(
        read_toml(text, path.string(), [&](const TomlTable& file) { return read_all(file, out); }));
    HEARTH_TRY_STATUS(check(out).map_error([&](Error e) { return e.at(path.string()); }));
    return out;
}

Result<Uncertainty> read_uncertainty(const fs::path& path) {
    HEARTH_TRY(const std::string text, read_text(path, std::uint64_t{1} << 20));
    return uncertainty_of(text, path);
}

}  // namespace hearth::plan
