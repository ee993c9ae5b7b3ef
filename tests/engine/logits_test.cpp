// tests/engine/logits_test.cpp - logits against transformers, and the same bits for any chunk, batch and
// threads.
#include <algorithm>
#include <cmath>

#include "engine/executor.h"
#include "engine/sampler.h"
#include "fixtures.h"

namespace hearth::engine {
namespace {

using tests::open;

class LogitsTest : public testing::TestWithParam<std::string> {
  protected:
    fs::path folder() const { return tests::fixture("models") / GetParam(); }
};

// Largest difference over the largest logit.
double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
    double worst = 0, scale = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
        scale = std::max(scale, std::fabs(static_cast<double>(want[i])));
    }
    return worst / scale;
}

TEST_P(LogitsTest, AgreeWithTransformers) {
    const auto ids = tests::read_ids(folder() / "ids.json");
    const auto want = tests::read_npy(folder() / "logits.npy");
    std::vector<fs::path> paths = {folder()};
    if (fs::exists(folder() / "model.gguf")) paths.push_back(folder() / "model.gguf");
    std::vector<float> first;
    for (const fs::path& path : paths) {
        const auto model = tests::load(path);
        ASSERT_NE(model, nullptr);
        const auto engine = open(model, {.threads = 2, .chunk_tokens = 64, .exact = true});
        const auto got = tests::score_all(*engine, ids);
        ASSERT_EQ(got.size(), want.size()) << path;
        EXPECT_LT(relative_error(got, want), 1e-4) << path;
        // Nearly the same bits: some converters reorder heads, and so the columns that a sum runs over.
        if (first.empty()) first = got;
        EXPECT_LT(relative_error(got, first), 2e-5) << path;
    }
}

TEST_P(LogitsTest, AreTheSameBitsForAnyChunkAndThreads) {
    const auto model = tests::load(folder());
    ASSERT_NE(model, nullptr);
    const auto ids = tests::read_ids(folder() / "ids.json");
    std::vector<float> want;
    for (const int threads : {1, 2, 3})
        for (const int chunk : {1, 7, 64, 512}) {
            const auto engine = open(model, {.threads = threads, .chunk_tokens = chunk});
            const auto got = tests::score_all(*engine, ids);
            if (want.empty()) want = got;
            ASSERT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float)))
                << "threads " << threads << " chunk " << chunk;
        }
}

TEST_P(LogitsTest, OfContinuationsEqualThoseOfTheWholeText) {
    const auto model = tests::load(folder());
    ASSERT_NE(model, nullptr);
    if (model->program.output_width() != model->config().vocab)
        GTEST_SKIP() << "no head: no text to go on with";
    const auto ids = tests::read_ids(folder() / "ids.json");
    const auto engine = open(model, {.threads = 2, .chunk_tokens = 32});
    const std::span<const int> prompt(ids.data(), 19);
    const std::vector<std::vector<int>> continuations = {
        {ids[19], ids[20], ids[21]}, {5}, {7, 8, 9, 10, 11, 12}, {ids[19]}};
    const auto scores = engine->score_continuations(prompt, continuations);
    ASSERT_OK(scores);
    for (std::size_t i = 0; i < continuations.size(); ++i) {
        std::vector<int> whole(prompt.begin(), prompt.end());
        whole.insert(whole.end(), continuations[i].begin(), continuations[i].end());
        std::vector<double> want;
        const auto sink = [&](std::int64_t p, std::span<const float> logits) {
            const auto next = static_cast<std::size_t>(p) + 1;
            if (next < whole.size())
                want.push_back(static_cast<double>(logits[static_cast<std::size_t>(whole[next])]) -
                               log_sum_exp(logits));
        };
        ASSERT_OK(
            engine->score(whole, sink, {.first_position = static_cast<std::int64_t>(prompt.size()) - 1}));
        EXPECT_EQ((*scores)[i], want);
    }
}

// What one sequence keeps, by hand: a fork goes its own way, and going back forgets what came after.
TEST_P(LogitsTest, AreTheSameBitsAfterForkAndRollback) {
    const auto model = tests::load(folder());
    ASSERT_NE(model, nullptr);
    if (model->program.bidirectional) GTEST_SKIP() << "an encoder reads a text in one step";
    const auto ids = tests::read_ids(folder() / "ids.json");
    const auto want = tests::score_all(*open(model, {.threads = 1, .chunk_tokens = 64}), ids);
    const auto vocab = static_cast<std::size_t>(model->program.output_width());
    const auto n = static_cast<std::int64_t>(ids.size());
    const auto sizes = models::size_pools(
        models::state_pools(model->program, kernels::kKvBf16),
        {.context = n, .context_limit = n, .sequences = 4, .step_tokens = 64, .bytes_max = 1u << 28});
    ASSERT_OK(sizes);
    auto blocks = KvBlocks::make(model->program, kernels::kKvBf16, sizes->n_blocks);
    ASSERT_OK(blocks);
    ThreadPool pool({.threads = 2, .pin = false});
    const auto executor = Executor::make(model, *blocks, pool, 64, n, false);
    ASSERT_OK(executor);
    // Runs ids[from..to), `step` at a time, and expects the bits of the whole.
    const auto run = [&](SequenceState& state, std::int64_t to, std::int64_t step) {
        while (state.length() < to) {
            const std::int64_t begin = state.length(), count = std::min(step, to - begin);
            ASSERT_OK(state.reserve(count));
            const StepPart part{&state, std::span(ids).subspan(static_cast<std::size_t>(begin),
                                                               static_cast<std::size_t>(count))};
            (*executor)->run({&part, 1}, [&](std::size_t, std::int64_t token, std::span<const float> logits) {
                EXPECT_EQ(0, std::memcmp(&want[static_cast<std::size_t>(begin + token) * vocab],
                                         logits.data(), vocab * sizeof(float)))
                    << "position " << begin + token;
            });
        }
    };
    const std::int64_t half = n / 2;
    SequenceState state(*blocks);
    run(state, half, 13);
    SequenceState snapshot = state.fork();
    state.mark();
    // Speculate: tokens that are not the text's, then take them back.
    const std::vector<int> wrong(7, ids.front() == 0 ? 1 : 0);
    ASSERT_OK(state.reserve(7));
    const StepPart part{&state, wrong, 7};
    (*executor)->run({&part, 1}, [](std::size_t, std::int64_t, std::span<const float>) {});
    EXPECT_EQ(state.length(), half + 7);
    EXPECT_EQ(state.truncate(half), half);
    run(state, half + 9, 4);
    // To the middle of what ran: the mark, or that very length where nothing recurs.
    const std::int64_t landed = state.truncate(half + 5);
    EXPECT_TRUE(landed == half + 5 || landed == half) << landed;
    run(state, n, 31);
    run(snapshot, n, 1);
    snapshot = std::move(state);
    EXPECT_EQ(snapshot.truncate(0), 0);
    run(snapshot, half, 50);
}

