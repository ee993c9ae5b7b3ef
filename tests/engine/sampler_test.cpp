// tests/engine/sampler_test.cpp - draws follow the stated probabilities; each filter and penalty does what it
// says.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "engine/kv_blocks.h"
#include "material.h"
#include "models/architecture.h"

namespace hearth::engine {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 0.0f, 2.5f};

std::map<int, int> draw(SamplingParams params, int n) {
    std::map<int, int> counts;
    Sampler sampler(params, {});
    for (int i = 0; i < n; ++i) ++counts[sampler.sample(kLogits)];
    return counts;
}

// Pearson's statistic against softmax(logits / temperature) over the allowed ids.
double chi_square(const std::map<int, int>& counts, const std::vector<int>& allowed, double temperature,
                  int n) {
    double total = 0, statistic = 0;
    for (const int id : allowed)
        total += std::exp(static_cast<double>(kLogits[static_cast<std::size_t>(id)]) / temperature);
    for (const int id : allowed) {
        const double want =
            n * std::exp(static_cast<double>(kLogits[static_cast<std::size_t>(id)]) / temperature) / total;
        const double seen = counts.contains(id) ? counts.at(id) : 0;
        statistic += (seen - want) * (seen - want) / want;
    }
    return statistic;
}

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
    Sampler sampler({}, {});
    EXPECT_EQ(sampler.sample(kLogits), 1);
    EXPECT_EQ(sampler.sample(std::vector<float>{2, 5, 5, 1}), 1);
}

TEST(Sampler, DrawsFollowTheSoftmax) {
    constexpr int kDraws = 20'000;
    for (const double temperature : {0.7, 1.0, 2.0}) {
        const auto counts = draw({.temperature = temperature, .seed = 7}, kDraws);
        // Four degrees of freedom: 23.5 is the 99.99th percentile.
        EXPECT_LT(chi_square(counts, {0, 1, 2, 3, 4}, temperature, kDraws), 23.5) << temperature;
    }
    const auto top2 = draw({.temperature = 1, .top_k = 2, .seed = 8}, kDraws);
    EXPECT_EQ(top2.size(), 2u);
    EXPECT_LT(chi_square(top2, {1, 4}, 1, kDraws), 15.1);
    // Shares: .466 .283 .171 .063 .017; the fewest that reach .7 are the first two, .8 the first three.
    EXPECT_EQ(draw({.temperature = 1, .top_p = 0.7, .seed = 9}, kDraws).size(), 2u);
    EXPECT_EQ(draw({.temperature = 1, .top_p = 0.8, .seed = 9}, kDraws).size(), 3u);
    EXPECT_EQ(draw({.temperature = 1, .top_p = 0, .seed = 9}, kDraws).size(), 1u);
    // Relative to the best: 1, .607, .368, .135, .050.
    EXPECT_EQ(draw({.temperature = 1, .min_p = 0.3, .seed = 9}, kDraws).size(), 3u);
}

TEST(Sampler, TheSeedDecides) {
    const auto sequence = [](std::uint64_t seed) {
        Sampler sampler({.temperature = 1, .seed = seed}, {});
        std::vector<int> ids;
        for (int i = 0; i < 50; ++i) ids.push_back(sampler.sample(kLogits));
        return ids;
    };
    EXPECT_EQ(sequence(1), sequence(1));
    EXPECT_NE(sequence(1), sequence(2));
}

TEST(Sampler, PenaltiesAndBias) {
    Sampler repetition({.repetition_penalty = 2}, std::vector<int>{1});
    EXPECT_EQ(repetition.sample(kLogits), 4);  // 3 / 2 = 1.5 falls behind 2.5
    repetition.accept(4);
    EXPECT_EQ(repetition.sample(kLogits), 2);
    Sampler negative({.repetition_penalty = 2}, std::vector<int>{0});
    EXPECT_EQ(negative.sample(std::vector<float>{-1.0f, -1.5f}), 1);  // -1 * 2 = -2
    Sampler presence({.presence_penalty = 0.6}, {});
    EXPECT_EQ(presence.sample(kLogits), 1);
    presence.accept(1);
    presence.accept(1);
    EXPECT_EQ(presence.sample(kLogits), 4);  // 3 - 0.6, once
    Sampler frequency({.frequency_penalty = 0.3}, {});
    frequency.accept(1);
    EXPECT_EQ(frequency.sample(kLogits), 1);  // 2.7
    frequency.accept(1);
    EXPECT_EQ(frequency.sample(kLogits), 4);  // 2.4
    Sampler bias({.logit_bias = {{3, 100.0f}}}, {});
    EXPECT_EQ(bias.sample(kLogits), 3);
}

TEST(Sampler, LogprobsSumToOne) {
    double sum = 0;
    for (int id = 0; id < 5; ++id) sum += std::exp(static_cast<double>(logprob_of(kLogits, id, 0).logprob));
    EXPECT_NEAR(sum, 1, 1e-6);
    const TokenLogprob top = logprob_of(kLogits, 3, 3);
    ASSERT_EQ(top.top.size(), 3u);
    EXPECT_EQ(top.top[0].first, 1);
    EXPECT_EQ(top.top[1].first, 4);
    EXPECT_EQ(logprob_of(kLogits, 0, 20).top.size(), 5u);
}

}  // namespace
}  // namespace hearth::engine
