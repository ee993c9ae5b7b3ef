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
