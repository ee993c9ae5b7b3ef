// tests/plan/local_run_test.cpp - a run's seconds taken apart and put together again, by hand; hostile files.
#include "plan/local_run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "material.h"

namespace hearth::plan {
namespace {

class LocalRunFile : public ::testing::Test {
  protected:
    Result<LocalRun> read(std::string_view text) {
        EXPECT_TRUE(write_whole(path_, text));
        return read_local_run(path_.string());
    }
    void TearDown() override { fs::remove(path_); }
    fs::path path_ = fs::temp_directory_path() / fmt::format("hearth-run-{}.json", getpid());
};

// A model of 1 GB and 20 layers: 12.5 ms a token of which 2.5 ms are not reading, at 100 GB/s; prompts at
// 1,000 tokens/s, of whose millisecond 0.08 are reading (8 MB a token). What is last is a prompt without
// sums.
constexpr std::string_view kRun = R"({"arithmetic": "int8", "layers": 20, "points": [
    {"phase": "decode", "batch": 8, "tokens_per_second": 999, "bytes_per_second": 9e9},
    {"phase": "prefill", "tokens": 256, "tokens_per_second": 1000, "bytes_per_second": 8e9,
     "operations_per_token": 1.5e9, "attention_operations_per_token": 1e8},
    {"phase": "decode", "batch": 1, "tokens_per_second": 80, "bytes_per_second": 8e10,
     "share_of_bandwidth": 0.8},
    {"phase": "prefill", "tokens": 999, "tokens_per_second": 1}]})";

// The same millisecond, 0.8 of products at 2.25 T/s and 0.2 of 8 MB at 40 GB/s. A prompt of a 16th the length
// shares its chunk among as many fewer, and sees less: 0.5 ms and 3.2 ms a token. One between is not asked.
constexpr std::string_view kTwoPrompts = R"({"arithmetic": "int8", "layers": 20, "points": [
    {"phase": "prefill", "tokens": 16, "tokens_per_second": 270.27027027027026,
     "bytes_per_second": 34594594594.594594, "operations_per_token": 1.095e9,
     "attention_operations_per_token": 1e7},
    {"phase": "prefill", "tokens": 64, "tokens_per_second": 1, "operations_per_token": 1e9},
    {"phase": "prefill", "tokens": 256, "tokens_per_second": 1000, "bytes_per_second": 8e9,
     "operations_per_token": 1.5e9, "attention_operations_per_token": 1e8},
    {"phase": "decode", "batch": 1, "tokens_per_second": 80, "bytes_per_second": 8e10,
     "share_of_bandwidth": 0.8}]})";

TEST_F(LocalRunFile, IsTakenApart) {
    const auto run = read(kRun);
    ASSERT_OK(run);
    EXPECT_NEAR(run->read_bytes_per_second, 1e11, 1);
    EXPECT_NEAR(run->layer_seconds, 2.5e-3 / 20, 1e-12);
    EXPECT_NEAR(run->operations_per_second, (1.5e9 + 3 * 1e8) / 0.92e-3, 1e3);
    EXPECT_EQ(run->prompt_tokens, 256);
}

TEST_F(LocalRunFile, PredictsItselfAndOthers) {
    const auto run = read(kRun);
    ASSERT_OK(run);
    EXPECT_NEAR(run->decode_speed(1e9, 20), 80, 1e-9);
    EXPECT_NEAR(run->prefill_speed(1.5e9, 1e8, 8e6), 1000, 1e-6);
    // Twice the bytes in half the layers: 20 ms of reading, 1.25 ms beside.
    EXPECT_NEAR(run->decode_speed(2e9, 10), 1 / 21.25e-3, 1e-9);
    // A mixture reads more for each token of a prompt than it multiplies.
    EXPECT_NEAR(run->prefill_speed(0.75e9, 0.5e8, 40e6), 1 / (0.46e-3 + 0.4e-3), 1e-6);
}

TEST_F(LocalRunFile, TwoPromptsTellChunksFromProducts) {
    const auto run = read(kTwoPrompts);
    ASSERT_OK(run);
    EXPECT_TRUE(run->knows_chunks);
    EXPECT_EQ(run->prompt_tokens, 256);
    EXPECT_NEAR(run->operations_per_second, 2.25e12, 1e3);
    EXPECT_NEAR(run->chunk_bytes_per_second, 4e10, 1e2);
    EXPECT_NEAR(run->prefill_speed(1.5e9, 1e8, 8e6), 1000, 1e-6);
    EXPECT_NEAR(run->prefill_speed(0.75e9, 0.5e8, 40e6), 1 / (0.4e-3 + 1e-3), 1e-6);
}

