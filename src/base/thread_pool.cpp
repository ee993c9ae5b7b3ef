// base/thread_pool.cpp - spin on a generation counter, park on a condition variable after a while.
#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/machine.h"

namespace hearth {
namespace {
void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

void pin_to(std::thread& thread, int core) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(static_cast<std::size_t>(core), &mask);
    pthread_setaffinity_np(thread.native_handle(), sizeof mask, &mask);  // a refusal costs speed, not truth
}
}  // namespace

ThreadPool::ThreadPool(Options options) : spin_micros_(options.spin_micros) {
    const Machine machine = read_machine();
    size_ = options.threads > 0 ? options.threads : machine.cores_usable;
    // More workers than cores would burn each other's time by spinning.
    if (size_ > machine.cores_usable) spin_micros_ = 0;
    // Worker 0 is the caller and floats, so core 0 of the mask is left to it.
    const bool pin = options.pin && size_ <= static_cast<int>(machine.affinity.size());
    for (int worker = 1; worker < size_; ++worker) {
        workers_.emplace_back([this, worker] { worker_loop(worker); });
        if (pin) pin_to(workers_.back(), machine.affinity[static_cast<std::size_t>(worker)]);
    }
}

ThreadPool::~ThreadPool() {
    stopping_.store(true);
    {
        const std::lock_guard lock(mutex_);
        generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_raw(Job job, void* context) {
    if (size_ == 1) {
        job(context, 0);
        return;
    }
    HEARTH_DCHECK(unfinished_.load() == 0, "one caller at a time");
    job_ = job;
    context_ = context;
    unfinished_.store(size_ - 1, std::memory_order_relaxed);
    // Sequentially consistent with parked_: either we see a parked worker and wake it, or it sees the new
    // number.
    generation_.fetch_add(1);
    if (parked_.load() > 0) {
        const std::lock_guard lock(mutex_);
        wake_.notify_all();
    }
    job(context, 0);
    // A worker that the system has put aside may need this very core: spin for a while, then let others run.
    const int spins_max = spin_micros_ > 0 ? 20'000 : 0;
    for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spins) {
        if (spins < spins_max)
            relax();
        else
            std::this_thread::yield();
    }
}

void ThreadPool::worker_loop(int worker) {
    std::uint64_t seen = 0;
    for (;;) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_micros_);
        for (int spins = 1; generation_.load(std::memory_order_acquire) == seen; ++spins) {
            relax();
            if (spins % 64 != 0 || std::chrono::steady_clock::now() < deadline) continue;
            std::unique_lock lock(mutex_);
            parked_.fetch_add(1);
            wake_.wait(lock, [&] { return generation_.load() != seen; });
            parked_.fetch_sub(1);
            break;
        }
        seen = generation_.load(std::memory_order_acquire);
        if (stopping_.load()) return;
        job_(context_, worker);
        unfinished_.fetch_sub(1, std::memory_order_release);
    }
}

}  // namespace hearth
