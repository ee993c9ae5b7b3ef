// base/thread_pool.cpp - one word is the gate to a job: workers spin on it, then park on a condition
// variable.
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

// The gate: the job's number, one bit while it may be joined, and the workers inside it.
constexpr std::uint64_t kInside = 0xffff, kOpen = 0x10000;
constexpr int kNumberShift = 17;
std::uint64_t number_of(std::uint64_t gate) { return gate >> kNumberShift; }

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
        gate_.fetch_add(std::uint64_t{1} << kNumberShift);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

// A worker that the system has put aside may need this very core: spin for a while, then let others run.
void ThreadPool::wait_until(const std::atomic<std::uint64_t>& word, std::uint64_t mask,
                            std::uint64_t value) const {
    const int spins_max = spin_micros_ > 0 ? 20'000 : 0;
    for (int spins = 0; (word.load(std::memory_order_acquire) & mask) != value; ++spins) {
        if (spins < spins_max)
            relax();
        else
            std::this_thread::yield();
    }
}

void ThreadPool::run_raw(Job job, void* context, bool all) {
    if (size_ == 1) {
        job(context, 0);
        return;
    }
    const std::uint64_t before = gate_.load(std::memory_order_relaxed);
    HEARTH_DCHECK((before & (kOpen | kInside)) == 0, "one caller at a time");
    job_ = job;
    context_ = context;
    finished_.store(0, std::memory_order_relaxed);
    // Sequentially consistent with parked_: either we see a parked worker and wake it, or it sees the new
    // number.
    gate_.store((number_of(before) + 1) << kNumberShift | kOpen);
    if (parked_.load() > 0) {
        const std::lock_guard lock(mutex_);
        wake_.notify_all();
    }
    job(context, 0);
    if (all) wait_until(finished_, ~std::uint64_t{0}, static_cast<std::uint64_t>(size_ - 1));
    gate_.fetch_and(~kOpen);
    wait_until(gate_, kInside, 0);
}

void ThreadPool::worker_loop(int worker) {
    std::uint64_t seen = 0;  // number of the last job joined or missed
    for (;;) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_micros_);
        for (int spins = 1; number_of(gate_.load(std::memory_order_acquire)) == seen; ++spins) {
            relax();
            if (spins % 64 != 0 || std::chrono::steady_clock::now() < deadline) continue;
            std::unique_lock lock(mutex_);
            parked_.fetch_add(1);
            wake_.wait(lock, [&] { return number_of(gate_.load()) != seen; });
            parked_.fetch_sub(1);
            break;
        }
        std::uint64_t gate = gate_.load(std::memory_order_acquire);
        seen = number_of(gate);
        // After the number: a worker late for a job may take the one that says to stop for it, and would
        // wait for another.
        if (stopping_.load()) return;
        // Fails when another worker comes in or out at this moment, or when the job has closed.
        while ((gate & kOpen) != 0 && number_of(gate) == seen) {
            if (!gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) continue;
            job_(context_, worker);
            finished_.fetch_add(1, std::memory_order_release);
            gate_.fetch_sub(1, std::memory_order_release);
            break;
        }
    }
}

}  // namespace hearth
