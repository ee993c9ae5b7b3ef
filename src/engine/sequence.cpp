// engine/sequence.cpp - drawing, streaming and stopping.
#include "engine/sequence.h"

#include <algorithm>

namespace hearth::engine {
namespace {
double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
    return std::chrono::duration<double>(b - a).count();
}
}  // namespace

Sequence::Sequence(std::uint64_t handle, Request request, Engine::Done done, KvBlocks& blocks,
                   const text::Tokenizer* tokenizer)
    : state(blocks),
      handle_(handle),
      request_(std::move(request)),
      done_(std::move(done)),
      sampler_(request_.sampling, request_.prompt),
      tokens_(request_.prompt),
      prompt_size_(tokens_.size()),
      started_(std::chrono::steady_clock::now()),
      first_token_(started_) {
    if (tokenizer != nullptr) decoder_.emplace(*tokenizer);
    completion_.prompt_tokens = static_cast<int>(prompt_size_);
}

void Sequence::begin(SequenceState known) {
    state = std::move(known);
    completion_.cached_tokens = static_cast<int>(state.length());
}

std::span<const int> Sequence::pending() const {
    return std::span(tokens_).subspan(static_cast<std::size_t>(state.length()));
}

std::int64_t Sequence::tokens_max() const {
    return static_cast<std::int64_t>(prompt_size_) + request_.new_tokens_max;
}

void Sequence::take(std::span<const float> logits) {
    if (completion_.ids.empty()) {
        first_token_ = std::chrono::steady_clock::now();
        completion_.prefill_seconds = seconds_between(started_, first_token_);
    }
    const int id = sampler_.sample(logits);
    sampler_.accept(id);
    if (std::find(request_.stop_ids.begin(), request_.stop_ids.end(), id) != request_.stop_ids.end()) {
        finish(StopReason::stop);
        return;
    }
    tokens_.push_back(id);
    completion_.ids.push_back(id);
    const TokenLogprob* logprob = nullptr;
    if (request_.want_logprobs) {
        completion_.logprobs.push_back(logprob_of(logits, id, request_.top_logprobs));
        logprob = &completion_.logprobs.back();
    }
    bool stopped = false;
    const std::string text = release(decoder_ ? decoder_->push(id) : std::string(), stopped);
    emit(id, text, logprob);
    if (finished_) return;  // the listener went away
    if (stopped)
        finish(StopReason::stop);
    else if (static_cast<int>(completion_.ids.size()) >= request_.new_tokens_max)
        finish(StopReason::length);
}

void Sequence::emit(int id, std::string_view text, const TokenLogprob* logprob) {
    completion_.text += text;
    if (request_.on_token && !request_.on_token({id, text, logprob})) finish(StopReason::cancelled);
}

std::string Sequence::release(std::string text, bool& stopped) {
    if (request_.stop_strings.empty()) return text;
    held_ += text;
    std::size_t cut = std::string::npos;
    for (const std::string& stop : request_.stop_strings) cut = std::min(cut, held_.find(stop));
    if (cut != std::string::npos) {
        stopped = true;
        std::string certain = held_.substr(0, cut);
        held_.clear();
        return certain;
    }
    // Keep back the longest tail that begins a stop string.
    std::size_t keep = 0;
    for (const std::string& stop : request_.stop_strings)
        for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
            if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
    std::string certain = held_.substr(0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return certain;
}

void Sequence::finish(StopReason reason) {
    if (finished_) return;
    finished_ = true;
    completion_.reason = reason;
    completion_.decode_seconds = seconds_between(first_token_, std::chrono::steady_clock::now());
    const bool at_stop_string = reason == StopReason::stop && held_.empty() && !request_.stop_strings.empty();
    std::string rest = held_;
    if (decoder_ && !at_stop_string) rest += decoder_->flush();
    held_.clear();
    if (rest.empty()) return;
    completion_.text += rest;
    if (request_.on_token && reason != StopReason::cancelled)
        request_.on_token({completion_.ids.empty() ? -1 : completion_.ids.back(), rest, nullptr});
}

void Sequence::deliver() {
    if (done_) done_(std::move(completion_));
    done_ = nullptr;
}

}  // namespace hearth::engine
