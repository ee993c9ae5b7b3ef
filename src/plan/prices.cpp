// plan/prices.cpp - the table, the two outside formats, and the rules.
#include "plan/prices.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

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

constexpr std::size_t kTiersMax = 64;

// models.dev: [[cost.tiers]] with tier = { type = "context", size = N }; older files have one table,
// context_over_200k.
Status read_tiers(const fs::path& file, const toml::node_view<const toml::node>& cost, ApiPrice& price) {
    const auto add = [&](const toml::table& table, std::optional<double> above) -> Status {
        const auto input = table["input"].value<double>(), output = table["output"].value<double>();
        if (!above || !input || !output)
            return fail(Fault::corrupt, "{}:{}: expected a tier with a size, input and output, saw less",
                        file.string(), table.source().begin.line);
        price.tiers.push_back({*above, *input, *output, table["cache_read"].value<double>()});
        return {};
    };
    if (const toml::array* tiers = cost["tiers"].as_array()) {
        for (const toml::node& node : *tiers) {
            const toml::table* table = node.as_table();
            const std::string type =
                table != nullptr ? (*table)["tier"]["type"].value_or(std::string("context")) : std::string();
            if (type != "context")
                return fail(Fault::corrupt, "{}:{}: expected tiers by context, saw another kind",
                            file.string(), node.source().begin.line);
            HEARTH_TRY_STATUS(add(*table, (*table)["tier"]["size"].value<double>()));
        }
    } else if (const toml::table* table = cost["context_over_200k"].as_table()) {
        HEARTH_TRY_STATUS(add(*table, 200'000.0));
    }
    return {};
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
        HEARTH_TRY_STATUS(read_tiers(file, std::as_const(table)["cost"], price));
    } catch (const toml::parse_error& e) {
        return fail(Fault::corrupt, "{}:{}: expected valid TOML, saw {}", file.string(),
                    e.source().begin.line, e.description());
    }
    return price;
}

// "input_cost_per_token_above_200k_tokens" is 200,000; nothing for other names (those for priority too).
std::optional<double> threshold_of(std::string_view key) {
    constexpr std::string_view kBefore = "input_cost_per_token_above_", kAfter = "_tokens";
    if (!key.starts_with(kBefore) || !key.ends_with(kAfter)) return std::nullopt;
    if (key.size() <= kBefore.size() + kAfter.size()) return std::nullopt;
    key = key.substr(kBefore.size(), key.size() - kBefore.size() - kAfter.size());
    const bool thousands = key.back() == 'k';
    if (thousands) key.remove_suffix(1);
    std::uint32_t value = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size()) return std::nullopt;
    return static_cast<double>(value) * (thousands ? 1000 : 1);
}

// Of a LiteLLM row, per million tokens; nothing when it is absent or null.
Result<std::optional<double>> per_million(const JsonCursor& row, std::string_view key) {
    const auto found = row.find(key);
    if (!found || found->is_null()) return std::optional<double>();
    HEARTH_TRY(const double each, found->number());
    return std::optional<double>(each * 1e6);
}

// LiteLLM's tiers: keys that end in _above_200k_tokens, or a list of ranges of prompt tokens.
Status read_tiers(const JsonCursor& row, ApiPrice& price) {
    for (const auto& [key, value] : row.value().as_object()) {
        const std::string_view name(key.data(), key.size());
        const auto above = threshold_of(name);
        if (!above || value.is_null()) continue;
        const std::string suffix(name.substr(std::string_view("input_cost_per_token").size()));
        HEARTH_TRY(const auto input, per_million(row, name));
        HEARTH_TRY(const auto output, per_million(row, "output_cost_per_token" + suffix));
        HEARTH_TRY(const auto cached, per_million(row, "cache_read_input_token_cost" + suffix));
        price.tiers.push_back({*above, *input, output.value_or(price.output), cached});
    }
    std::sort(price.tiers.begin(), price.tiers.end(),
              [](const auto& a, const auto& b) { return a.above_tokens < b.above_tokens; });
    return {};
}
Status read_ranges(const JsonCursor& ranges, ApiPrice& price) {
    HEARTH_TRY(const std::size_t n, ranges.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor range, ranges.at(i));
        HEARTH_TRY(const JsonCursor bounds, range.at("range"));
        HEARTH_TRY(const JsonCursor first, bounds.at(std::size_t{0}));
        HEARTH_TRY(const JsonCursor input, range.at("input_cost_per_token"));
        HEARTH_TRY(const JsonCursor output, range.at("output_cost_per_token"));
        ApiPrice::Tier tier;
        HEARTH_TRY(tier.above_tokens, first.number());
        HEARTH_TRY(tier.input, input.number());
        HEARTH_TRY(tier.output, output.number());
        tier.input *= 1e6;
        tier.output *= 1e6;
        HEARTH_TRY(tier.cached_input, per_million(range, "cache_read_input_token_cost"));
        if (i > 0) {
            price.tiers.push_back(tier);
            continue;
        }
        if (tier.above_tokens != 0) return fail(first.wrong("the first range to begin at 0"));
        price.input = tier.input;
        price.output = tier.output;
        price.cached_input = tier.cached_input;
    }
    return {};
}

