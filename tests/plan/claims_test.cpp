// tests/plan/claims_test.cpp - the article's claims one by one, and files that make no sense.
#include "plan/claims.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "material.h"

namespace hearth::plan {
namespace {

TEST(Claims, OfTheArticle) {
    const auto claims = check_claims(tests::source_dir() / "examples" / "article.toml");
    ASSERT_OK(claims);
    ASSERT_EQ(claims->size(), 12u);
    const auto find = [&](std::string_view piece) -> const CheckedClaim& {
        for (const CheckedClaim& claim : *claims)
            if (claim.text.find(piece) != std::string::npos) return claim;
        ADD_FAILURE() << piece;
        return claims->front();
    };
    const auto told = [](const CheckedClaim& claim, std::string_view piece) {
        for (const std::string& term : claim.terms)
            if (term.find(piece) != std::string::npos) return true;
        return false;
    };
    const CheckedClaim& total = find("2,992");
    EXPECT_FALSE(total.holds);
    EXPECT_EQ(total.ours, "2212.72");
    EXPECT_TRUE(told(total, "electricity counted twice: 2212.72 + 770.15 = 2982.87")) << claims_text({total});
    EXPECT_TRUE(find("1,442.57").holds);
    EXPECT_TRUE(find("3,701").holds);
    EXPECT_EQ(find("708").ours, "1488.38");  // 3701.10 - 2212.72
    const CheckedClaim& payback = find("21 months");
    EXPECT_FALSE(payback.holds);
    EXPECT_EQ(payback.ours, "26.23");
    EXPECT_TRUE(told(payback, "electricity left out: 6406.45 / 308.42 a month = 20.77"));
    EXPECT_FALSE(find("20 cents").holds);
    EXPECT_FALSE(find("million output tokens a month").holds);
    const CheckedClaim& step = find("Step 3.7");
    EXPECT_FALSE(step.holds);
    EXPECT_TRUE(told(step, "105 GB of weights"));
    EXPECT_TRUE(told(step, "streaming"));
    EXPECT_FALSE(find("N1X").holds);
    EXPECT_FALSE(find("3.06").holds);
    EXPECT_EQ(find("3.06").ours, "3.30x");  // 69.3 over 21.0 GB: embedding and head in BF16
    EXPECT_EQ(find("2 kW").ours, "3154 a year");
    EXPECT_TRUE(find("384 GB").holds);
}

TEST(Claims, NonsenseNamesTheLine) {
    const fs::path path = fs::temp_directory_path() / fmt::format("hearth-claims-{}.toml", getpid());
    const auto fault = [&](std::string_view text) {
        EXPECT_OK(write_whole(path, text));
        const auto claims = check_claims(path);
        return claims ? std::string("accepted") : claims.error().message;
    };
    EXPECT_NE(fault("").find("[[claim]]"), std::string::npos);
    EXPECT_NE(fault("[[claim]]\nkind = \"power\"\n").find(".toml:1: claim: text"), std::string::npos);
    EXPECT_NE(fault("[[claim]]\ntext = \"x\"\nkind = \"luck\"\n").find("\"luck\""), std::string::npos);
    EXPECT_NE(fault("[[claim]]\ntext = \"x\"\nkind = \"power\"\nwatts = -5\nprice_per_kwh = 1\nsays = 1\n")
                  .find("watts: expected 0 to"),
              std::string::npos);
    EXPECT_NE(fault("[[claim]]\ntext = \"x\"\nkind = \"memory\"\nmodel = \"Qwen3-8B\"\ntype = \"nvfp4\"\n"
                    "on = \"RTX 9999\"\n")
                  .find("RTX 9999"),
              std::string::npos);
    EXPECT_NE(
        fault(
            "[[claim]]\ntext = \"x\"\nkind = \"cost\"\nfile = \"none.toml\"\nquantity = \"npv\"\nsays = 1\n")
            .find("none.toml"),
        std::string::npos);
    fs::remove(path);
}

}  // namespace
}  // namespace hearth::plan