// A short prompt that is faster a token than the long one, or chunks read faster than memory: the longest
// prompt alone.
TEST_F(LocalRunFile, PromptsThatContradictEachOtherAreNotJoined) {
    for (const double speed : {5000.0, 1900.0, 1.0}) {
        const auto run = read(fmt::format(
            R"({{"layers": 20, "points": [
                {{"phase": "prefill", "tokens": 512, "tokens_per_second": 1000, "bytes_per_second": 1e9,
                  "operations_per_token": 2e9}},
                {{"phase": "prefill", "tokens": 32, "tokens_per_second": {}, "bytes_per_second": {},
                  "operations_per_token": 1e9}},
                {{"phase": "decode", "tokens_per_second": 10, "bytes_per_second": 1e10}}]}})",
            speed, 16e6 * speed));
        ASSERT_OK(run);
        EXPECT_FALSE(run->knows_chunks) << speed;
        EXPECT_EQ(run->chunk_bytes_per_second, run->read_bytes_per_second) << speed;
        EXPECT_NEAR(run->operations_per_second, 2e9 / 0.9e-3, 1) << speed;
    }
}

TEST_F(LocalRunFile, WithoutLayersNothingIsToldApart) {
    const auto run = read(R"({"points": [
        {"phase": "prefill", "tokens_per_second": 10, "operations_per_token": 1e9},
        {"phase": "decode", "tokens_per_second": 2, "bytes_per_second": 2e9, "share_of_bandwidth": 0.5}]})");
    ASSERT_OK(run);
    EXPECT_EQ(run->read_bytes_per_second, 2e9);
    EXPECT_EQ(run->layer_seconds, 0);
    EXPECT_EQ(run->operations_per_second, 1e10);
    EXPECT_TRUE(run->is_exact);
}

// A model inside the caches passes the ceiling; a share near nothing explains nothing. Speeds stay finite.
TEST_F(LocalRunFile, SharesBeyondReasonAreLeftAside) {
    for (const double share : {1.3, 0.0, -1.0, 1e-9}) {
        const auto run = read(fmt::format(
            R"({{"layers": 3, "points": [
                {{"phase": "prefill", "tokens_per_second": 10, "operations_per_token": 1e9,
                  "bytes_per_second": 1e15}},
                {{"phase": "decode", "tokens_per_second": 2, "bytes_per_second": 2e9,
                  "share_of_bandwidth": {}}}]}})",
            share));
        ASSERT_OK(run);
        EXPECT_EQ(run->read_bytes_per_second, 2e9) << share;
        EXPECT_EQ(run->layer_seconds, 0) << share;
        EXPECT_NEAR(run->operations_per_second, 1e11, 1) << share;  // reading explains nine tenths at most
    }
}

TEST_F(LocalRunFile, HostileFilesAreRefused) {
    EXPECT_EQ(read(R"({"points": []})").error().fault, Fault::usage);
    EXPECT_EQ(read(R"({"points": [{"phase": "decode", "bytes_per_second": 1}]})").error().fault,
              Fault::usage);
    EXPECT_EQ(read(R"({"points": [{"phase": "prefill", "tokens_per_second": -5},
                                  {"phase": "decode", "bytes_per_second": -2}]})")
                  .error()
                  .fault,
              Fault::usage);
    for (const std::string_view text :
         {R"({})", R"([])", R"({"points": 3})",
          R"({"points": [{"phase": "decode", "bytes_per_second": "fast"}]})", ""})
        EXPECT_EQ(read(text).error().fault, Fault::corrupt) << text;
    for (const std::string_view text :
         {R"({"layers": -1, "points": []})", R"({"points": [{"phase": "decode", "batch": 0}]})"})
        EXPECT_EQ(read(text).error().fault, Fault::out_of_range) << text;
    EXPECT_EQ(read_local_run("/nowhere/run.json").error().fault, Fault::not_found);
}

}  // namespace
}  // namespace hearth::plan
