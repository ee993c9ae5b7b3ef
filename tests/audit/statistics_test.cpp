// tests/audit/statistics_test.cpp - intervals and tests against scipy and statsmodels (statistics.json).
#include "audit/statistics.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>

#include "audit/divergence.h"
#include "base/file.h"
#include "base/json.h"
#include "material.h"

namespace hearth::audit {
namespace {

const Json& expected() {
    static const Json value = [] {
        const auto text = read_text(hearth::tests::fixture("audit/statistics.json"), 1 << 20);
        return *parse_json(*text, "statistics.json");
    }();
    return value;
}

double at(const Json& row, const char* key) { return row.at(key).to_number<double>(); }
Pairs pairs_of(const Json& row) {
    return {row.at("n").as_int64(), row.at("base_only").as_int64(), row.at("variant_only").as_int64()};
}

TEST(Statistics, WilsonAgreesWithStatsmodels) {
    for (const Json& row : expected().at("wilson").as_array()) {
        const Interval got = wilson(row.at("k").as_int64(), row.at("n").as_int64());
        EXPECT_NEAR(got.low, row.at("interval").at(0).to_number<double>(), 1e-12) << to_json(row);
        EXPECT_NEAR(got.high, row.at("interval").at(1).to_number<double>(), 1e-12) << to_json(row);
    }
    EXPECT_EQ(wilson(0, 0).high, 1);
}

TEST(Statistics, McNemarAgreesWithStatsmodels) {
    for (const Json& row : expected().at("paired").as_array())
        EXPECT_NEAR(mcnemar_exact(pairs_of(row)), at(row, "mcnemar"), 1e-12) << to_json(row);
}

TEST(Statistics, TheScoreIntervalAgreesWithNumericalLikelihood) {
    int checked = 0;
    for (const Json& row : expected().at("paired").as_array()) {
        if (row.as_object().if_contains("interval") == nullptr) continue;
        const Interval got = paired_interval(pairs_of(row));
        // The oracle maximises numerically, good to about 1e-8 at the border of the parameters.
        EXPECT_NEAR(got.low, row.at("interval").at(0).to_number<double>(), 1e-7) << to_json(row);
        EXPECT_NEAR(got.high, row.at("interval").at(1).to_number<double>(), 1e-7) << to_json(row);
        ++checked;
    }
    EXPECT_GE(checked, 10);
}

TEST(Statistics, TheScoreIntervalStaysInsideItsRange) {
    for (const Pairs& pairs :
         {Pairs{10, 10, 0}, Pairs{10, 0, 10}, Pairs{1, 1, 0}, Pairs{1, 0, 0}, Pairs{0, 0, 0}}) {
        const Interval got = paired_interval(pairs);
        EXPECT_GE(got.low, -1);
        EXPECT_LE(got.high, 1);
        EXPECT_LE(got.low, paired_difference(pairs));
        EXPECT_GE(got.high, paired_difference(pairs));
    }
}

TEST(Statistics, HolmAgreesWithStatsmodels) {
    for (const Json& row : expected().at("holm").as_array()) {
        std::vector<double> p;
        for (const Json& v : row.at("p").as_array()) p.push_back(v.to_number<double>());
        const auto got = holm(p);
        for (std::size_t i = 0; i < p.size(); ++i)
            EXPECT_NEAR(got[i], row.at("adjusted").at(i).to_number<double>(), 1e-15) << to_json(row);
    }
}

TEST(Statistics, TheBootstrapAgreesWithScipyWithinItsOwnNoise) {
    for (const Json& row : expected().at("bootstrap").as_array()) {
        std::vector<Cluster> clusters;
        for (std::size_t i = 0; i < row.at("sums").as_array().size(); ++i)
            clusters.push_back(
                {row.at("sums").at(i).to_number<double>(), row.at("counts").at(i).to_number<double>()});
        const double low = row.at("interval").at(0).to_number<double>(),
                     high = row.at("interval").at(1).to_number<double>();
        // An edge from R resamples has a standard error of about 1.35 * width / sqrt(R) (binomial noise of
        // the rank over the normal density at 1.96): 4 of them are 1.7 % of the width at 100,000, 12 % at
        // 2,000.
        for (const auto& [resamples, share] :
             {std::pair{100'000, 0.017}, std::pair{kBootstrapResamples, 0.12}}) {
            const Interval got = bootstrap_ratio(clusters, kSeedDefault, resamples);
            EXPECT_NEAR(got.low, low, share * (high - low));
            EXPECT_NEAR(got.high, high, share * (high - low));
        }
        const Interval once = bootstrap_ratio(clusters, 5), again = bootstrap_ratio(clusters, 5),
                       other = bootstrap_ratio(clusters, 6);
        EXPECT_EQ(once.low, again.low);
        EXPECT_EQ(once.high, again.high);
        EXPECT_NE(once.low, other.low);
    }
}

TEST(Statistics, NormalQuantilesAgreeWithScipy) {
    for (const Json& row : expected().at("normal_quantile").as_array())
        EXPECT_NEAR(normal_quantile(at(row, "p")), at(row, "z"), 1e-11) << at(row, "p");
}

TEST(Statistics, QuantilesAreTheRankedValues) {
    const std::vector<double> four = {1, 2, 3, 4}, hundred = [] {
        std::vector<double> v;
        for (int i = 0; i < 100; ++i) v.push_back(i);
        return v;
    }();
    EXPECT_EQ(quantile_sorted(four, 0.5), 3);  // ranked[len // 2]
    EXPECT_EQ(quantile_sorted(hundred, 0.99), 99);
    EXPECT_EQ(quantile_sorted(four, 1), 4);
}

TEST(Statistics, VerdictsNeverCallSilenceEquality) {
    const auto verdict = [](Pairs p, double margin) { return judge(p, mcnemar_exact(p), margin); };
    EXPECT_EQ(verdict({250, 30, 3}, 0.03), Verdict::worse);
    EXPECT_EQ(verdict({250, 3, 30}, 0.03), Verdict::better);
    EXPECT_EQ(verdict({250, 0, 0}, 0.03), Verdict::no_difference);
    EXPECT_EQ(verdict({20, 0, 0}, 0.03), Verdict::too_few);     // interval +-16 points
    EXPECT_EQ(verdict({250, 15, 14}, 0.03), Verdict::too_few);  // many flips
    EXPECT_EQ(verdict({0, 0, 0}, 0.03), Verdict::too_few);
}

TEST(Statistics, TheDetectableDifferenceCoversWhatTheExactTestNeeds) {
    // 2 * 0.5^6 = 0.03125 < 0.05, 2 * 0.5^5 = 0.0625: six one-way flips are the fewest that can be called.
    EXPECT_DOUBLE_EQ(detectable_difference({250, 0, 0}, 0.05), 6.0 / 250);
    // 5 % flips of 1,319 items: (1.959964 + 0.841621) * sqrt(0.05 / 1319) = 1.725 points.
    EXPECT_NEAR(detectable_difference({1319, 33, 33}, 0.05), 2.801585 * std::sqrt(66.0) / 1319, 1e-6);
}

TEST(Divergence, AgreesWithScipy) {
    for (const Json& row : expected().at("divergence").as_array()) {
        std::vector<float> base, variant;
        for (const Json& v : row.at("base").as_array()) base.push_back(v.to_number<float>());
        for (const Json& v : row.at("variant").as_array()) variant.push_back(v.to_number<float>());
        const PairScore got = compare_rows(base, variant, row.at("token").to_number<int>());
        EXPECT_NEAR(got.kl, at(row, "kl"), 1e-14 + 1e-12 * at(row, "kl"));
        EXPECT_NEAR(got.nll_base, at(row, "nll_base"), 1e-12 * (1 + at(row, "nll_base")));
        EXPECT_NEAR(got.nll_variant, at(row, "nll_variant"), 1e-12 * (1 + at(row, "nll_variant")));
        EXPECT_EQ(got.same_top, row.at("same_top").as_bool());
    }
}

}  // namespace
}  // namespace hearth::audit
