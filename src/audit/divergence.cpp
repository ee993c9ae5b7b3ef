// audit/divergence.cpp - sums over the vocabulary in eight double lanes, folded in one fixed order.
#include "audit/divergence.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "base/check.h"

namespace hearth::audit {
namespace {

constexpr std::size_t kLanes = 8;

// Adds term(i) for i in [0, n): lane i % 8, then ((0+1)+(2+3))+((4+5)+(6+7)). One order for every build.
template <class Term>
double lane_sum(std::size_t n, Term&& term) {
    std::array<double, kLanes> lanes{};
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += term(i + k);
    for (; i < n; ++i) lanes[i % kLanes] += term(i);
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

float largest(std::span<const float> logits) {
    float most = -std::numeric_limits<float>::infinity();
    for (const float x : logits) most = x > most ? x : most;
    return most;
}

// Cody and Waite: x = n ln2 + r with ln2 in two parts, e^r by its series (|r| <= 0.347: the 14th term is
// under 1e-17), times 2^n by the exponent's bits. Adding 1.5 * 2^52 rounds to the nearest integer.
inline double exp_inline(double x) {
    constexpr double kRound = 0x1.8p52;
    constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;  // fdlibm, e_exp.c
    constexpr double kSmallest = -708;  // 2^-1021: the last with a normal exponent
    const double bounded = x < kSmallest ? kSmallest : x;
    const double shifted = bounded * std::numbers::log2e + kRound;
    const double n = shifted - kRound;
    const double r = (bounded - n * kLn2High) - n * kLn2Low;
    double p = 1.0 / 6227020800.0;  // 1/13!
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r * r + r;
    const auto exponent = std::bit_cast<std::uint64_t>(shifted) - std::bit_cast<std::uint64_t>(kRound);
    const double scale = std::bit_cast<double>((exponent + 1023) << 52);
    const double value = (1.0 + p) * scale;
    return x < kSmallest ? 0 : value;
}

}  // namespace

double exp_nonpositive(double x) { return exp_inline(x); }

double log_sum_exp(std::span<const float> logits) {
    const auto most = static_cast<double>(largest(logits));
    const float* row = logits.data();
    const double sum = lane_sum(
        logits.size(), [=](std::size_t i) { return exp_inline(static_cast<double>(row[i]) - most); });
    return most + std::log(sum);
}

int top_id(std::span<const float> logits) {
    const float most = largest(logits);
    const auto found = std::find(logits.begin(), logits.end(), most);
    return found == logits.end() ? 0 : static_cast<int>(found - logits.begin());
}

RowScore score_row(std::span<const float> logits, int token) {
    HEARTH_CHECK(token >= 0 && static_cast<std::size_t>(token) < logits.size(),
                 "the token is in the vocabulary");
    return {log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(token)]),
            top_id(logits)};
}

PairScore compare_rows(std::span<const float> base, std::span<const float> variant, int token) {
    HEARTH_CHECK(base.size() == variant.size(), "both models have one vocabulary");
    HEARTH_CHECK(token >= 0 && static_cast<std::size_t>(token) < base.size(),
                 "the token is in the vocabulary");
    const double base_log = log_sum_exp(base), variant_log = log_sum_exp(variant);
    const float *b = base.data(), *v = variant.data();
    PairScore out;
    out.kl = lane_sum(base.size(), [=](std::size_t i) {
        const double lb = static_cast<double>(b[i]) - base_log, lv = static_cast<double>(v[i]) - variant_log;
        const double p = exp_inline(lb);
        return p == 0 ? 0 : p * (lb - lv);  // 0 ln 0 = 0, also where both logs are minus infinity
    });
    if (out.kl < 0 && out.kl > -kKlRounding) out.kl = 0;
    out.nll_base = base_log - static_cast<double>(b[token]);
    out.nll_variant = variant_log - static_cast<double>(v[token]);
    out.same_top = top_id(base) == top_id(variant);
    return out;
}

}  // namespace hearth::audit