// LiteLLM: one object, a member a model, prices in USD per token.
Result<ApiPrice> import_json(const fs::path& file, const std::string& text, std::string_view model) {
    HEARTH_TRY(const Json json, parse_json(text, file.string()));
    if (model.empty())
        return fail(Fault::usage, "{}: expected the name of a model in it (--api), saw none", file.string());
    HEARTH_TRY(const JsonCursor row, JsonCursor(json, file.string()).at(model));
    ApiPrice price{"LiteLLM", std::string(model), "USD", "", file.string()};
    HEARTH_TRY(price.provider, row.string_or("litellm_provider", "LiteLLM"));
    if (const auto ranges = row.find("tiered_pricing")) {
        HEARTH_TRY_STATUS(read_ranges(*ranges, price));
        return price;
    }
    HEARTH_TRY(const JsonCursor input, row.at("input_cost_per_token"));
    HEARTH_TRY(const JsonCursor output, row.at("output_cost_per_token"));
    HEARTH_TRY(price.input, input.number());
    HEARTH_TRY(price.output, output.number());
    price.input *= 1e6;
    price.output *= 1e6;
    HEARTH_TRY(price.cached_input, per_million(row, "cache_read_input_token_cost"));
    HEARTH_TRY_STATUS(read_tiers(row, price));
    return price;
}

}  // namespace

Status check_price(const ApiPrice& p) {
    const auto refuse = [&](std::string_view what, double seen) {
        return fail(Fault::corrupt, "price of {} by {}: expected {}, saw {:g}", p.model, p.provider, what,
                    seen);
    };
    if (p.tiers.size() > kTiersMax) return refuse("at most 64 tiers", static_cast<double>(p.tiers.size()));
    double above = 0;
    for (const ApiPrice::Tier& tier : p.tiers) {
        if (!(tier.above_tokens > above && tier.above_tokens <= 1e12))
            return refuse("tiers whose lengths rise", tier.above_tokens);
        above = tier.above_tokens;
        ApiPrice one = p;
        one.tiers.clear();
        one.input = tier.input;
        one.output = tier.output;
        one.cached_input = tier.cached_input;
        HEARTH_TRY_STATUS(check_price(one));
    }
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

ApiPrice price_at(const ApiPrice& price, double prompt_tokens) {
    ApiPrice out = price;
    out.tiers.clear();
    for (const ApiPrice::Tier& tier : price.tiers) {
        if (!(prompt_tokens > tier.above_tokens)) break;
        out.input = tier.input;
        out.output = tier.output;
        out.cached_input = tier.cached_input;
    }
    return out;
}

void use_price(const ApiPrice& whole, CostInputs& inputs) {
    const double prompt_tokens = inputs.use.prompt_tokens.value_or(0);
    const ApiPrice price = price_at(whole, prompt_tokens);
    inputs.api.name =
        fmt::format("{} by {}{}", price.model, price.provider, price.date.empty() ? "" : ", " + price.date);
    double above = 0, up_to = 0;  // the tier's limits
    for (const ApiPrice::Tier& tier : whole.tiers) {
        if (prompt_tokens > tier.above_tokens)
            above = tier.above_tokens;
        else if (up_to == 0)
            up_to = tier.above_tokens;
    }
    if (above > 0) inputs.api.name += fmt::format(", prompts above {:.0f} tokens", above);
    if (up_to > 0)
        inputs.api.name += fmt::format("{} to {:.0f} tokens", above > 0 ? "" : ", prompts up", up_to);
    inputs.api.input_per_million = price.input;
    inputs.api.output_per_million = price.output;
    inputs.api.cached_input_per_million = price.cached_input;
    inputs.currency = price.currency;
}

}  // namespace hearth::plan
