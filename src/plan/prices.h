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
};

// The rules: prices above 0 and below 1000, output 1 to 12 times the input, cached input 0 to 1 times, a
// currency. Errors: corrupt, naming the price.
Status check_price(const ApiPrice& price);

std::vector<ApiPrice> api_prices();  // the table in the program

// `file`: a model's TOML of models.dev, or model_prices_and_context_window.json of LiteLLM (then `model`
// chooses). Errors: not_found, corrupt, usage.
Result<ApiPrice> import_price(const std::filesystem::path& file, std::string_view model);
Result<ApiPrice> price_of(const std::string& text, const std::filesystem::path& file, std::string_view model);
// By part of the name of provider and model. Errors: not_found (with what there is), usage (several).
Result<ApiPrice> find_price(std::string_view name);

void use_price(const ApiPrice& price, CostInputs& inputs);

}  // namespace hearth::plan
