// server/engine_thread.h - the one thread that owns the engine: it takes requests from any thread, steps
// while there is work, and sleeps otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/energy.h"
#include "base/limits.h"
#include "base/result.h"
#include "engine/engine.h"

namespace hearth::server {

// What the thread drives. The engine is one; tests have scripted ones. All calls come from the one thread.
class Stepper {
  public:
    virtual ~Stepper() = default;
    virtual Result<std::uint64_t> submit(engine::Request request, engine::Engine::Done done) = 0;
    virtual void cancel(std::uint64_t handle) = 0;
    virtual Result<bool> step() = 0;
    [[nodiscard]] virtual engine::StepTotals totals() const { return {}; }
};
// The engine must outlive the stepper.
std::unique_ptr<Stepper> stepper_of(engine::Engine& engine);

class EngineThread {
  public:
    struct Options {
        int running_max = 16;                        // answers that decode together: the engine's batch_max
        std::size_t waiting_max = kRequestQueueMax;  // and those that wait for a place
    };
    using Done = std::function<void(Result<engine::Completion>)>;
    struct Job {
        engine::Request request;
        Done done;  // on the engine thread, once, whatever happens
    };
    using Ticket = std::uint64_t;

    EngineThread(std::unique_ptr<Stepper> stepper, Options options);
    ~EngineThread();  // stops
    EngineThread(const EngineThread&) = delete;
    EngineThread& operator=(const EngineThread&) = delete;

    // Takes all jobs or none. `accepted` runs before any of them can report anything. From any thread.
    // Errors: busy (the queue is full, or the server is stopping).
    Result<Ticket> submit(std::vector<Job> jobs, const std::function<void()>& accepted = {});
    void cancel(Ticket ticket);  // all jobs of it; from any thread; after their end it does nothing
    void stop();                 // cancels everything, then joins

    struct Load {
        std::size_t open = 0;  // accepted and not done
        std::uint64_t answered = 0;
    };
    [[nodiscard]] Load load() const;
    struct Served {
        engine::StepTotals steps;
        double uptime_seconds = 0;
        std::optional<double> joules;  // while steps ran; absent where no counter can be read
    };
    [[nodiscard]] Served served() const;

  private:
    struct Waiting {
        Ticket ticket;
        Job job;
    };
    void loop();
    void start(Waiting waiting);
    void fail_all(const Error& error);
    void count(bool began);  // after a step; began: it is the first after a wait

    std::unique_ptr<Stepper> stepper_;
    EnergyMeter energy_ = EnergyMeter::open();  // of the engine thread alone, as what follows
    double joules_last_ = 0;
    const std::chrono::steady_clock::time_point opened_ = std::chrono::steady_clock::now();
    const Options options_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Waiting> arrived_;  // guarded by mutex_, as what follows
    std::vector<Ticket> cancelled_;
    std::size_t open_ = 0;
    std::uint64_t answered_ = 0;
    Served served_;
    Ticket next_ticket_ = 1;
    bool stopping_ = false;

    struct Running {
        Ticket ticket = 0;
        std::uint64_t handle = 0;
        std::shared_ptr<Done> done;
    };
    std::unordered_map<std::uint64_t, Running> running_;  // of the engine thread alone
    std::uint64_t next_running_ = 1;
    std::thread thread_;
};

}  // namespace hearth::server
