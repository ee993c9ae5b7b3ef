// engine/measure.cpp - the two ceilings that every speed in this program is compared with.
#include "engine/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "kernels/select.h"
#include "tensor/arena.h"

namespace hearth::engine {
namespace {

constexpr int kRuns = 5;
constexpr std::int64_t kPage = 4096;

template <class Body>
double median_seconds(Body&& body) {
    std::vector<double> seconds;
    for (int run = 0; run < kRuns; ++run) {
        const auto start = std::chrono::steady_clock::now();
        body();
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::nth_element(seconds.begin(), seconds.begin() + kRuns / 2, seconds.end());
    return seconds[kRuns / 2];
}

// Steps of 16 lanes a second, over all workers.
double chains_per_second(ThreadPool& pool, float (*chains)(std::int64_t)) {
    constexpr std::int64_t kSteps = 12 * 400'000;
    std::vector<float> values(static_cast<std::size_t>(pool.size()) * 16);  // a cache line a worker
    const double seconds = median_seconds([&] {
        pool.run([&](int worker) { values[static_cast<std::size_t>(worker) * 16] = chains(kSteps); });
    });
    return static_cast<double>(kSteps) * pool.size() / seconds;
}

}  // namespace

Result<CeilingProbe> CeilingProbe::make(ThreadPool& pool, std::uint64_t buffer_bytes) {
    CeilingProbe probe;
    HEARTH_TRY(probe.buffer_,
               probe.arena_.take_bytes(buffer_bytes / kPage * kPage, "the bandwidth measurement"));
    // Written first: pages that were never touched all map to one page of zeros.
    pool.split(std::ssize(probe.buffer_), kPage, [&](std::int64_t begin, std::int64_t end) {
        std::memset(probe.buffer_.data() + begin, 1, static_cast<std::size_t>(end - begin));
    });
    return probe;
}

Ceilings CeilingProbe::measure(ThreadPool& pool) const {
    const kernels::CpuKernels& kernels = kernels::best();
    Ceilings out;
    out.isa = kernels.isa;
    out.threads = pool.size();
    const auto* data = reinterpret_cast<const std::uint8_t*>(buffer_.data());
    const std::int64_t n = std::ssize(buffer_);
    std::vector<std::uint64_t> sums(static_cast<std::size_t>(pool.size()) * 8);
    const double read_seconds = median_seconds([&] {
        pool.run([&](int worker) {
            const std::int64_t begin = n / kPage * worker / pool.size() * kPage;
            const std::int64_t end = n / kPage * (worker + 1) / pool.size() * kPage;
            sums[static_cast<std::size_t>(worker) * 8] += kernels.read_bytes(data + begin, end - begin);
        });
    });
    out.read_bytes_per_second = static_cast<double>(n) / read_seconds;
    out.flops_per_second = 2.0 * kernels::kLanes * chains_per_second(pool, kernels.fma_chains);
    if (kernels.dots->int8_dot_chains != nullptr)
        out.int8_ops_per_second =
            2.0 * 4 * kernels::kLanes * chains_per_second(pool, kernels.dots->int8_dot_chains);
    if (kernels.dots->bf16_dot_chains != nullptr)
        out.bf16_flops_per_second =
            2.0 * 2 * kernels::kLanes * chains_per_second(pool, kernels.dots->bf16_dot_chains);
    return out;
}

Result<Ceilings> measure_ceilings(ThreadPool& pool, std::uint64_t buffer_bytes) {
    HEARTH_TRY(const CeilingProbe probe, CeilingProbe::make(pool, buffer_bytes));
    return probe.measure(pool);
}

}  // namespace hearth::engine
