// tests/audit/divergence_test.cpp - exact zeros, the edges of the vocabulary's arithmetic, and the text pass.
#include "audit/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "audit/fake_subject.h"
#include "audit/texts.h"
#include "base/rng.h"
#include "material.h"

namespace hearth::audit {
namespace {

using tests::FakeSubject;
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Divergence, ExpIsWithinTwoUlpOfTheLibrary) {
    Philox rng(1);
    for (int i = 0; i < 200'000; ++i) {
        const double x = -std::pow(10.0, 9 * rng.uniform() - 6.15), want = std::exp(x),
                     got = exp_nonpositive(x);
        if (x < -708) {
            EXPECT_EQ(got, 0);
        } else {
            ASSERT_LE(std::fabs(got - want), 2 * (std::nextafter(want, 2) - want)) << x;
        }
    }
    EXPECT_EQ(exp_nonpositive(0), 1);
    EXPECT_EQ(exp_nonpositive(-std::numeric_limits<double>::infinity()), 0);
    EXPECT_TRUE(std::isnan(exp_nonpositive(std::nan(""))));
}

TEST(Divergence, EqualRowsDivergeByExactlyZero) {
    Philox rng(2);
    for (const std::size_t vocab : {1u, 7u, 8u, 9u, 2048u, 151'936u}) {
        std::vector<float> row(vocab);
        for (float& x : row) x = static_cast<float>(rng.normal() * 8);
        const std::vector<float> copy = row;
        const PairScore got = compare_rows(row, copy, static_cast<int>(vocab / 2));
        EXPECT_EQ(got.kl, 0);
        EXPECT_EQ(got.nll_base, got.nll_variant);
        EXPECT_TRUE(got.same_top);
    }
}

TEST(Divergence, NearlyEqualRowsAreNeverNegative) {
    Philox rng(3);
    for (int trial = 0; trial < 2000; ++trial) {
        std::vector<float> base(257), variant;
        for (float& x : base) x = static_cast<float>(rng.normal() * 4);
        variant = base;
        variant[static_cast<std::size_t>(trial) % 257] =
            std::nextafter(variant[static_cast<std::size_t>(trial) % 257], 100.0f);
        const double kl = compare_rows(base, variant, 0).kl;
        EXPECT_GE(kl, 0);
        EXPECT_LT(kl, 1e-10);
    }
}

TEST(Divergence, ImpossibleTokensAndTies) {
    const std::vector<float> base = {0, 0, -kInf}, same = {0, 0, -kInf}, more = {0, 0, 0},
                             less = {0, -kInf, -kInf};
    EXPECT_EQ(compare_rows(base, same, 0).kl, 0);
    EXPECT_NEAR(compare_rows(base, more, 0).kl, std::log(1.5), 1e-15);  // 2 * 1/2 ln((1/2) / (1/3))
    EXPECT_EQ(compare_rows(base, less, 0).kl, std::numeric_limits<double>::infinity());
    EXPECT_EQ(score_row(base, 2).nll, std::numeric_limits<double>::infinity());
    EXPECT_EQ(top_id(base), 0);
    EXPECT_EQ(top_id(std::vector<float>{-1, 5, 5}), 1);
    EXPECT_TRUE(std::isnan(score_row(std::vector<float>{0, std::nanf("")}, 0).nll));
    EXPECT_TRUE(std::isnan(score_row(std::vector<float>{0, kInf}, 0).nll));
    EXPECT_TRUE(std::isnan(score_row(std::vector<float>{-kInf, -kInf}, 0).nll));
}

TEST(Texts, PartingFollowsEmptyLines) {
    EXPECT_EQ(part("a\n\nb b\nc\n\n\n\nd\n", Parting::paragraphs),
              (std::vector<std::string>{"a", "b b\nc", "d"}));
    EXPECT_EQ(part("a\r\n\r\nb\r\n", Parting::paragraphs), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(part("\n\n\n", Parting::paragraphs), std::vector<std::string>());
    EXPECT_EQ(part("", Parting::whole), std::vector<std::string>());
    EXPECT_EQ(part("a\n\nb\n", Parting::whole), (std::vector<std::string>{"a\n\nb\n"}));
}

const std::vector<std::string> kDocuments = {"one story", "another, longer story", "x"};

TEST(Texts, AModelAgainstItselfIsExactlyZero) {
    FakeSubject a("a"), b("b");
    for (const std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{3000}, std::uint64_t{1} << 30}) {
        for (const std::int64_t window : {1, 4, 512}) {
            const auto scores =
                score_texts(a, &b, kDocuments, {.window_tokens = window, .logits_bytes_max = bytes}, {});
            ASSERT_OK(scores);
            const TextSummary s = summarise(*scores, 1);
            EXPECT_EQ(s.tokens, 31);
            EXPECT_EQ(s.documents, 3);
            ASSERT_TRUE(s.divergence.has_value());
            EXPECT_EQ(s.divergence->mean.value, 0);
            EXPECT_EQ(s.divergence->mean.interval.high, 0);
            EXPECT_EQ(s.divergence->max, 0);
            EXPECT_EQ(s.divergence->same_top.value, 1);
            EXPECT_EQ(s.divergence->zeros, 31);
            EXPECT_EQ(s.perplexity_ratio->value, 1);
            EXPECT_EQ(s.perplexity_base.value, s.perplexity_variant->value);
        }
    }
}

TEST(Texts, PiecesOfTheLogitsChangeNothing) {
    FakeSubject a("a"), b("b", 0.3);
    const auto whole = score_texts(a, &b, kDocuments, {}, {});
    const auto pieces = score_texts(a, &b, kDocuments, {.logits_bytes_max = 3 * 260 * sizeof(float)}, {});
    ASSERT_OK(whole);
    ASSERT_OK(pieces);
    for (std::size_t i = 0; i < whole->size(); ++i) {
        EXPECT_EQ((*whole)[i].kl, (*pieces)[i].kl);
        EXPECT_EQ((*whole)[i].nll_variant, (*pieces)[i].nll_variant);
    }
    EXPECT_GT(summarise(*whole, 1).divergence->mean.value, 0);
}

TEST(Texts, EachTokenIsScoredOnceAfterTheStartToken) {
    FakeSubject a("a");
    const auto scores = score_texts(a, nullptr, {"abc"}, {}, {});
    ASSERT_OK(scores);
    ASSERT_EQ(scores->size(), 1u);
    ASSERT_EQ((*scores)[0].nll_base.size(), 3u);
    EXPECT_TRUE((*scores)[0].kl.empty());
    // The first row by hand, from the fake's own formula: position 0 holds the start token, id 0.
    double sum = 0;
    for (int v = 0; v < 260; ++v)
        sum += std::exp(static_cast<double>(static_cast<float>(3 * std::sin(17.0 * v))));
    const int id = 'a' + 1;
    EXPECT_NEAR((*scores)[0].nll_base[0],
                std::log(sum) - static_cast<double>(static_cast<float>(3 * std::sin(17.0 * id))), 1e-12);
    a.start = -1;  // no start token: the first token opens the document and is not scored
    const auto bare = score_texts(a, nullptr, {"abc", "d"}, {}, {});
    ASSERT_OK(bare);
    ASSERT_EQ(bare->size(), 1u);
    EXPECT_EQ((*bare)[0].nll_base.size(), 2u);
}

TEST(Texts, LongDocumentsAreCutIntoWindows) {
    FakeSubject a("a"), b("b", 0.1);
    const auto scores = score_texts(a, &b, {std::string(100, 'y')}, {.window_tokens = 30}, {});
    ASSERT_OK(scores);
    const TextSummary s = summarise(*scores, 1);
    EXPECT_EQ(s.windows, 4);
    EXPECT_EQ(s.documents, 1);
    EXPECT_EQ(s.tokens, 100);
    EXPECT_TRUE(s.clusters_are_windows);
    a.context = 11;  // the context bounds a window: 10 tokens after the start token
    EXPECT_EQ(score_texts(a, &b, {std::string(100, 'y')}, {.window_tokens = 30}, {})->size(), 10u);
}

TEST(Texts, TheMaximumIsFoundWhereItStands) {
    FakeSubject a("a"), b("b");
    b.poison = [](std::size_t p, std::vector<float>& row) {
        if (p == 12) row[3] += 20;
    };
    const auto scores = score_texts(a, &b, kDocuments, {}, {});
    ASSERT_OK(scores);
    const Divergence d = *summarise(*scores, 1).divergence;
    EXPECT_EQ(d.max_document, 1u);  // the only one longer than 12 tokens
    EXPECT_EQ(d.max_token, 12u);
    EXPECT_EQ(d.zeros, 30);
    EXPECT_EQ(d.median, 0);
    std::int64_t counted = d.zeros + d.below;
    for (const std::int64_t bin : d.histogram) counted += bin;
    EXPECT_EQ(counted, 31);
}

TEST(Texts, FaultsNameTheirPlace) {
    FakeSubject a("a"), b("b"), small("small", 0, 100);
    EXPECT_EQ(score_texts(a, &small, kDocuments, {}, {}).error().fault, Fault::unsupported);
    EXPECT_EQ(score_texts(a, &b, {}, {}, {}).error().fault, Fault::usage);
    b.poison = [](std::size_t p, std::vector<float>& row) {
        if (p == 2) row[7] = std::nanf("");
    };
    const Error error = score_texts(a, &b, kDocuments, {}, {}).error();
    EXPECT_EQ(error.fault, Fault::corrupt);
    EXPECT_NE(error.message.find("document 1, token 3"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace hearth::audit
