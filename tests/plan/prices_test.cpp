// tests/plan/prices_test.cpp - the shipped table holds its own rules; outside files in both layouts; broken
// ones.
#include "plan/prices.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "material.h"

namespace hearth::plan {
namespace {

TEST(Prices, TheTableHoldsItsRules) {
    for (const ApiPrice& price : api_prices()) {
        EXPECT_OK(check_price(price));
        EXPECT_EQ(price.date.size(), 10u) << price.model;
        EXPECT_FALSE(price.source.empty()) << price.model;
    }
    EXPECT_EQ(find_price("alibaba")->output, 3.60);
    EXPECT_EQ(find_price("Qwen3.6-27B").error().fault, Fault::usage);  // several
    EXPECT_EQ(find_price("nobody").error().fault, Fault::not_found);
}

class PriceFileTest : public testing::Test {
  protected:
    void TearDown() override { fs::remove(path_); }
    Result<ApiPrice> read(const char* extension, std::string_view text, std::string_view model = "") {
        fs::remove(path_);
        path_ = fs::temp_directory_path() / fmt::format("hearth-price-{}{}", getpid(), extension);
        EXPECT_OK(write_whole(path_, text));
        return import_price(path_, model);
    }
    fs::path path_;
};

TEST_F(PriceFileTest, ModelsDevAndLiteLlm) {
    const auto toml = read(".toml",
                           "name = \"Some Model\"\nlast_updated = \"2026-06-30\"\n[cost]\ninput = 0.5\n"
                           "output = 2.0\ncache_read = 0.05\n");
    ASSERT_OK(toml);
    EXPECT_EQ(toml->model, "Some Model");
    EXPECT_EQ(*toml->cached_input, 0.05);
    const auto json = read(".json", R"({"m": {"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
                                       "cache_read_input_token_cost": 3e-07, "litellm_provider": "p"}})",
                           "m");
    ASSERT_OK(json);
    EXPECT_DOUBLE_EQ(json->output, 15);
    EXPECT_DOUBLE_EQ(*json->cached_input, 0.3);
    CostInputs inputs;
    use_price(*json, inputs);
    EXPECT_EQ(inputs.currency, "USD");
    EXPECT_DOUBLE_EQ(*inputs.api.input_per_million, 3);
}

