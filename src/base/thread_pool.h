// base/thread_pool.h - the pool of the decode loop: forks and joins in microseconds, spins, then parks.
// The caller is worker 0. Work is split by index alone, never by arrival, so results cannot depend on timing.
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
                &body);
    }

    // Calls body(begin, end) on each worker with its share of [0, n), in pieces that are multiples of
    // `grain`.
    template <class Body>
    void split(std::int64_t n, std::int64_t grain, Body&& body) {
        const std::int64_t pieces = (n + grain - 1) / grain;
        if (pieces <= 1 || size_ == 1) {
            if (n > 0) body(std::int64_t{0}, n);
            return;
        }
        run([&](int worker) {
            const std::int64_t begin = pieces * worker / size_ * grain;
            std::int64_t end = pieces * (worker + 1) / size_ * grain;
            if (end > n) end = n;
            if (begin < end) body(begin, end);
        });
    }

  private:
    using Job = void (*)(void*, int);
    void run_raw(Job job, void* context);
    void worker_loop(int worker);

    int size_ = 1;
    int spin_micros_;
    std::vector<std::thread> workers_;
    Job job_ = nullptr;
    void* context_ = nullptr;
    alignas(64) std::atomic<std::uint64_t> generation_{
        0};  // one more with each fork; workers wait for it to move
    alignas(64) std::atomic<int> unfinished_{0};
    alignas(64) std::atomic<int> parked_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
};

}  // namespace hearth