INSTANTIATE_TEST_SUITE_P(Models, LogitsTest, testing::ValuesIn(tests::model_fixtures()), [](const auto& row) {
    std::string name = row.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

// Many sequences at once give each the tokens that it gets alone, greedy and sampled.
class Batching : public testing::TestWithParam<const char*> {};
TEST_P(Batching, DoesNotChangeTokens) {
    const auto model = tests::load(tests::fixture("models") / GetParam());
    ASSERT_NE(model, nullptr);
    const auto make_requests = [] {
        std::vector<Request> requests;
        for (int i = 0; i < 24; ++i) {
            Request request;
            for (int t = 0; t <= i % 9 * 5; ++t) request.prompt.push_back((i * 31 + t * 7) % 64);
            request.new_tokens_max = 3 + i % 11;
            request.ignore_eos = true;
            if (i % 2 == 1)
                request.sampling = {
                    .temperature = 0.8, .top_k = 40, .top_p = 0.95, .seed = static_cast<std::uint64_t>(i)};
            request.want_logprobs = true;
            requests.push_back(std::move(request));
        }
        return requests;
    };
    std::vector<std::vector<int>> want;
    for (const int threads : {1, 2})
        for (const int batch : {1, 3, 16})
            for (const int chunk : {1, 16, 128}) {
                const auto engine =
                    open(model,
                         {.threads = threads, .batch_max = batch, .chunk_tokens = chunk, .context_max = 128});
                const auto done = engine->generate(make_requests());
                ASSERT_OK(done);
                std::vector<std::vector<int>> got;
                for (const Completion& completion : *done) {
                    got.push_back(completion.ids);
                    EXPECT_EQ(completion.logprobs.size(), completion.ids.size());
                    EXPECT_EQ(completion.reason, StopReason::length);
                }
                if (want.empty()) want = got;
                ASSERT_EQ(got, want) << "batch " << batch << " chunk " << chunk << " threads " << threads;
            }
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(want[i].size(), 3 + i % 11);
}
INSTANTIATE_TEST_SUITE_P(Models, Batching,
                         testing::Values("qwen3-tied", "qwen3_next-mixed", "qwen3_5-interval"));

TEST(Engine, RefusesWhatCannotRun) {
    const auto model = tests::load(tests::fixture("models") / "qwen3-mha");
    ASSERT_NE(model, nullptr);
    const auto engine = open(model, {.threads = 1, .context_max = 32});
    const auto fault_of = [&](Request request) {
        return engine->generate({std::move(request)}).error().fault;
    };
    Request request;
    EXPECT_EQ(fault_of(request), Fault::usage);
    request.prompt = {96};
    EXPECT_EQ(fault_of(request), Fault::out_of_range);
    request.prompt = {-1};
    EXPECT_EQ(fault_of(request), Fault::out_of_range);
    request.prompt.assign(32, 1);
    EXPECT_EQ(fault_of(request), Fault::out_of_range);
    request.prompt = {1};
    request.new_tokens_max = 0;
    EXPECT_EQ(fault_of(request), Fault::out_of_range);
    request.new_tokens_max = 4;
    request.sampling.top_p = std::nan("");
    EXPECT_EQ(fault_of(request), Fault::out_of_range);
    request.sampling = {};
    request.sampling.logit_bias = {{96, 1.0f}};
    EXPECT_EQ(fault_of(request), Fault::out_of_range);
    EXPECT_EQ(Engine::open(model, {.context_max = 513}).error().fault, Fault::out_of_range);
    EXPECT_EQ(Engine::open(model, {.kv_bytes_max = 16}).error().fault, Fault::no_memory);
    // A pool smaller than all requests together makes them wait, not fail.
    const auto tight =
        open(model, {.threads = 1, .batch_max = 8, .context_max = 32, .kv_bytes_max = 200'000});
    std::vector<Request> many(9);
    for (auto& r : many) {
        r.prompt = {1, 2, 3};
        r.new_tokens_max = 20;
        r.ignore_eos = true;
    }
    const auto done = tight->generate(std::move(many));
    ASSERT_OK(done);
    for (const auto& completion : *done) EXPECT_EQ(completion.ids, done->front().ids);
}

}  // namespace
}  // namespace hearth::engine
