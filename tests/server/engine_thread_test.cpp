// tests/server/engine_thread_test.cpp - jobs from many threads, cancels at any time, a full queue, a failing
// engine, and stopping: each job ends exactly once.
#include "server/engine_thread.h"

#include "material.h"
#include "scripted_engine.h"

namespace hearth::server {
namespace {

using namespace std::chrono_literals;
using tests::scripted_token;
using tests::ScriptedEngine;

class EngineThreadTest : public ::testing::Test {
  protected:
    struct Ends {
        std::atomic<int> fine{0}, cancelled{0}, failed{0};
        [[nodiscard]] int all() const { return fine + cancelled + failed; }
    };
    EngineThread::Job job(std::vector<int> prompt, int n_tokens) {
        EngineThread::Job job;
        job.request.prompt = prompt;
        job.request.new_tokens_max = n_tokens;
        job.request.on_token = [](const engine::TokenOut&) { return true; };
        job.done = [this, prompt, n_tokens](Result<engine::Completion> done) {
            if (!done) {
                ++ends_.failed;
            } else if (done->reason == engine::StopReason::cancelled) {
                ++ends_.cancelled;
            } else {
                for (int i = 0; i < n_tokens; ++i)
                    EXPECT_EQ(done->ids[static_cast<std::size_t>(i)], scripted_token(prompt, i));
                ++ends_.fine;
            }
        };
        return job;
    }
    template <class... Jobs>
    std::vector<EngineThread::Job> list(Jobs... jobs) {
        std::vector<EngineThread::Job> all;
        (all.push_back(std::move(jobs)), ...);
        return all;
    }
    void wait_for(int n) {
        for (int i = 0; i < 20'000 && ends_.all() < n; ++i) std::this_thread::sleep_for(1ms);
        ASSERT_EQ(ends_.all(), n);
    }
    Ends ends_;
    ScriptedEngine::Watch watch_;
};

TEST_F(EngineThreadTest, ManyThreadsEachGetTheirOwn) {
    EngineThread engine(std::make_unique<ScriptedEngine>(watch_), {.running_max = 4, .waiting_max = 10'000});
    std::vector<std::thread> clients;
    for (int t = 0; t < 8; ++t)
        clients.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) ASSERT_OK(engine.submit(list(job({t, i}, 1 + i % 7))));
        });
    for (auto& client : clients) client.join();
    wait_for(400);
    EXPECT_EQ(ends_.fine, 400);
    EXPECT_EQ(engine.load().open, 0u);
    EXPECT_EQ(engine.load().answered, 400u);
}

TEST_F(EngineThreadTest, TheQueueIsBounded) {
    watch_.step_micros = 1000;
    EngineThread engine(std::make_unique<ScriptedEngine>(watch_), {.running_max = 2, .waiting_max = 3});
    for (int i = 0; i < 5; ++i) ASSERT_OK(engine.submit(list(job({i}, 1'000'000))));
    bool accepted = false;
    const auto sixth = engine.submit(list(job({6}, 1)), [&] { accepted = true; });
    ASSERT_FALSE(sixth.has_value());
    EXPECT_EQ(sixth.error().fault, Fault::busy);
    EXPECT_FALSE(accepted);
    EXPECT_EQ(engine.load().open, 5u);
    engine.stop();
    EXPECT_EQ(ends_.cancelled, 5);
    EXPECT_EQ(engine.submit(list(job({7}, 1))).error().fault, Fault::busy);
}

TEST_F(EngineThreadTest, AllJobsOfATicketOrNone) {
    watch_.step_micros = 1000;
    EngineThread engine(std::make_unique<ScriptedEngine>(watch_), {.running_max = 2, .waiting_max = 1});
    const auto two = engine.submit(list(job({1}, 1'000'000), job({2}, 1'000'000)));
    ASSERT_OK(two);
    EXPECT_FALSE(engine.submit(list(job({3}, 1), job({4}, 1))).has_value());
    ASSERT_OK(engine.submit(list(job({5}, 3))));
    engine.cancel(*two);
    wait_for(3);
    EXPECT_EQ(ends_.cancelled, 2);
    EXPECT_EQ(ends_.fine, 1);  // the neighbour was not touched
    engine.cancel(*two);       // again, after the end
    engine.cancel(999);
}

TEST_F(EngineThreadTest, CancellingAtAnyTimeEndsOnce) {
    EngineThread engine(std::make_unique<ScriptedEngine>(watch_), {.running_max = 4, .waiting_max = 100'000});
    std::vector<std::thread> clients;
    for (int t = 0; t < 4; ++t)
        clients.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i) {
                const auto ticket = engine.submit(list(job({t, i}, 20)));
                ASSERT_OK(ticket);
                if (i % 3 == 0) std::this_thread::yield();
                engine.cancel(*ticket);
            }
        });
    for (auto& client : clients) client.join();
    wait_for(400);
    EXPECT_EQ(ends_.failed, 0);
}

TEST_F(EngineThreadTest, AFailedStepFailsItsJobsAndTheNextRun) {
    watch_.step_micros = 500;
    EngineThread engine(std::make_unique<ScriptedEngine>(watch_), {});
    ASSERT_OK(engine.submit(list(job({1}, 1'000'000), job({2}, 1'000'000))));
    watch_.fail_next_step = true;
    wait_for(2);
    EXPECT_EQ(ends_.failed, 2);
    ASSERT_OK(engine.submit(list(job({3}, 5))));
    wait_for(3);
    EXPECT_EQ(ends_.fine, 1);
    EXPECT_EQ(engine.load().open, 0u);
}

TEST_F(EngineThreadTest, AnIdleEngineIsNotStepped) {
    EngineThread engine(std::make_unique<ScriptedEngine>(watch_), {});
    ASSERT_OK(engine.submit(list(job({1}, 3))));
    wait_for(1);
    std::this_thread::sleep_for(20ms);
    const int steps = watch_.steps;
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(watch_.steps, steps);
}

}  // namespace
}  // namespace hearth::server
