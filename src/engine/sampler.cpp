// engine/sampler.cpp - plain arithmetic in a stated order; the same seed gives the same tokens on every
// machine.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"

namespace hearth::engine {
namespace {

Status in_range(const char* field, double value, double min, double max) {
    if (value >= min && value <= max) return {};  // false for NaN
    return fail(Fault::out_of_range, "{}: expected {} to {}, saw {}", field, min, max, value);
}

bool more_likely(const std::pair<float, int>& a, const std::pair<float, int>& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
}

}  // namespace

Status check(const SamplingParams& p, std::int64_t vocab) {
    HEARTH_TRY_STATUS(in_range("temperature", p.temperature, 0, 100));
    HEARTH_TRY_STATUS(in_range("top_k", p.top_k, 0, 1 << 30));
    HEARTH_TRY_STATUS(in_range("top_p", p.top_p, 0, 1));
    HEARTH_TRY_STATUS(in_range("min_p", p.min_p, 0, 1));
    HEARTH_TRY_STATUS(in_range("repetition_penalty", p.repetition_penalty, 0.01, 100));
    HEARTH_TRY_STATUS(in_range("presence_penalty", p.presence_penalty, -2, 2));
    HEARTH_TRY_STATUS(in_range("frequency_penalty", p.frequency_penalty, -2, 2));
    for (const auto& [id, bias] : p.logit_bias) {
        if (id < 0 || id >= vocab)
            return fail(Fault::out_of_range, "logit_bias: expected token ids from 0 to {}, saw {}", vocab - 1,
                        id);
        HEARTH_TRY_STATUS(in_range("logit_bias", bias, -100, 100));
    }
    return {};
}

Sampler::Sampler(SamplingParams params, std::span<const int> prompt) : params_(std::move(params)) {
    if (params_.repetition_penalty == 1) return;
    seen_.assign(prompt.begin(), prompt.end());
    std::sort(seen_.begin(), seen_.end());
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
}

void Sampler::accept(int id) {
    if (params_.repetition_penalty != 1) {
        const auto at = std::lower_bound(seen_.begin(), seen_.end(), id);
        if (at == seen_.end() || *at != id) seen_.insert(at, id);
    }
    if (params_.presence_penalty == 0 && params_.frequency_penalty == 0) return;
    const auto at =
        std::find_if(generated_.begin(), generated_.end(), [&](const auto& g) { return g.first == id; });
    if (at == generated_.end())
        generated_.emplace_back(id, 1);
    else
        ++at->second;
}

int Sampler::sample(std::span<const float> logits) {
    const SamplingParams& p = params_;
    const bool adjusts = p.repetition_penalty != 1 || !generated_.empty() || !p.logit_bias.empty();
    if (adjusts) {
        adjusted_.assign(logits.begin(), logits.end());
        for (const int id : seen_) {
            float& x = adjusted_[static_cast<std::size_t>(id)];
            const auto penalty = static_cast<float>(p.repetition_penalty);
            x = x > 0 ? x / penalty : x * penalty;
        }
        for (const auto& [id, times] : generated_)
            adjusted_[static_cast<std::size_t>(id)] -=
                static_cast<float>(p.presence_penalty + p.frequency_penalty * times);
        for (const auto& [id, bias] : p.logit_bias) adjusted_[static_cast<std::size_t>(id)] += bias;
        logits = adjusted_;
    }
    if (p.temperature == 0) return argmax(logits);
    candidates_.clear();
    for (std::size_t i = 0; i < logits.size(); ++i) candidates_.emplace_back(logits[i], static_cast<int>(i));
    return draw();
}

int Sampler::draw() {
    const SamplingParams& p = params_;
    auto& c = candidates_;
    const std::size_t keep = p.top_k > 0 ? std::min(c.size(), static_cast<std::size_t>(p.top_k)) : c.size();
    std::partial_sort(c.begin(), c.begin() + static_cast<std::ptrdiff_t>(keep), c.end(), more_likely);
    c.resize(keep);
    // Probabilities relative to the best, temperature applied.
    std::vector<double> weight(c.size());
    double total = 0;
    for (std::size_t i = 0; i < c.size(); ++i) {
        weight[i] =
            std::exp((static_cast<double>(c[i].first) - static_cast<double>(c[0].first)) / p.temperature);
        total += weight[i];
    }
    std::size_t n = c.size();
    if (p.top_p < 1) {  // the fewest whose share reaches top_p; always one
        double sum = 0;
        n = 0;
        while (n < c.size() && (n == 0 || sum < p.top_p * total)) sum += weight[n++];
    }
    while (n > 1 && weight[n - 1] < p.min_p) --n;  // weight[0] is 1
    total = std::accumulate(weight.begin(), weight.begin() + static_cast<std::ptrdiff_t>(n), 0.0);
    const auto words = Philox(p.seed).block(n_draws_++);
    const std::uint64_t bits = std::uint64_t{words[0]} << 32 | words[1];
    double left = static_cast<double>(bits >> 11) * 0x1.0p-53 * total;
    for (std::size_t i = 0; i + 1 < n; ++i) {
        left -= weight[i];
        if (left < 0) return c[i].second;
    }
    return c[n - 1].second;
}

int argmax(std::span<const float> logits) {
    return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double log_sum_exp(std::span<const float> logits) {
    const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x) - top);
    return top + std::log(sum);
}

TokenLogprob logprob_of(std::span<const float> logits, int id, int n_top) {
    const double norm = log_sum_exp(logits);
    TokenLogprob out;
    out.id = id;
    out.logprob = static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(id)]) - norm);
    if (n_top <= 0) return out;
    std::vector<std::pair<float, int>> ranked;
    for (std::size_t i = 0; i < logits.size(); ++i) ranked.emplace_back(logits[i], static_cast<int>(i));
    const auto keep = static_cast<std::ptrdiff_t>(std::min(ranked.size(), static_cast<std::size_t>(n_top)));
    std::partial_sort(ranked.begin(), ranked.begin() + keep, ranked.end(), more_likely);
    for (std::ptrdiff_t i = 0; i < keep; ++i) {
        const auto& [logit, token] = ranked[static_cast<std::size_t>(i)];
        out.top.emplace_back(token, static_cast<float>(static_cast<double>(logit) - norm));
    }
    return out;
}

}  // namespace hearth::engine
