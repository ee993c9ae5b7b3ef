// tests/base/thread_pool_test.cpp - every worker runs each fork once; shares tile the range; parking wakes.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

#include "base/machine.h"
#include "base/rng.h"

namespace hearth {
namespace {

TEST(ThreadPool, EachWorkerRunsOnceAFork) {
    for (const int threads : {1, 2, 3, 7}) {
        ThreadPool pool({.threads = threads, .pin = false, .spin_micros = 5});
        std::vector<int> runs(static_cast<std::size_t>(threads));
        for (int fork = 0; fork < 500; ++fork)
            pool.run([&](int worker) { ++runs[static_cast<std::size_t>(worker)]; });
        for (const int n : runs) EXPECT_EQ(n, 500);
    }
}

TEST(ThreadPool, SharesTileTheRange) {
    ThreadPool pool({.threads = 3, .pin = false, .spin_micros = 5});
    for (const std::int64_t n : {0, 1, 15, 16, 17, 1000}) {
        std::vector<int> seen(static_cast<std::size_t>(n));
        pool.split(n, 16, [&](std::int64_t begin, std::int64_t end) {
            EXPECT_EQ(begin % 16, 0);
            for (auto i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), 0), n);
        for (const int times : seen) EXPECT_EQ(times, 1);
    }
}

// Forks follow each other before all workers have seen the last one: each piece is taken once all the same,
// and what a fork wrote is there when it returns.
TEST(ThreadPool, ClaimsAreTakenOnceHoweverLateWorkersCome) {
    ThreadPool pool({.threads = 5, .pin = false, .spin_micros = 1});
    std::vector<int> seen(37);
    for (int fork = 1; fork <= 2000; ++fork) {
        pool.claim(std::ssize(seen), 3, [&](int worker, std::int64_t begin, std::int64_t end) {
            EXPECT_TRUE(worker >= 0 && worker < 5);
            EXPECT_LE(end - begin, 3);
            for (auto i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        ASSERT_EQ(std::accumulate(seen.begin(), seen.end(), 0), fork * std::ssize(seen));
    }
    for (const int times : seen) EXPECT_EQ(times, 2000);
}

TEST(ThreadPool, ParkedWorkersWake) {
    ThreadPool pool({.threads = 2, .pin = true, .spin_micros = 1});
    int total = 0;
    for (int round = 0; round < 20; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        std::atomic<int> sum{0};
        pool.run([&](int worker) { sum += worker + 1; });
        total += sum;
    }
    EXPECT_EQ(total, 60);
}

TEST(Machine, QuotaRoundsUp) {
    EXPECT_EQ(cpu_quota_cores("150000 100000"), 2);
    EXPECT_EQ(cpu_quota_cores("max 100000"), 0);
    EXPECT_EQ(cpu_quota_cores("-1 100000"), 0);
    EXPECT_EQ(cpu_quota_cores(""), 0);
    EXPECT_GE(read_machine().cores_usable, 1);
}

// Known answers of the authors' kat_vectors file (Random123 1.14, philox4x32 10).
TEST(Philox, KnownAnswers) {
    const auto zeros = Philox(0, 0).block(0);
    EXPECT_EQ(zeros, (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    const auto ones = Philox(UINT64_MAX, UINT64_MAX).block(UINT64_MAX);
    EXPECT_EQ(ones, (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

}  // namespace
}  // namespace hearth
