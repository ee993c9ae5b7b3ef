// tests/plan/uncertain_test.cpp - distributions against closed forms, correlations, the same numbers each
// time.
#include "plan/uncertain.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/file.h"
#include "material.h"

namespace hearth::plan {
namespace {

// A month that is one number: the bill of one million tokens at the API's price.
CostInputs plain() {
    CostInputs in;
    in.currency = "USD";
    in.hardware.price = 1000;
    in.hardware.months = 10;
    in.power.load_watts = 1;
    in.power.price_per_kwh = 0;
    in.speed.prefill_tokens_per_second = in.speed.decode_tokens_per_second = 1e6;
    in.use.input_per_output = 0;
    in.use.output_tokens_per_month = 1e6;
    in.api.input_per_million = 0;
    in.api.output_per_million = 100;
    return in;
}

TEST(Uncertain, Quantiles) {
    using Kind = Uncertain::Kind;
    const Uncertain uniform{Kind::uniform, "x", 2, 0, 4, ""}, triangle{Kind::triangular, "x", 0, 1, 4, ""},
        normal{Kind::normal, "x", -1.2815515655446004, 0, 1.2815515655446004, ""};
    EXPECT_DOUBLE_EQ(uniform.at(0.25), 2.5);
    EXPECT_DOUBLE_EQ(triangle.at(0.25), 1);  // a quarter of the triangle lies left of its peak
    EXPECT_NEAR(triangle.at(1), 4, 1e-12);
    EXPECT_NEAR(normal.at(0.975), 1.959963984540054, 1e-9);
    EXPECT_NEAR(normal.at(0.9), 1.2815515655446004, 1e-9);
}

TEST(Uncertain, MonteCarloAgreesWithTheClosedForm) {
    // NPV = 10 p - 1000 with p uniform on 50 to 150: uniform on -500 to 500.
    const Uncertainty u{{{Uncertain::Kind::uniform, "api.output_per_million", 50, 0, 150, ""}}, {}};
    const auto mc = monte_carlo(plain(), u, 20'000, 1);
    ASSERT_OK(mc);
    // Standard errors: 1000 sqrt(q (1 - q) / n) is 1.5 at the fifth percentile, 3.5 at the middle.
    EXPECT_NEAR(mc->npv.p5, -450, 9);
    EXPECT_NEAR(mc->npv.p50, 0, 21);
    EXPECT_NEAR(mc->npv.p95, 450, 9);
    EXPECT_NEAR(mc->pays_off, 0.5, 0.02);
    const auto again = monte_carlo(plain(), u, 20'000, 1);
    EXPECT_EQ(mc->npv.p50, again->npv.p50);
    EXPECT_NE(mc->npv.p50, monte_carlo(plain(), u, 20'000, 2)->npv.p50);
    const auto rows = tornado(plain(), u);
    ASSERT_OK(rows);
    EXPECT_NEAR((*rows)[0].npv_at_low, -400, 1e-9);
    EXPECT_NEAR((*rows)[0].npv_at_high, 400, 1e-9);
}

TEST(Uncertain, CorrelationsMoveTogether) {
    // NPV = 10 (p - f) - 1000: with p and f moving as one the spread is gone, moving apart it doubles.
    Uncertainty u{{{Uncertain::Kind::normal, "api.output_per_million", 190, 0, 210, ""},
                   {Uncertain::Kind::normal, "hardware.fixed_per_month", 90, 0, 110, ""}},
                  {{"api.output_per_million", "hardware.fixed_per_month", 1.0}}};
    const auto spread = [&] {
        const auto mc = monte_carlo(plain(), u, 4'000, 3);
        EXPECT_OK(mc);
        return mc->npv.p95 - mc->npv.p5;
    };
    EXPECT_NEAR(spread(), 0, 1e-6);
    u.correlations[0].of = 0;
    const double independent = spread();
    u.correlations[0].of = -1;
    // Deviations: 10 * 7.803 each; independent sqrt(2) of one, opposed twice of one.
    EXPECT_NEAR(spread() / independent, std::sqrt(2.0), 0.08);
}

TEST(Uncertain, NonsenseIsRefused) {
    const auto fault = [](const Uncertainty& u) {
        const auto mc = monte_carlo(plain(), u, 100, 1);
        return mc ? std::string("accepted") : mc.error().message;
    };
    const Uncertain good{Uncertain::Kind::uniform, "api.output_per_million", 1, 0, 2, ""};
    EXPECT_EQ(fault({{good}, {}}), "accepted");
    EXPECT_NE(fault({{{Uncertain::Kind::uniform, "api.output_per_million", 2, 0, 1, ""}}, {}})
                  .find("low below high"),
              std::string::npos);
    EXPECT_NE(fault({{{Uncertain::Kind::uniform, "no.field", 1, 0, 2, ""}}, {}}).find("no.field"),
              std::string::npos);
    EXPECT_NE(fault({{good}, {{"api.output_per_million", "x", 0.5}}}).find("correlation"), std::string::npos);
    EXPECT_NE(
        fault({{{Uncertain::Kind::uniform, "use.utilisation", 2, 0, 3, ""}}, {}}).find("use.utilisation"),
        std::string::npos);
    const Uncertain b{Uncertain::Kind::uniform, "hardware.fixed_per_month", 1, 0, 2, ""};
    const Uncertain c{Uncertain::Kind::uniform, "api.input_per_million", 1, 0, 2, ""};
    EXPECT_NE(fault({{good, b, c},
                     {{good.field, b.field, 0.9}, {b.field, c.field, 0.9}, {good.field, c.field, -0.9}}})
                  .find("contradict"),
              std::string::npos);
    EXPECT_FALSE(monte_carlo(plain(), {{good}, {}}, 0, 1).has_value());
}

TEST(Uncertain, FilesAreRead) {
    const fs::path path = fs::temp_directory_path() / fmt::format("hearth-uncertain-{}.toml", getpid());
    const auto fault = [&](std::string_view text) {
        EXPECT_OK(write_whole(path, text));
        const auto read = read_uncertainty(path);
        return read ? fmt::format("{} inputs", read->inputs.size()) : read.error().message;
    };
    EXPECT_EQ(fault("[[uncertain]]\nfield = \"api.output_per_million\"\nlow = 1\nhigh = 2\n"), "1 inputs");
    EXPECT_NE(fault("[[uncertain]]\nfield = \"api.nothing\"\nlow = 1\nhigh = 2\n").find(".toml:2"),
              std::string::npos);
    EXPECT_NE(fault("[[uncertain]]\nlow = 1\n").find("uncertain: field: expected a text"), std::string::npos);
    EXPECT_NE(fault("[[uncertain]]\nfield = \"api.output_per_million\"\nkind = \"beta\"\nlow = 1\nhigh = 2\n")
                  .find("beta"),
              std::string::npos);
    const std::string good = "[[uncertain]]\nfield = \"api.output_per_million\"\nlow = 1\nhigh = 2\n";
    for (const auto& [text, says] :
         {std::pair<std::string, const char*>{good + "hihg = 3\n",
                                              ".toml:5: uncertain: hihg: expected one of"},
          {good + "mode = \"x\"\n", ".toml:5: uncertain: mode: expected a number"},
          {good + "mode = inf\n", "uncertain: mode: expected a finite number"},
          {"uncertain = 3\n", ".toml:1: uncertain: expected tables"},
          {good + "[[correlation]]\na = 1\n", ".toml:6: correlation: a: expected a text"},
          {good + "[[correlation]]\na = \"x\"\nb = \"y\"\nof = 2\n",
           "correlation: of: expected -1 to 1, saw 2"}})
        EXPECT_NE(fault(text).find(says), std::string::npos) << fault(text);
    fs::remove(path);
}

}  // namespace
}  // namespace hearth::plan
