// plan/prices.cpp - the table, the two outside formats, and the rules.
#include "plan/prices.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "plan/csv.h"

namespace hearth::plan {
namespace {

constexpr std::string_view kTable =
#include "plan/tables/prices.inc"
    ;
constexpr std::uint64_t kPricesBytesMax = 64u << 20;  // LiteLLM's has 1.6 MB

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// models.dev: a file a model, prices in USD per million under [cost].
Result<ApiPrice> import_toml(const fs::path& file, const std::string& text) {
    ApiPrice price{"models.dev", file.stem().string(), "USD", "", file.string()};
    try {
        const toml::table table = toml::parse(text, file.string());
        const auto input = table["cost"]["input"].value<double>(),
                   output = table["cost"]["output"].value<double>();
        if (!input || !output)
            return fail(Fault::corrupt, "{}: expected [cost] with input and output, saw none", file.string());
        price.model = table["name"].value_or(price.model);
        price.input = *input;
        price.output = *output;
        price.cached_input = table["cost"]["cache_read"].value<double>();
        price.date = table["last_updated"].value_or(std::string());
    } catch (const toml::parse_error& e) {
        return fail(Fault::corrupt, "{}:{}: expected valid TOML, saw {}", file.string(),
                    e.source().begin.line, e.description());
    }
    return price;
}

// LiteLLM: one object, a member a model, prices in USD per token.
Result<ApiPrice> import_json(const fs::path& file, const std::string& text, std::string_view model) {
    HEARTH_TRY(const Json json, parse_json(text, file.string()));
    if (model.empty())
        return fail(Fault::usage, "{}: expected the name of a model in it (--api), saw none", file.string());
    HEARTH_TRY(const JsonCursor row, JsonCursor(json, file.string()).at(model));
    HEARTH_TRY(const JsonCursor input, row.at("input_cost_per_token"));
    HEARTH_TRY(const JsonCursor output, row.at("output_cost_per_token"));
    ApiPrice price{"LiteLLM", std::string(model), "USD", "", file.string()};
    HEARTH_TRY(price.provider, row.string_or("litellm_provider", "LiteLLM"));
    HEARTH_TRY(price.input, input.number());
    HEARTH_TRY(price.output, output.number());
    price.input *= 1e6;
    price.output *= 1e6;
    if (const auto cached = row.find("cache_read_input_token_cost")) {
        HEARTH_TRY(const double each, cached->number());
        price.cached_input = each * 1e6;
    }
    return price;
}

}  // namespace

Status check_price(const ApiPrice& p) {
    const auto refuse = [&](std::string_view what, double seen) {
        return fail(Fault::corrupt, "price of {} by {}: expected {}, saw {:g}", p.model, p.provider, what,
                    seen);
    };
    for (const double x : {p.input, p.output})
        if (!(x > 0 && x < 1000)) return refuse("an amount above 0 and below 1000 per million tokens", x);
    if (p.output / p.input < 1 || p.output / p.input > 12)
        return refuse("output at 1 to 12 times the input's price", p.output / p.input);
    if (p.cached_input && !(*p.cached_input >= 0 && *p.cached_input <= p.input))
        return refuse("cached input at 0 to 1 times the input's price", *p.cached_input / p.input);
    if (p.currency.size() != 3)
        return fail(Fault::corrupt, "price of {} by {}: expected a currency, saw \"{}\"", p.model, p.provider,
                    p.currency);
    return {};
}

std::vector<ApiPrice> api_prices() {
    const auto table = CsvTable::parse(kTable, "prices.inc");
    HEARTH_CHECK(table.has_value(), "the table in the program is well-formed");
    std::vector<ApiPrice> out;
    for (std::size_t i = 0; i < table->n_rows(); ++i) {
        const auto text = [&](std::string_view column) { return std::string(table->cell(i, column)); };
        const auto number = [&](std::string_view column) { return table->number(i, column).value(); };
        out.push_back({text("provider"), text("model"), text("currency"), text("date"), text("source"),
                       number("input").value_or(0), number("output").value_or(0), number("cached_input")});
    }
    return out;
}

Result<ApiPrice> import_price(const fs::path& file, std::string_view model) {
    HEARTH_TRY(const std::string text, read_text(file, kPricesBytesMax));
    return price_of(text, file, model);
}

Result<ApiPrice> price_of(const std::string& text, const fs::path& file, std::string_view model) {
    Result<ApiPrice> price =
        file.extension() == ".toml" ? import_toml(file, text) : import_json(file, text, model);
    if (!price) return price;
    HEARTH_TRY_STATUS(check_price(*price).map_error([&](Error e) { return e.at(file.string()); }));
    return price;
}

Result<ApiPrice> find_price(std::string_view name) {
    std::vector<ApiPrice> found;
    std::string names;
    for (const ApiPrice& price : api_prices()) {
        const std::string own = price.provider + ": " + price.model;
        names.append(names.empty() ? "" : "; ").append(own);
        if (lower(own).find(lower(name)) != std::string::npos) found.push_back(price);
    }
    if (found.empty()) return fail(Fault::not_found, "API \"{}\": expected one of {}; saw none", name, names);
    if (found.size() > 1)
        return fail(Fault::usage, "API \"{}\": expected one of {}; saw {} that it may be", name, names,
                    found.size());
    return found[0];
}

void use_price(const ApiPrice& price, CostInputs& inputs) {
    inputs.api.name =
        fmt::format("{} by {}{}", price.model, price.provider, price.date.empty() ? "" : ", " + price.date);
    inputs.api.input_per_million = price.input;
    inputs.api.output_per_million = price.output;
    inputs.api.cached_input_per_million = price.cached_input;
    inputs.currency = price.currency;
}

}  // namespace hearth::plan
