// plan/claims.cpp - one function a kind of claim; each brings the terms that decide.
#include "plan/claims.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/file.h"
#include "base/terminal.h"
#include "plan/investment.h"
#include "plan/outlook.h"
#include "plan/scenario.h"
#include "plan/toml_table.h"

namespace hearth::plan {
namespace {

constexpr double kToleranceDefault = 0.02;

using Claim = TomlTable;

fs::path beside(const Claim& claim, const std::string& name) {
    return fs::path(claim.where()).parent_path() / name;
}

Result<double> tolerance(const Claim& claim) {
    return claim.number_or("tolerance", kToleranceDefault, 0, 10);
}

bool near(double a, double b, double tolerance) { return std::fabs(a - b) <= tolerance * std::fabs(b); }

std::string money(double x) { return fmt::format("{:.2f}", x); }

// What the sum would be with a known mistake in it, where that explains the claim.
void explain_cost(const std::string& quantity, double says, const CostReport& r, const Investment& i,
                  CheckedClaim& out) {
    const double energy = 12 * r.energy, price = *r.inputs.hardware.price;
    if (quantity == "first_year_total" && near(says, i.first_year_total + energy, 0.01))
        out.terms.push_back(fmt::format(
            "electricity counted twice: {} + {} = {}, and {} more unexplained", money(i.first_year_total),
            money(energy), money(i.first_year_total + energy), money(says - i.first_year_total - energy)));
    if (quantity == "payback_months" && near(says, price / r.api_bill, 0.02))
        out.terms.push_back(fmt::format("electricity left out: {} / {} a month = {:.2f} months", money(price),
                                        money(r.api_bill), price / r.api_bill));
    if (quantity == "cost_share_of_api" && near(says, r.energy / r.api_bill, 0.06))
        out.terms.push_back(
            fmt::format("electricity alone: {} of {} a month, after the hardware is written off",
                        money(r.energy), money(r.api_bill)));
    if (quantity == "break_even_output_per_month" && r.break_even_output && says < *r.break_even_output / 2)
        out.terms.push_back(
            fmt::format("at that volume the API asks {} a month; hardware and waiting cost {}",
                        money(says / 1e6 * r.api_per_million_output), money(r.capital + r.fixed + r.energy)));
}

Status check_cost(const Claim& claim, CheckedClaim& out) {
    HEARTH_TRY(const std::string file, claim.text("file"));
    HEARTH_TRY(const std::string quantity, claim.text("quantity"));
    HEARTH_TRY(const double says, claim.number("says"));
    CostInputs inputs;
    HEARTH_TRY_STATUS(read_cost_file(beside(claim, file), inputs));
    HEARTH_TRY(const CostReport r, cost(inputs));
    const Investment i = invest(r);
    std::optional<double> ours;
    if (quantity == "first_year_depreciation") {
        ours = i.first_year_depreciation;
    } else if (quantity == "first_year_total") {
        ours = i.first_year_total;
        out.terms.push_back(fmt::format("depreciation {}, electricity {}, the rest {}",
                                        money(i.first_year_depreciation), money(12 * r.energy),
                                        money(12 * r.fixed)));
    } else if (quantity == "first_year_saving") {
        ours = 12 * r.api_bill - i.first_year_total;
        out.terms.push_back(fmt::format("API {}, own {}", money(12 * r.api_bill), money(i.first_year_total)));
    } else if (quantity == "api_per_year") {
        ours = 12 * r.api_bill;
    } else if (quantity == "energy_per_year") {
        ours = 12 * r.energy;
        out.terms.push_back(fmt::format("{:.0f} kWh a year", 12 * r.energy_kwh));
    } else if (quantity == "payback_months") {
        ours = i.payback;
        out.terms.push_back(fmt::format("{} / ({} - {}) a month", money(i.own_capital), money(r.api_bill),
                                        money(r.energy + r.fixed)));
    } else if (quantity == "discounted_payback_months") {
        ours = i.discounted_payback;
    } else if (quantity == "break_even_output_per_month") {
        ours = r.break_even_output;
        out.terms.push_back(
            fmt::format("capital {}, electricity {} and {} else a month, against {} per million",
                        money(r.capital), money(r.energy), money(r.fixed), money(r.api_per_million_output)));
    } else if (quantity == "cost_share_of_api") {
        ours = r.api_bill > 0 ? r.total / r.api_bill : 0;
        out.terms.push_back(fmt::format("{} against {} a month", money(r.total), money(r.api_bill)));
    } else {
        return claim.fault("quantity",
                           fmt::format("saw \"{}\", which is none that docs/cost.md lists", quantity));
    }
    out.says = fmt::format("{:g}", says);
    out.ours = ours ? fmt::format("{:.2f}", *ours) : "never";
    HEARTH_TRY(const double within, tolerance(claim));
    out.holds = ours && near(says, *ours, within);
    if (!out.holds) explain_cost(quantity, says, r, i, out);
    return {};
}

// The devices and the model stand in the claim, or in a scenario that it names.
Result<Outlook> outlook_of(const Claim& claim, const std::string& on) {
    OutlookRequest request;
    if (claim.has("scenario")) {
        HEARTH_TRY(const std::string file, claim.text("scenario"));
        HEARTH_TRY(Scenario scenario, read_scenario(beside(claim, file)));
        request = std::move(scenario.request);
        if (!on.empty()) {
            HEARTH_TRY(request.devices, parse_devices(on));
        }
        return outlook(request);
    }
    HEARTH_TRY(const std::string model, claim.text("model"));
    HEARTH_TRY(request.shape, find_shape(model));
    HEARTH_TRY(const std::string type, claim.text("type"));
    HEARTH_TRY(request.type, find_weight_type(type));
    HEARTH_TRY(request.devices, parse_devices(on));
    HEARTH_TRY(const double context, claim.number_or("context", 4096, 1, 1 << 26));
    HEARTH_TRY(const double memory_gb, claim.number_or("memory_gb", 0, 0, 1e6));
    HEARTH_TRY(const double disk_gbs, claim.number_or("disk_gbs", 0, 0, 1e6));
    HEARTH_TRY(const double tensor_parallel, claim.number_or("tensor_parallel", 0, 0, 1));
    request.use.context = static_cast<std::int64_t>(context);
    request.host_bytes = memory_gb * 1e9;
    request.disk_read_bytes_per_second = disk_gbs * 1e9;
    request.tensor_parallel = tensor_parallel > 0;
    return outlook(request);
}

Result<std::string> devices_of(const Claim& claim) {
    return claim.has("scenario") ? claim.text_or("on", "") : claim.text("on");
}

Status check_memory(const Claim& claim, CheckedClaim& out) {
    HEARTH_TRY(const std::string on, devices_of(claim));
    HEARTH_TRY(const Outlook o, outlook_of(claim, on));
    out.says = "fits";
    out.ours = name(o.answer);
    out.holds = o.answer == Answer::fits;
    out.terms.push_back(fmt::format("{} of weights, {} may be used; the biggest term: {}, {}",
                                    bytes_text(o.bill.weights), bytes_text(o.budget + o.host_budget),
                                    o.bill.biggest().name, bytes_text(o.bill.biggest().bytes)));
    for (const std::string& what : o.what_would) out.terms.push_back("what would do: " + what);
    return {};
}

Status check_decode(const Claim& claim, CheckedClaim& out) {
    HEARTH_TRY(const std::string on, devices_of(claim));
    HEARTH_TRY(const Outlook o, outlook_of(claim, on));
    if (!o.decode) {
        out.ours = name(o.answer);
        out.terms.push_back(o.how);
        return {};
    }
    out.ours = fmt::format("{:.3g} ({:.3g} to {:.3g}), at most {:.3g}", o.decode->tokens_per_second,
                           o.decode->low, o.decode->high, o.ceiling);
    out.terms.push_back(fmt::format("{} read for each token at {} a second",
                                    bytes_text(o.bill.read_per_token),
                                    bytes_text(o.request.devices[0].device.read_bytes_per_second)));
    if (claim.has("beats")) {
        HEARTH_TRY(const std::string other, claim.text("beats"));
        HEARTH_TRY(const Outlook rival, outlook_of(claim, other));
        out.says = "faster than " + other;
        out.terms.push_back(rival.decode ? fmt::format("{}: {:.3g} tokens/s ({:.3g} to {:.3g})", other,
                                                       rival.decode->tokens_per_second, rival.decode->low,
                                                       rival.decode->high)
                                         : fmt::format("{}: {}", other, name(rival.answer)));
        out.holds = !rival.decode || o.decode->low > rival.decode->high;
        return {};
    }
    HEARTH_TRY(const double says, claim.number("says"));
    out.says = fmt::format("{:g} tokens/s", says);
    out.holds = says <= o.decode->high;  // a promise of less is kept
    return {};
}

Status check_shrink(const Claim& claim, CheckedClaim& out) {
    HEARTH_TRY(const std::string model, claim.text("model"));
    HEARTH_TRY(const std::string from_name, claim.text("from"));
    HEARTH_TRY(const std::string to_name, claim.text("to"));
    HEARTH_TRY(const double says, claim.number("says"));
    HEARTH_TRY(const ModelShape shape, find_shape(model));
    HEARTH_TRY(const WeightType from, find_weight_type(from_name));
    HEARTH_TRY(const WeightType to, find_weight_type(to_name));
    const MemoryUse use{.context = 1};
    const MemoryBill before = memory_bill(shape, &from, use), after = memory_bill(shape, &to, use);
    const double ours = before.weights / after.weights;
    out.says = fmt::format("{:g}x", says);
    out.ours = fmt::format("{:.2f}x", ours);
    HEARTH_TRY(const double within, tolerance(claim));
    out.holds = near(says, ours, within);
    out.terms.push_back(
        fmt::format("{} to {}: {:.2f} bits a weight, since embeddings, head, routers and norms "
                    "keep theirs; every weight in it would be {:.2f}x",
                    bytes_text(before.weights), bytes_text(after.weights),
                    8 * after.weights / static_cast<double>(shape.parameters()), from.linear / to.linear));
    return {};
}

Status check_power(const Claim& claim, CheckedClaim& out) {
    HEARTH_TRY(const double watts, claim.number("watts", 0, 1e9));
    HEARTH_TRY(const double price, claim.number("price_per_kwh", 0, 1e6));
    HEARTH_TRY(const double says, claim.number("says"));
    HEARTH_TRY(const double hours, claim.number_or("hours_per_year", 8760, 0, 8784));
    const double ours = watts / 1000 * hours * price;
    out.says = fmt::format("{:g} a year", says);
    out.ours = fmt::format("{:.0f} a year", ours);
    HEARTH_TRY(const double within, tolerance(claim));
    out.holds = near(says, ours, within);
    out.terms.push_back(fmt::format("{:g} W x {:g} h x {:g}", watts, hours, price));
    return {};
}

Result<CheckedClaim> check_one(const Claim& claim) {
    CheckedClaim out;
    HEARTH_TRY(out.text, claim.text("text"));
    HEARTH_TRY(out.kind, claim.text("kind"));
    HEARTH_TRY(out.source, claim.text_or("source", ""));
    HEARTH_TRY(const std::string note, claim.text_or("note", ""));
    struct Row {
        std::string_view kind;
        Status (*check)(const Claim&, CheckedClaim&);
    };
    static constexpr Row kRows[] = {{"cost", check_cost},
                                    {"memory", check_memory},
                                    {"decode", check_decode},
                                    {"shrink", check_shrink},
                                    {"power", check_power}};
    for (const Row& row : kRows)
        if (row.kind == out.kind) {
            if (auto ok = row.check(claim, out); !ok) return fail(ok.error());
            if (auto ok = claim.finish(); !ok) return fail(ok.error());
            if (!note.empty()) out.terms.push_back(note);
            return out;
        }
    return claim.fault("kind",
                       fmt::format("expected cost, memory, decode, shrink or power, saw \"{}\"", out.kind));
}

Status check_all(const TomlTable& file, std::vector<CheckedClaim>& out) {
    HEARTH_TRY(const auto claims, file.tables("claim"));
    if (claims.empty()) return file.fault("claim", "expected tables [[claim]], saw none");
    HEARTH_TRY_STATUS(file.finish());
    for (const Claim& claim : claims) {
        HEARTH_TRY(CheckedClaim checked, check_one(claim));
        out.push_back(std::move(checked));
    }
    return {};
}

}  // namespace

Result<std::vector<CheckedClaim>> claims_of(std::string_view text, const std::filesystem::path& path) {
    std::vector<CheckedClaim> out;
    HEARTH_TRY_STATUS(
        read_toml(text, path.string(), [&](const TomlTable& file) { return check_all(file, out); }));
    return out;
}

Result<std::vector<CheckedClaim>> check_claims(const std::filesystem::path& path) {
    HEARTH_TRY(const std::string text, read_text(path, std::uint64_t{1} << 20));
    return claims_of(text, path);
}

std::string claims_text(const std::vector<CheckedClaim>& claims) {
    std::string out;
    std::size_t held = 0;
    for (const CheckedClaim& claim : claims) {
        held += claim.holds ? 1 : 0;
        out +=
            fmt::format("{}  {}\n", claim.holds ? tinted("holds", Tint::green) : tinted("fails", Tint::red),
                        tinted(claim.text, Tint::bold));
        out += fmt::format("       says {}; ours: {}\n", claim.says, claim.ours);
        for (const std::string& term : claim.terms) out += "       - " + term + "\n";
    }
    return out + fmt::format("\n{} of {} claims hold.\n", held, claims.size());
}

Json claims_json(const std::vector<CheckedClaim>& claims) {
    boost::json::array out;
    for (const CheckedClaim& claim : claims) {
        boost::json::array terms;
        for (const std::string& term : claim.terms) terms.emplace_back(term);
        out.push_back({{"text", claim.text},
                       {"kind", claim.kind},
                       {"source", claim.source},
                       {"says", claim.says},
                       {"ours", claim.ours},
                       {"holds", claim.holds},
                       {"terms", std::move(terms)}});
    }
    return {{"claims", std::move(out)}};
}

}  // namespace hearth::plan
