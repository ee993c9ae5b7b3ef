// tests/plan/fit_test.cpp - the plan's sums against the files themselves and arithmetic by hand.
#include "plan/fit.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/file.h"
#include "formats/safetensors.h"
#include "material.h"

namespace hearth::plan {
namespace {

TEST(Fit, SumsOfEmberAreTheFiles) {
    const fs::path folder = tests::source_dir() / "models" / "ember";
    const auto checkpoint = models::Checkpoint::open(folder);
    ASSERT_OK(checkpoint);
    const auto files = formats::Safetensors::open(folder);
    ASSERT_OK(files);
    std::uint64_t bytes = 0, embedding = 0;
    for (const auto& entry : files->entries()) {
        bytes += entry.end - entry.begin;
        if (entry.name == "model.embed_tokens.weight") embedding = entry.end - entry.begin;
    }
    const auto plan = fit(*checkpoint, {.context = 100,
                                        .sequences = 3,
                                        .memory_bytes = 1 << 30,
                                        .read_bytes_per_second = 1e9,
                                        .flops_per_second = 1e9});
    ASSERT_OK(plan);
    EXPECT_EQ(plan->parameters, static_cast<std::int64_t>(bytes / 2));  // every tensor is BF16
    // 6 layers, keys and values, 2 KV heads of 64, BF16.
    EXPECT_EQ(plan->kv_bytes_per_token, 6 * 2 * 2 * 64 * 2);
    ASSERT_EQ(plan->rows.size(), 2u);
    const FitRow& stored = plan->rows[0];
    EXPECT_EQ(stored.weight_bytes, bytes + embedding);  // the tied head is packed beside the rows of the file
    // 7 blocks of 16 positions, and one for a fork to copy, as models/state_pools.h says.
    EXPECT_EQ(stored.kv_bytes, 3u * 8u * 16u * 3072u);
    EXPECT_TRUE(stored.fits);
    EXPECT_EQ(stored.context_max, 2048);
    EXPECT_NEAR(stored.decode_ceiling * static_cast<double>(stored.bytes_per_token), 1e9, 1);
    // 42 linears: a layer has q 512x256, k and v 128x256, o 256x512, gate and up 768x256, down 256x768.
    const std::uint64_t linears = 6u * (512u * 256 + 2 * 128 * 256 + 256 * 512 + 2 * 768 * 256 + 256 * 768);
    EXPECT_EQ(stored.weight_bytes - plan->rows[1].weight_bytes, linears * 2 - linears * 9 / 16 - 42 * 4);
}

TEST(Fit, ALocalRunPricesTheSumsOfTheProgram) {
    FitInputs inputs{.memory_bytes = 1 << 30};
    inputs.run = LocalRun{.read_bytes_per_second = 2e9,
                          .layer_seconds = 1e-5,
                          .operations_per_second = 5e9,
                          .chunk_bytes_per_second = 1e9,
                          .is_exact = false};
    const auto checkpoint = models::Checkpoint::open(tests::source_dir() / "models" / "ember");
    ASSERT_OK(checkpoint);
    const auto plan = fit(*checkpoint, inputs);
    ASSERT_OK(plan);
    // BF16 linears of 6 layers and the head.
    const double linears = 6 * (512.0 * 256 + 2 * 128 * 256 + 256 * 512 + 3 * 768 * 256), head = 2048.0 * 256;
    const double reading = 2 * (linears + head) / 2e9;
    EXPECT_NEAR(1 / plan->rows[0].decode_expected, reading + 6 * 1e-5, 1e-9);
    // A prompt of 512 in one chunk, at half the speed of reading: linears for each token, the head for the
    // last, queries of 512 over half of the prompt in 6 layers; attention's, in float32, weigh eight of the
    // others.
    const double operations = 2 * linears + 2 * head / 512 + 4 * 4 * 512 * 256.5 * 6;
    EXPECT_NEAR(1 / plan->rows[0].prefill_expected, operations / 5e9 + 2 * reading / 512, 1e-9);
}

TEST(Fit, PromptsOfMixturesAreLessSureByOnePrompt) {
    FitInputs inputs{.memory_bytes = 1 << 30};
    inputs.run =
        LocalRun{.read_bytes_per_second = 2e9, .operations_per_second = 5e9, .chunk_bytes_per_second = 2e9};
    const auto factor = [&](const fs::path& model, const char* phase) {
        const auto checkpoint = models::Checkpoint::open(model);
        EXPECT_TRUE(checkpoint.has_value());
        const auto plan = fit(*checkpoint, inputs);
        EXPECT_TRUE(plan.has_value());
        return fit_json(*plan).at(fmt::format("{}_expected_within_factor", phase)).to_number<double>();
    };
    const fs::path dense = tests::source_dir() / "models" / "ember",
                   mixture = tests::fixture("models") / "qwen3_moe-renorm";
    EXPECT_EQ(factor(dense, "prefill"), factor(dense, "decode"));
    EXPECT_EQ(factor(mixture, "decode"), factor(dense, "decode"));
    EXPECT_GT(factor(mixture, "prefill"), factor(mixture, "decode"));
    inputs.run->knows_chunks = true;  // from two prompts
    EXPECT_EQ(factor(mixture, "prefill"), factor(mixture, "decode"));
}

TEST(Fit, SaysWhenItDoesNotFit) {
    const auto checkpoint = models::Checkpoint::open(tests::source_dir() / "models" / "ember");
    ASSERT_OK(checkpoint);
    const auto tiny = fit(*checkpoint, {.memory_bytes = 1 << 20});
    ASSERT_OK(tiny);
    EXPECT_FALSE(tiny->rows[0].fits);
    EXPECT_EQ(tiny->rows[0].context_max, 0);
    const auto tight = fit(*checkpoint, {.memory_bytes = 22'000'000});
    ASSERT_OK(tight);
    EXPECT_FALSE(tight->rows[0].fits);
    EXPECT_GT(tight->rows[0].context_max, 0);
    EXPECT_LT(tight->rows[0].context_max, 2048);
    EXPECT_TRUE(tight->rows[1].fits);
}

}  // namespace
}  // namespace hearth::plan
