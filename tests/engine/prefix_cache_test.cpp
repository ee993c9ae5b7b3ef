// tests/engine/prefix_cache_test.cpp - answers have the same bits whether a prompt's beginning was known, in
// every family's kinds of state, and the cache gives way to who needs its blocks.
#include "engine/prefix_cache.h"

#include "fixtures.h"

namespace hearth::engine {
namespace {

using tests::open;

Request request(std::vector<int> prompt, int n) {
    Request out;
    out.prompt = std::move(prompt);
    out.new_tokens_max = n;
    out.ignore_eos = true;
    out.want_logprobs = true;
    out.top_logprobs = 5;
    return out;
}

Completion answer(Engine& engine, std::vector<int> prompt, int n) {
    auto done = engine.generate({request(std::move(prompt), n)});
    EXPECT_TRUE(done.has_value()) << (done ? "" : done.error().message);
    return done ? std::move(done->front()) : Completion();
}

void expect_same_bits(const Completion& got, const Completion& want) {
    ASSERT_EQ(got.ids, want.ids);
    ASSERT_EQ(got.logprobs.size(), want.logprobs.size());
    for (std::size_t i = 0; i < want.logprobs.size(); ++i) {
        EXPECT_EQ(got.logprobs[i].logprob, want.logprobs[i].logprob) << "token " << i;
        EXPECT_EQ(got.logprobs[i].top, want.logprobs[i].top) << "token " << i;
    }
}

std::vector<int> joined(std::vector<int> a, const std::vector<int>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

class PrefixCacheTest : public testing::TestWithParam<std::string> {};

TEST_P(PrefixCacheTest, AnswersHaveTheSameBitsWithAndWithoutIt) {
    const auto folder = tests::fixture("models") / GetParam();
    const auto model = tests::load(folder);
    ASSERT_NE(model, nullptr);
    if (model->program.bidirectional || model->program.output_width() != model->config().vocab)
        GTEST_SKIP() << "an encoder answers nothing";
    std::vector<int> ids = tests::read_ids(folder / "ids.json");
    const int n = 6;
    const auto known = open(model, {.threads = 2, .chunk_tokens = 16}),
               fresh = open(model, {.threads = 2, .chunk_tokens = 16, .prefixes_max = 0});
    ids.resize(std::min<std::size_t>(ids.size(), static_cast<std::size_t>(fresh->options().context_max) / 2));
    ASSERT_GT(ids.size(), 12u);
    const std::vector<int> prompt(ids.begin(), ids.end() - 8), turn(ids.end() - 8, ids.end());

    const Completion first = answer(*known, prompt, n);
    EXPECT_EQ(first.cached_tokens, 0);
    expect_same_bits(first, answer(*fresh, prompt, n));
    // The next turn of a conversation: prompt, answer, and more.
    const auto next = joined(joined(prompt, first.ids), turn);
    const Completion second = answer(*known, next, n);
    EXPECT_EQ(second.cached_tokens, static_cast<int>(prompt.size()) + n - 1)
        << "the last token was never read";
    expect_same_bits(second, answer(*fresh, next, n));
    // Another question after the same beginning: whether truncation reaches it is a matter of the states.
    const auto other = joined(prompt, turn);
    const Completion third = answer(*known, other, n);
    expect_same_bits(third, answer(*fresh, other, n));
    EXPECT_GE(third.cached_tokens, 0);
    // The very same prompt: all but its last token may be known.
    expect_same_bits(answer(*known, next, n), second);
}

INSTANTIATE_TEST_SUITE_P(Models, PrefixCacheTest, testing::ValuesIn(tests::model_fixtures()),
                         [](const auto& row) {
                             std::string name = row.param;
                             std::replace_if(
                                 name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
                             return name;
                         });

TEST(PrefixCache, GivesWayToWhoNeedsItsBlocks) {
    const auto model = tests::load(tests::fixture("models") / "qwen3-tied");
    ASSERT_NE(model, nullptr);
    // Room for little more than one sequence of 96 tokens.
    std::uint64_t block = 0;
    for (const models::StatePool& pool : models::state_pools(model->program, kernels::kKvBf16))
        block += pool.block_bytes();
    const auto engine =
        open(model, {.threads = 1, .batch_max = 1, .context_max = 96, .kv_bytes_max = 8 * block});
    const auto fresh = open(model, {.threads = 1, .batch_max = 1, .context_max = 96, .prefixes_max = 0});
    for (int i = 0; i < 6; ++i) {
        std::vector<int> prompt;
        for (int t = 0; t < 80; ++t) prompt.push_back((t * 7 + i * 31) % 96);
        expect_same_bits(answer(*engine, prompt, 8), answer(*fresh, prompt, 8));
    }
}

TEST(PrefixCache, KeepsTheLatestUsed) {
    const auto model = tests::load(tests::fixture("models") / "qwen3-tied");
    ASSERT_NE(model, nullptr);
    const auto engine = open(model, {.threads = 1, .batch_max = 1, .context_max = 96, .prefixes_max = 2});
    const std::vector<int> a(40, 1), b(40, 2), c(40, 3);
    for (const auto* prompt : {&a, &b, &a, &c}) (void)answer(*engine, *prompt, 2);
    EXPECT_GT(answer(*engine, a, 2).cached_tokens, 0);
    EXPECT_EQ(answer(*engine, b, 2).cached_tokens, 0) << "the least used of three went";
}

// What a server's metrics are made of: nothing is counted twice, whatever the batch and the cache.
TEST(StepTotals, AddUpToWhatWasAskedAndDrawn) {
    const auto folder = tests::fixture("models/qwen3-tied");
    const auto model = tests::load(folder);
    ASSERT_NE(model, nullptr);
    const auto engine = open(model, {.threads = 2, .batch_max = 2, .chunk_tokens = 16});
    EXPECT_EQ(engine->totals().prefill_tokens, 0u);
    const std::vector<int> ids = tests::read_ids(folder / "ids.json");
    std::uint64_t prompts = 0, cached = 0, drawn = 0;
    for (int round = 0; round < 2; ++round) {
        const std::size_t size = std::min<std::size_t>(ids.size(), 24);
        const std::vector<int> prompt(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(size));
        const auto done = engine->generate({request(prompt, 5), request(prompt, 3), request(prompt, 4)});
        ASSERT_OK(done);
        for (const Completion& one : *done) {
            prompts += static_cast<std::uint64_t>(one.prompt_tokens);
            cached += static_cast<std::uint64_t>(one.cached_tokens);
            drawn += one.ids.size();
        }
    }
    const StepTotals& totals = engine->totals();
    EXPECT_GT(cached, 0u);
    EXPECT_EQ(totals.cached_tokens, cached);
    EXPECT_EQ(totals.prefill_tokens + totals.cached_tokens, prompts);
    EXPECT_EQ(totals.output_tokens, drawn);
    EXPECT_GT(totals.decode_tokens, 0u);
    EXPECT_LT(totals.decode_tokens, drawn);  // first tokens come with their prompts
    EXPECT_GT(totals.prefill_seconds, 0);
    EXPECT_GT(totals.decode_seconds, 0);
}

}  // namespace
}  // namespace hearth::engine
