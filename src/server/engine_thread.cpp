// server/engine_thread.cpp - commands cross one mutex; the engine itself is touched by one thread alone.
#include "server/engine_thread.h"

#include "base/log.h"

namespace hearth::server {
namespace {

class EngineStepper : public Stepper {
  public:
    explicit EngineStepper(engine::Engine& engine) : engine_(engine) {}
    Result<std::uint64_t> submit(engine::Request request, engine::Engine::Done done) override {
        return engine_.submit(std::move(request), std::move(done));
    }
    void cancel(std::uint64_t handle) override { engine_.cancel(handle); }
    Result<bool> step() override { return engine_.step(); }
    [[nodiscard]] engine::StepTotals totals() const override { return engine_.totals(); }

  private:
    engine::Engine& engine_;
};

}  // namespace

std::unique_ptr<Stepper> stepper_of(engine::Engine& engine) {
    return std::make_unique<EngineStepper>(engine);
}

EngineThread::EngineThread(std::unique_ptr<Stepper> stepper, Options options)
    : stepper_(std::move(stepper)), options_(options), thread_([this] { loop(); }) {}

EngineThread::~EngineThread() { stop(); }

Result<EngineThread::Ticket> EngineThread::submit(std::vector<Job> jobs,
                                                  const std::function<void()>& accepted) {
    Ticket ticket = 0;
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return fail(Fault::busy, "the server is stopping");
        const std::size_t room = static_cast<std::size_t>(options_.running_max) + options_.waiting_max;
        // Alone, a request may be larger than the queue: it would never fit otherwise.
        if (open_ > 0 && open_ + jobs.size() > room)
            return fail(Fault::busy, "{} answers are under way or waiting, of {} at most; try again later",
                        open_, room);
        open_ += jobs.size();
        ticket = next_ticket_++;
        if (accepted) accepted();
        for (Job& job : jobs) arrived_.push_back({ticket, std::move(job)});
    }
    wake_.notify_one();
    return ticket;
}

void EngineThread::cancel(Ticket ticket) {
    {
        const std::lock_guard lock(mutex_);
        cancelled_.push_back(ticket);
    }
    wake_.notify_one();
}

void EngineThread::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

EngineThread::Load EngineThread::load() const {
    const std::lock_guard lock(mutex_);
    return {open_, answered_};
}

EngineThread::Served EngineThread::served() const {
    const std::lock_guard lock(mutex_);
    Served out = served_;
    out.uptime_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - opened_).count();
    return out;
}

void EngineThread::count(bool began) {
    const engine::StepTotals steps = stepper_->totals();
    std::optional<double> joules;
    if (!energy_.empty()) {
        const double now = energy_.joules();
        // What ran down while nothing was asked for is not counted: the counter may have wrapped meanwhile.
        joules = began ? 0 : now - joules_last_;
        joules_last_ = now;
    }
    const std::lock_guard lock(mutex_);
    served_.steps = steps;
    if (joules) served_.joules = served_.joules.value_or(0) + *joules;
}

void EngineThread::start(Waiting waiting) {
    const std::uint64_t key = next_running_++;
    auto done = std::make_shared<Done>(std::move(waiting.job.done));
    running_[key] = {waiting.ticket, 0, done};
    const auto finished = [this, key, done](Result<engine::Completion> completion) {
        if (running_.erase(key) == 0) return;  // answered already, when a step failed
        {
            const std::lock_guard lock(mutex_);
            --open_;
            ++answered_;
        }
        (*done)(std::move(completion));
    };
    const auto handle = stepper_->submit(std::move(waiting.job.request), finished);
    if (!handle)
        finished(fail(handle.error()));
    else if (const auto at = running_.find(key); at != running_.end())
        at->second.handle = *handle;
}

void EngineThread::fail_all(const Error& error) {
    for (const auto running = std::exchange(running_, {}); const auto& [key, one] : running) {
        stepper_->cancel(one.handle);
        {
            const std::lock_guard lock(mutex_);
            --open_;
        }
        (*one.done)(fail(error));
    }
}

void EngineThread::loop() {
    std::vector<Waiting> arrived;
    std::vector<Ticket> cancelled;
    bool busy = false;
    for (;;) {
        bool stopping = false;
        {
            std::unique_lock lock(mutex_);
            if (!busy)
                wake_.wait(lock, [&] { return stopping_ || !arrived_.empty() || !cancelled_.empty(); });
            arrived.swap(arrived_);
            cancelled.swap(cancelled_);
            stopping = stopping_;
        }
        for (Waiting& waiting : arrived) start(std::move(waiting));
        arrived.clear();
        if (stopping)
            for (const auto& [key, one] : running_) cancelled.push_back(one.ticket);
        for (const Ticket ticket : cancelled) {
            std::vector<std::uint64_t> handles;
            for (const auto& [key, one] : running_)
                if (one.ticket == ticket) handles.push_back(one.handle);
            for (const std::uint64_t handle : handles) stepper_->cancel(handle);
        }
        cancelled.clear();
        if (!busy) count(true);
        const auto more = stepper_->step();
        count(false);
        if (!more) {
            log::error("a step of the engine failed: {}", more.error().message);
            fail_all(more.error());
        } else if (!*more && !running_.empty()) {
            fail_all({Fault::internal, "the engine went idle with answers unfinished"});
        }
        busy = more.value_or(false) || !running_.empty();
        if (stopping && !busy) return;
    }
}

}  // namespace hearth::server
