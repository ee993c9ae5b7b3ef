// tests/engine/steps_test.cpp - how many tokens of a prompt one step takes, alone and beside sequences that
// decode.
#include "fixtures.h"

namespace hearth::engine {
namespace {

class Steps : public ::testing::Test {
  protected:
    void SetUp() override {
        const auto model = tests::load(tests::source_dir() / "models" / "ember", true);
        ASSERT_NE(model, nullptr);
        engine_ = tests::open(model, {.threads = 1, .chunk_tokens = 32, .prefixes_max = 0});
        ASSERT_NE(engine_, nullptr);
    }
    void submit(int prompt_tokens, int new_tokens) {
        Request request;
        request.prompt.assign(static_cast<std::size_t>(prompt_tokens), 300);
        request.new_tokens_max = new_tokens;
        request.ignore_eos = true;
        const auto handle = engine_->submit(
            std::move(request), [](const Result<Completion>& done) { EXPECT_TRUE(done.has_value()); });
        ASSERT_OK(handle);
    }
    // Prompt tokens of the next step.
    std::uint64_t step() {
        const std::uint64_t before = engine_->totals().prefill_tokens;
        const auto more = engine_->step();
        EXPECT_TRUE(more.has_value());
        return engine_->totals().prefill_tokens - before;
    }
    std::unique_ptr<Engine> engine_;
};

TEST_F(Steps, APromptAloneTakesWholeChunks) {
    submit(70, 2);
    EXPECT_EQ(step(), 32u);
    EXPECT_EQ(step(), 32u);
    EXPECT_EQ(step(), 6u);
    EXPECT_EQ(step(), 0u);
}

TEST_F(Steps, BesideAnotherThatDecodesAPromptTakesHalves) {
    submit(3, 20);
    EXPECT_EQ(step(), 3u);
    submit(40, 2);
    EXPECT_EQ(step(), 16u);
    EXPECT_EQ(step(), 16u);
    EXPECT_EQ(step(), 8u);
    EXPECT_EQ(step(), 0u);
    EXPECT_EQ(engine_->totals().output_tokens, 7u);  // five steps of the first, two of the second
}

}  // namespace
}  // namespace hearth::engine
