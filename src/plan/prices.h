// plan/prices.h - what APIs ask: a small table with dates and sources, and files that users bring
// (models.dev's TOML, LiteLLM's JSON), all held to rules that catch broken ones.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/cost.h"

namespace hearth::plan {

struct ApiPrice {
    std::string provider, model, currency, date, source;
    double input = 0, output = 0;  // per million tokens
    std::optional<double> cached_input = {};
    // Prices of whole requests whose prompt is longer than that many tokens, in rising order.
    struct Tier {
        double above_tokens = 0;
        double input = 0, output = 0;
        std::optional<double> cached_input = {};
    };
    std::vector<Tier> tiers = {};
};

// The rules: prices above 0 and below 1000, output 1 to 12 times the input, cached input 0 to 1 times, a
// currency; the same for each tier, at most 64, whose lengths rise. Errors: corrupt, naming the price.
Status check_price(const ApiPrice& price);

std::vector<ApiPrice> api_prices();  // the table in the program

// `file`: a model's TOML of models.dev, or model_prices_and_context_window.json of LiteLLM (then `model`
// chooses). Tiers by length of the prompt: models.dev's [[cost.tiers]] and the older context_over_200k;
// LiteLLM's input_cost_per_token_above_200k_tokens and tiered_pricing. Errors: not_found, corrupt, usage.
Result<ApiPrice> import_price(const std::filesystem::path& file, std::string_view model);
Result<ApiPrice> price_of(const std::string& text, const std::filesystem::path& file, std::string_view model);
// By part of the name of provider and model. Errors: not_found (with what there is), usage (several).
Result<ApiPrice> find_price(std::string_view name);

// The price of requests with prompts of that many tokens: its tier's. `tiers` is empty then.
ApiPrice price_at(const ApiPrice& price, double prompt_tokens);

// At use.prompt_tokens; without it the prices of short prompts, which api.name then says.
void use_price(const ApiPrice& price, CostInputs& inputs);

}  // namespace hearth::plan
