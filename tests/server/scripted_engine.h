// tests/server/scripted_engine.h - a stepper without a model, and a byte-level tokenizer without merges: each
// answer is a known function of its prompt, so tests can tell whose tokens they got.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <thread>

#include "server/engine_thread.h"
#include "text/tiny_tokenizer.h"

namespace hearth::tests {

// Answers with letters drawn from the prompt's ids: token i is 'a' + (sum of ids + i * i) mod 26.
inline int scripted_token(const std::vector<int>& prompt, int i) {
    long sum = 0;
    for (const int id : prompt) sum += id;
    return 'a' + static_cast<int>((sum + long{i} * i) % 26);
}

class ScriptedEngine : public server::Stepper {
  public:
    struct Watch {  // read by tests while the engine runs
        std::atomic<int> running{0}, submitted{0}, cancelled{0}, steps{0};
        std::atomic<int> step_micros{0}, batch_max{4};
        std::atomic<bool> fail_next_step{false};
        std::string
            script;  // the answer's bytes, a token each; empty: letters of the prompt. Set before asking
    };
    explicit ScriptedEngine(Watch& watch) : watch_(watch) {}

    Result<std::uint64_t> submit(engine::Request request, engine::Engine::Done done) override {
        ++watch_.submitted;
        Sequence s{next_++, std::move(request), std::move(done), {}};
        s.completion.prompt_tokens = static_cast<int>(s.request.prompt.size());
        all_.push_back(std::move(s));
        return all_.back().handle;
    }
    void cancel(std::uint64_t handle) override {
        for (auto& s : all_)
            if (s.handle == handle) s.cancelled = true;
    }
    Result<bool> step() override {
        ++watch_.steps;
        if (watch_.fail_next_step.exchange(false))
            return fail(Fault::io, "the step failed as the test wished");
        if (const int pause = watch_.step_micros; pause > 0 && !all_.empty())
            std::this_thread::sleep_for(std::chrono::microseconds(pause));
        int left = watch_.batch_max;
        for (auto& s : all_)
            if (left-- > 0 || s.cancelled) advance(s);
        for (std::size_t i = 0; i < all_.size();) {
            if (!all_[i].finished) {
                ++i;
                continue;
            }
            Sequence done = std::move(all_[i]);
            all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(i));
            if (done.completion.reason == engine::StopReason::cancelled) ++watch_.cancelled;
            done.done(std::move(done.completion));
        }
        watch_.running = static_cast<int>(all_.size());
        return !all_.empty();
    }

  private:
    struct Sequence {
        std::uint64_t handle;
        engine::Request request;
        engine::Engine::Done done;
        engine::Completion completion;
        bool finished = false, cancelled = false;
    };
    void advance(Sequence& s) const {
        auto& c = s.completion;
        if (s.cancelled) {
            c.reason = engine::StopReason::cancelled;
            s.finished = true;
            return;
        }
        if (!watch_.script.empty() && c.ids.size() == watch_.script.size()) {
            c.reason = engine::StopReason::stop;
            s.finished = true;
            return;
        }
        const int id = watch_.script.empty()
                           ? scripted_token(s.request.prompt, static_cast<int>(c.ids.size()))
                           : static_cast<unsigned char>(watch_.script[c.ids.size()]);
        const std::string text(1, static_cast<char>(id));
        c.ids.push_back(id);
        engine::TokenLogprob logprob{id, -0.5f, {}};
        for (int i = 0; i < s.request.top_logprobs; ++i)
            logprob.top.emplace_back(i, -1.0f - static_cast<float>(i));
        const bool wanted = s.request.on_token({id, text, s.request.want_logprobs ? &logprob : nullptr});
        c.reason = engine::StopReason::length;
        if (!wanted) c.reason = engine::StopReason::cancelled;
        s.finished = !wanted || static_cast<int>(c.ids.size()) >= s.request.new_tokens_max;
    }
    Watch& watch_;
    std::deque<Sequence> all_;
    std::uint64_t next_ = 1;
};

}  // namespace hearth::tests
