// base/thread_pool.h - the pool of the decode loop: forks and joins in microseconds, spins, then parks.
// The caller is worker 0. Workers claim numbered pieces, so that one that the system has put aside holds up
// nothing; what a piece is depends on its number alone, so results cannot depend on who takes it or when.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace hearth {

class ThreadPool {
  public:
    struct Options {
        int threads = 0;        // 0: the cores this process may use (affinity and cgroup)
        bool pin = true;        // pin worker i to the i-th core of the affinity mask
        int spin_micros = 200;  // how long a worker spins for the next fork before it parks
    };
    ThreadPool() : ThreadPool(Options()) {}
    explicit ThreadPool(Options options);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    [[nodiscard]] int size() const { return size_; }

    // Calls body(worker) once on each worker, 0 on the calling thread, and waits for all. Not reentrant; one
    // caller at a time. The body must not throw.
    template <class Body>
    void run(Body&& body) {
        run_raw([](void* context,
                   int worker) { (*static_cast<std::remove_reference_t<Body>*>(context))(worker); },
                &body, true);
    }

    // Cuts [0, n) into pieces of `piece` (the last may be shorter) and calls body(worker, begin, end) once
    // for each, on whichever worker claims it. Returns when all are done; workers that come late are not
    // waited for.
    template <class Body>
    void claim(std::int64_t n, std::int64_t piece, Body&& body) {
        if (size_ == 1 || n <= piece) {
            for (std::int64_t begin = 0; begin < n; begin += piece)
                body(0, begin, begin + piece < n ? begin + piece : n);
            return;
        }
        std::atomic<std::int64_t> next{0};
        auto work = [&](int worker) {
            for (;;) {
                const std::int64_t begin = next.fetch_add(piece, std::memory_order_relaxed);
                if (begin >= n) return;
                body(worker, begin, begin + piece < n ? begin + piece : n);
            }
        };
        run_raw([](void* context, int worker) { (*static_cast<decltype(work)*>(context))(worker); }, &work,
                false);
    }

    // The same with pieces of a sensible size: a few for each worker, multiples of `grain`; body(begin, end).
    template <class Body>
    void split(std::int64_t n, std::int64_t grain, Body&& body) {
        constexpr std::int64_t kPiecesPerWorker = 4;
        const std::int64_t grains = (n + grain - 1) / grain,
                           pieces = size_ == 1 ? 1 : size_ * kPiecesPerWorker;
        const std::int64_t piece = (grains + pieces - 1) / pieces * grain;
        if (n > 0) claim(n, piece, [&](int, std::int64_t begin, std::int64_t end) { body(begin, end); });
    }

  private:
    using Job = void (*)(void*, int);
    // `all`: every worker must have run the job; otherwise those that join before the caller is through.
    void run_raw(Job job, void* context, bool all);
    void worker_loop(int worker);
    void wait_until(const std::atomic<std::uint64_t>& word, std::uint64_t mask, std::uint64_t value) const;

    int size_ = 1;
    int spin_micros_;
    std::vector<std::thread> workers_;
    Job job_ = nullptr;
    void* context_ = nullptr;
    // The number of the job, whether it may be joined, and how many workers are in it (thread_pool.cpp).
    alignas(64) std::atomic<std::uint64_t> gate_{0};
    alignas(64) std::atomic<std::uint64_t> finished_{0};  // workers that have run the job
    alignas(64) std::atomic<int> parked_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
};

}  // namespace hearth
