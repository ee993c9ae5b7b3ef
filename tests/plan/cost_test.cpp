// tests/plan/cost_test.cpp - sums worked by hand, electricity counted once, and inputs that make no sense.
#include "plan/cost.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "base/file.h"
#include "material.h"

namespace hearth::plan {
namespace {

// A published build, parts and prices as its owner gave them (docs/cost.md works it): used cards 4234.82,
// board 721.61, supply 497.95, memory 348.79, processor 254.28, case 349.00; 630 W day and night; 20.4M
// tokens in and 1.32M out a day.
CostInputs server() {
    CostInputs in;
    in.currency = "USD";
    in.hardware.price = 4234.82 + 721.61 + 497.95 + 348.79 + 254.28 + 349.00;
    in.hardware.months = 12;
    // Used parts lose 10 % at once, new ones 50 %, cases and cables all:
    const double lost = 0.1 * (4234.82 + 348.79 + 254.28) + 0.5 * (721.61 + 497.95) + 349.00;
    in.hardware.resale = *in.hardware.price - lost;
    in.power.load_watts = in.power.idle_watts = 630;  // its meter showed one figure at all hours
    // 0.63 kW x 24 h x 0.14 is 2.1168 a day, which the owner rounds to 2.11: the tariff that gives 2.11.
    in.power.price_per_kwh = 2.11 / (0.63 * 24);
    in.speed.prefill_tokens_per_second = 1444;
    in.speed.decode_tokens_per_second = 65;
    in.use.input_per_output = 20.4 / 1.32;
    in.use.output_tokens_per_month = 1.32e6 * 365 / 12;
    in.api.input_per_million = 0.29;
    in.api.output_per_million = 3.20;
    return in;
}

TEST(Cost, APublishedBuildIsReproducedToTheCent) {
    const auto r = cost(server());
    ASSERT_OK(r);
    // 0.1 x 4837.89 + 0.5 x 1219.56 + 349.00 = 483.789 + 609.78 + 349.00 = 1442.569
    EXPECT_NEAR(r->capital * 12, 1442.57, 0.005);
    EXPECT_NEAR(r->energy * 12, 770.15, 0.005);   // 2.11 x 365
    EXPECT_NEAR(r->total * 12, 2212.72, 0.005);   // the sum: electricity once (twice would be 2982.87)
    EXPECT_NEAR(r->api_bill * 12, 3701.10, 0.5);  // 20.4 x 0.29 + 1.32 x 3.20 = 10.14 a day
    EXPECT_NEAR(r->saving * 12, 3701.10 - 2212.72, 0.5);
    EXPECT_NEAR(*r->payback_months, 26.23, 0.005);  // 6406.45 / ((3701.10 - 770.15) / 12) = 26.2295
    EXPECT_FALSE(r->payback_within_life);
    // 20.4e6 / 1444 + 1.32e6 / 65 = 14127 + 20308 = 34435 of 86400 s a day
    EXPECT_NEAR(r->utilisation, 34435.0 / 86400, 1e-4);
}

// Round numbers: 1000 tokens/s in and 100 out, one input token for each output token: 1M output tokens take
// 1e6/1000 + 1e6/100 = 11000 s = 3.05556 h.
CostInputs round_numbers() {
    CostInputs in;
    in.currency = "EUR";
    in.hardware.price = 1300;
    in.hardware.months = 24;
    in.hardware.resale = 100;
    in.hardware.fixed_per_month = 5;
    in.power.load_watts = 400;
    in.power.idle_watts = 100;
    in.power.price_per_kwh = 0.30;
    in.speed.prefill_tokens_per_second = 1000;
    in.speed.decode_tokens_per_second = 100;
    in.use.utilisation = 0.5;
    in.use.input_per_output = 1;
    in.api.input_per_million = 1;
    in.api.output_per_million = 4;
    return in;
}

TEST(Cost, RoundNumbersByHand) {
    const auto r = cost(round_numbers());
    ASSERT_OK(r);
    const double capacity = 730.0 * 3600 / 11000;  // 238.909 million a month
    EXPECT_NEAR(r->capacity_per_month / 1e6, capacity, 1e-9);
    EXPECT_NEAR(r->capital, 50, 1e-12);            // 1200 / 24
    EXPECT_NEAR(r->energy_kwh, 0.25 * 730, 1e-9);  // 0.5 x 400 + 0.5 x 100 = 250 W
    EXPECT_NEAR(r->energy, 54.75, 1e-9);           // 182.5 x 0.30
    EXPECT_NEAR(r->total, 109.75, 1e-9);           // 50 + 54.75 + 5
    EXPECT_NEAR(*r->per_million_output, 109.75 / (capacity / 2), 1e-12);
    EXPECT_NEAR(*r->per_million_output_energy, 54.75 / (capacity / 2), 1e-12);
    EXPECT_NEAR(*r->per_million, 109.75 / capacity, 1e-12);  // twice the tokens: input counts too
    EXPECT_NEAR(r->api_per_million_output, 5, 1e-12);
    // Fixed each month: 50 + 5 + 0.1 x 730 x 0.30 = 76.9. A million more costs 0.3 kW x 3.05556 h x 0.30 =
    // 0.275.
    EXPECT_NEAR(*r->break_even_output / 1e6, 76.9 / (5 - 0.275), 1e-9);
    EXPECT_TRUE(r->break_even_reachable);
    EXPECT_NEAR(*r->payback_months, 1300 / (capacity / 2 * 5 - 54.75 - 5), 1e-9);
}

TEST(Cost, AtTheBreakEvenVolumeBothCostTheSame) {
    CostInputs in = round_numbers();
    const double volume = *cost(in)->break_even_output;
    in.use.utilisation.reset();
    in.use.output_tokens_per_month = volume;
    const auto r = cost(in);
    ASSERT_OK(r);
    EXPECT_NEAR(r->saving, 0, 1e-9);
    EXPECT_NEAR(*r->break_even_output, volume, 1e-3);
}

TEST(Cost, NeverIsSaid) {
    CostInputs in = round_numbers();
    in.api.input_per_million = 0.01;
    in.api.output_per_million = 0.05;  // under the 0.275 of energy
    auto r = cost(in);
    ASSERT_OK(r);
    EXPECT_FALSE(r->break_even_output.has_value());
    EXPECT_FALSE(r->payback_months.has_value());
    EXPECT_NE(cost_text(*r).find("never"), std::string::npos);
    in.api.output_per_million = 0.40;  // above it, but 76.9 / 0.135 is 570 million: over the capacity
    r = cost(in);
    EXPECT_TRUE(r->break_even_output.has_value());
    EXPECT_FALSE(r->break_even_reachable);
    EXPECT_NE(cost_text(*r).find("not reachable"), std::string::npos);
    in.use.utilisation = 0;
    r = cost(in);
    ASSERT_OK(r);
    EXPECT_FALSE(r->per_million_output.has_value());
    EXPECT_EQ(r->api_bill, 0);
    EXPECT_NE(to_json(cost_json(*r)).find("\"own\": null"), std::string::npos);
}

TEST(Cost, NonsenseIsRefusedByName) {
    const auto fault = [](auto&& change) {
        CostInputs in = round_numbers();
        change(in);
        const auto r = cost(in);
        return r ? std::string("accepted") : r.error().message;
    };
    const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
    const std::vector<std::pair<std::string, std::function<void(CostInputs&)>>> cases = {
        {"currency:", [](CostInputs& i) { i.currency = ""; }},
        {"currency:", [](CostInputs& i) { i.currency = "usd"; }},
        {"currency:", [](CostInputs& i) { i.currency = "DOLLAR"; }},
        {"power.load_watts:", [](CostInputs& i) { i.power.load_watts = -630; }},
        {"power.load_watts:", [](CostInputs& i) { i.power.load_watts = 0; }},
        {"power.load_watts:", [](CostInputs& i) { i.power.load_watts.reset(); }},
        {"power.idle_watts:", [](CostInputs& i) { i.power.idle_watts = -1; }},
        {"power.idle_watts:", [](CostInputs& i) { i.power.idle_watts = 401; }},
        {"power.price_per_kwh:", [=](CostInputs& i) { i.power.price_per_kwh = nan; }},
        {"use.utilisation:", [](CostInputs& i) { i.use.utilisation = 3; }},
        {"use.utilisation:", [](CostInputs& i) { i.use.utilisation = -0.1; }},
        {"use: expected either", [](CostInputs& i) { i.use.output_tokens_per_month = 5; }},
        {"use: expected either", [](CostInputs& i) { i.use.utilisation.reset(); }},
        {"use.output_tokens_per_month:",
         [](CostInputs& i) { i.use.utilisation.reset(), i.use.output_tokens_per_month = 239e6; }},
        {"use.input_per_output:", [](CostInputs& i) { i.use.input_per_output = -1; }},
        {"hardware.months:", [](CostInputs& i) { i.hardware.months = 0; }},
        {"hardware.price:", [](CostInputs& i) { i.hardware.price = -1; }},
        {"hardware.price:", [=](CostInputs& i) { i.hardware.price = inf; }},
        {"hardware.resale:", [](CostInputs& i) { i.hardware.resale = 1301; }},
        {"hardware.fixed_per_month:", [](CostInputs& i) { i.hardware.fixed_per_month = -2; }},
        {"speed.decode_tokens_per_second:", [](CostInputs& i) { i.speed.decode_tokens_per_second = 0; }},
        {"speed.prefill_tokens_per_second:",
         [](CostInputs& i) { i.speed.prefill_tokens_per_second.reset(); }},
        {"api.input_per_million:", [](CostInputs& i) { i.api.input_per_million = -1; }},
        {"api.output_per_million:", [](CostInputs& i) { i.api.output_per_million.reset(); }},
    };
    for (const auto& [want, change] : cases) {
        const std::string got = fault(change);
        EXPECT_EQ(got.find(want), 0u) << "wanted " << want << ", saw " << got;
    }
}

class CostFileTest : public testing::Test {
  protected:
    void SetUp() override {
        path_ = fs::temp_directory_path() / fmt::format("hearth-cost-test-{}.toml", getpid());
    }
    void TearDown() override { fs::remove(path_); }
    std::string fault_of(std::string_view text) {
        EXPECT_OK(write_whole(path_, text));
        CostInputs in;
        const Status status = read_cost_file(path_, in);
        return status ? "accepted" : status.error().message;
    }
    fs::path path_;
};

TEST_F(CostFileTest, TheExampleRuns) {
    CostInputs in;
    ASSERT_OK(read_cost_file(hearth::tests::source_dir() / "examples/cost.toml", in));
    EXPECT_EQ(*in.hardware.price, 6406.45);
    EXPECT_EQ(in.hardware.fixed_per_month, 0);
    EXPECT_EQ(in.api.name, "API, same model");
    const auto r = cost(in);
    ASSERT_OK(r);
    EXPECT_NE(cost_text(*r).find("USD per million tokens"), std::string::npos);
    EXPECT_NE(cost_line(*r).find("break-even"), std::string::npos);
    EXPECT_EQ(cost_json(*r).at("inputs").at("power.load_watts").as_double(), 630);
}

TEST_F(CostFileTest, FaultsNameTheLine) {
    for (const auto& [text, want] : std::vector<std::pair<const char*, const char*>>{
             {"currency = \"USD\"\n[power]\nwatts = 5\n",
              ".toml:3: expected a known key, saw \"power.watts\""},
             {"\n[powr]\nload_watts = 5\n",
              ".toml:2: expected hardware, power, speed, use, api, failures, people or finance, saw [powr]"},
             {"currency = 5\n", ".toml:1: currency: expected a string"},
             {"[power]\nload_watts = \"630\"\n", ".toml:2: power.load_watts: expected a number"},
             {"[power]\nload_watts = true\n", ".toml:2: power.load_watts: expected a number"},
             {"price = 5\n", ".toml:1: expected a known key, saw \"price\""},
             {"[power\n", ".toml:1: expected valid TOML"},
             {"[speed]\nsource = 1\n", ".toml:2: speed.source: expected a string"}}) {
        const std::string got = fault_of(text);
        EXPECT_NE(got.find(want), std::string::npos) << got;
    }
    CostInputs in;
    EXPECT_EQ(read_cost_file(path_.string() + ".none", in).error().fault, Fault::not_found);
}

TEST_F(CostFileTest, MeasuredSpeedsComeFromTheBench) {
    ASSERT_OK(write_whole(
        path_, "{\"prefill_tokens_per_second\": 900, \"decode_tokens_per_second\": 81.5, \"more\": 1}"));
    CostInputs in;
    ASSERT_OK(read_measured_speed(path_, in));
    EXPECT_EQ(*in.speed.decode_tokens_per_second, 81.5);
    EXPECT_EQ(in.speed.source.find("measured"), 0u);
    EXPECT_FALSE(in.speed.counted_decode_watts.has_value());
    // Watts of the counters become watts at the wall once the rest of the machine is told: (30 + 50) / 0.8.
    ASSERT_OK(
        write_whole(path_, R"({"prefill_tokens_per_second": 900, "decode_tokens_per_second": 81.5, "points": [
        {"phase": "prefill", "watts": 70}, {"phase": "decode", "watts": 30}, {"phase": "decode", "watts": 99}]})"));
    in = server();
    ASSERT_OK(read_measured_speed(path_, in));
    EXPECT_FALSE(cost(in)->inputs.power.decode_watts.has_value());
    in.power.rest_watts = 50;
    in.power.supply_efficiency = 0.8;
    in.power.idle_watts = 40;
    in.power.load_watts.reset();
    const auto r = cost(in);
    ASSERT_OK(r);
    EXPECT_DOUBLE_EQ(*r->inputs.power.prefill_watts, 150);
    EXPECT_DOUBLE_EQ(*r->inputs.power.decode_watts, 100);
    EXPECT_DOUBLE_EQ(*r->inputs.power.load_watts, 150);
    ASSERT_OK(
        write_whole(path_, R"({"prefill_tokens_per_second": 900, "decode_tokens_per_second": 81.5, "points": [
        {"phase": "decode", "watts": "many"}]})"));
    EXPECT_NE(read_measured_speed(path_, in).error().message.find("watts"), std::string::npos);
    ASSERT_OK(write_whole(path_, "{\"prefill_tokens_per_second\": 900}"));
    EXPECT_FALSE(read_measured_speed(path_, in).has_value());
}

}  // namespace
}  // namespace hearth::plan
