// tests/engine/benchmark_test.cpp - what a benchmark counts beside its clock: energy by a counter that runs
// while it does.
#include "engine/benchmark.h"

#include <unistd.h>
#include <atomic>
#include <fstream>
#include <iomanip>
#include <thread>

#include "fixtures.h"

namespace hearth::engine {
namespace {

TEST(Benchmark, JoulesComeFromTheCounters) {
    const fs::path root = fs::temp_directory_path() / fmt::format("hearth-joules-{}", getpid());
    const fs::path domain = root / "sys/class/powercap/intel-rapl:0";
    fs::create_directories(domain);
    ASSERT_OK(write_whole(domain / "name", "package-0\n"));
    ASSERT_OK(write_whole(domain / "max_energy_range_uj", "262143328850\n"));
    ASSERT_OK(write_whole(domain / "energy_uj", "0\n"));
    // A counter that only grows, in a file of one length: whoever reads it sees a whole number.
    std::atomic<bool> over = false;
    std::jthread source([&] {
        std::fstream file(domain / "energy_uj", std::ios::in | std::ios::out);
        for (std::uint64_t microjoules = 0; !over; microjoules += 50) {
            file.seekp(0);
            file << std::setw(19) << std::setfill('0') << microjoules << "\n" << std::flush;
        }
    });
    const auto model = tests::load(tests::source_dir() / "models/ember");
    ASSERT_NE(model, nullptr);
    BenchmarkOptions options;
    options.prompts = {512};
    options.decode_tokens = 128;
    options.repeats = 2;
    options.energy_root = root;
    EngineOptions open = benchmark_engine_options(*model, options);
    open.threads = 1;
    const auto engine = tests::open(model, open);
    const auto b = benchmark(*engine, options);
    over = true;
    ASSERT_OK(b);
    EXPECT_EQ(b->energy_counters, std::vector<std::string>{"package-0"});
    for (const BenchmarkPoint& point : b->points) {
        ASSERT_TRUE(point.joules_per_token.has_value()) << name(point.phase);
        EXPECT_GT(*point.watts, 0);
        EXPECT_GT(*point.joules_per_token, 0);
    }
    // Without counters there is no figure, rather than a zero.
    options.energy_root = root / "none";
    const auto blind = benchmark(*engine, options);
    ASSERT_OK(blind);
    EXPECT_TRUE(blind->energy_counters.empty());
    EXPECT_FALSE(blind->points[0].joules_per_token.has_value());
    fs::remove_all(root);
}

}  // namespace
}  // namespace hearth::engine