// Shapes: models.dev's schema ([[cost.tiers]], before it context_over_200k); keys of LiteLLM's
// model_prices_and_context_window.json (gemini-2.5-pro has the first kind, qwen3-coder-plus the second).
TEST_F(PriceFileTest, TiersByLengthOfThePrompt) {
    const auto toml = read(".toml",
                           "name = \"M\"\n[cost]\ninput = 2.5\noutput = 15\ncache_read = 0.25\n"
                           "[[cost.tiers]]\ntier = { type = \"context\", size = 200_000 }\ninput = 5.0\n"
                           "output = 22.5\ncache_read = 0.5\n"
                           "[[cost.tiers]]\ntier = { size = 500_000 }\ninput = 10\noutput = 45\n");
    ASSERT_OK(toml);
    ASSERT_EQ(toml->tiers.size(), 2u);
    EXPECT_EQ(price_at(*toml, 0).input, 2.5);
    EXPECT_EQ(price_at(*toml, 200'000).output, 15);  // a tier begins above its size
    EXPECT_EQ(price_at(*toml, 200'001).output, 22.5);
    EXPECT_EQ(*price_at(*toml, 300'000).cached_input, 0.5);
    EXPECT_EQ(price_at(*toml, 1e6).input, 10);
    EXPECT_FALSE(price_at(*toml, 1e6).cached_input.has_value());
    const auto old =
        read(".toml", "[cost]\ninput = 2\noutput = 10\n[cost.context_over_200k]\ninput = 3\noutput = 15\n");
    ASSERT_OK(old);
    EXPECT_EQ(price_at(*old, 200'001).input, 3);
    const auto above =
        read(".json", R"({"m": {"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
        "input_cost_per_token_above_200k_tokens": 2.5e-06, "output_cost_per_token_above_200k_tokens": 1.5e-05,
        "cache_read_input_token_cost": 1.25e-07, "cache_read_input_token_cost_above_200k_tokens": 2.5e-07,
        "input_cost_per_token_above_200k_tokens_priority": 9e-06, "input_cost_per_token_batches": 1e-07}})",
             "m");
    ASSERT_OK(above);
    ASSERT_EQ(above->tiers.size(), 1u);
    EXPECT_DOUBLE_EQ(price_at(*above, 250'000).input, 2.5);
    EXPECT_DOUBLE_EQ(price_at(*above, 250'000).output, 15);
    EXPECT_DOUBLE_EQ(*price_at(*above, 250'000).cached_input, 0.25);
    const auto ranges = read(".json", R"({"m": {"litellm_provider": "dashscope", "tiered_pricing": [
        {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06},
        {"range": [32000.0, 128000.0], "input_cost_per_token": 1.8e-06, "output_cost_per_token": 9e-06}]}})",
                             "m");
    ASSERT_OK(ranges);
    EXPECT_DOUBLE_EQ(ranges->input, 1);
    EXPECT_DOUBLE_EQ(price_at(*ranges, 100'000).output, 9);
    CostInputs inputs;
    use_price(*ranges, inputs);
    EXPECT_DOUBLE_EQ(*inputs.api.input_per_million, 1);
    EXPECT_NE(inputs.api.name.find("prompts up to 32000 tokens"), std::string::npos) << inputs.api.name;
    inputs.use.prompt_tokens = 50'000;
    use_price(*ranges, inputs);
    EXPECT_DOUBLE_EQ(*inputs.api.input_per_million, 1.8);
    EXPECT_NE(inputs.api.name.find("prompts above 32000 tokens"), std::string::npos) << inputs.api.name;
}

TEST_F(PriceFileTest, BrokenTiersAreRefused) {
    const std::string base = "[cost]\ninput = 2\noutput = 10\n";
    for (const char* tier :
         {"[[cost.tiers]]\ninput = 3\noutput = 15\n", "[[cost.tiers]]\ntier = { size = 9 }\noutput = 15\n",
          "[[cost.tiers]]\ntier = { size = 0 }\ninput = 3\noutput = 15\n",
          "[[cost.tiers]]\ntier = { size = -5 }\ninput = 3\noutput = 15\n",
          "[[cost.tiers]]\ntier = { size = 1e300 }\ninput = 3\noutput = 15\n",
          "[[cost.tiers]]\ntier = { type = \"time\", size = 9 }\ninput = 3\noutput = 15\n",
          "[[cost.tiers]]\ntier = { size = 9 }\ninput = 3\noutput = 1\n",
          "[[cost.tiers]]\ntier = { size = 9 }\ninput = 3\noutput = 15\n"
          "[[cost.tiers]]\ntier = { size = 9 }\ninput = 4\noutput = 15\n"})
        EXPECT_FALSE(read(".toml", base + tier).has_value()) << tier;
    EXPECT_FALSE(read(".toml", "[cost]\ninput = 2\noutput = 10\ntiers = [3]\n").has_value());
    const std::string row = R"({"m": {"input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06, )";
    for (
        const char* tier :
        {R"("input_cost_per_token_above_200k_tokens": "x"}})",
         R"("input_cost_per_token_above_0_tokens": 2e-6}})",
         R"("input_cost_per_token_above_200k_tokens": 6e-6}})", R"("tiered_pricing": 5}})",
         R"("tiered_pricing": []}})", R"("tiered_pricing": [{"range": []}]}})",
         R"("tiered_pricing": [{"range": [9], "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}]}})"})
        EXPECT_FALSE(read(".json", row + tier, "m").has_value()) << tier;
    for (const char* other : {R"("input_cost_per_token_above_k_tokens": 2e-6}})",
                              R"("input_cost_per_token_above__tokens": 2e-6}})",
                              R"("input_cost_per_token_above_99999999999k_tokens": 2e-6}})"}) {
        const auto price = read(".json", row + other, "m");
        ASSERT_OK(price);
        EXPECT_TRUE(price->tiers.empty()) << other;
    }
}

TEST_F(PriceFileTest, BrokenOnesAreRefused) {
    for (const char* cost :
         {"input = 0\noutput = 1", "input = 1\noutput = 0.5", "input = 1\noutput = 13",
          "input = 1\noutput = 2\ncache_read = 1.5", "input = -1\noutput = 1", "input = 1e9\noutput = 1e9",
          "input = nan\noutput = 1", "output = 1", "input = \"x\""})
        EXPECT_FALSE(read(".toml", fmt::format("[cost]\n{}\n", cost)).has_value()) << cost;
    EXPECT_FALSE(read(".toml", "[cost").has_value());
    EXPECT_FALSE(read(".json", "{}", "m").has_value());
    EXPECT_FALSE(read(".json", R"({"m": {"input_cost_per_token": "free"}})", "m").has_value());
    EXPECT_EQ(read(".json", R"({"m": {}})").error().fault, Fault::usage);
    EXPECT_EQ(import_price("no/such/file.json", "m").error().fault, Fault::not_found);
}

}  // namespace
}  // namespace hearth::plan
