// audit/statistics.cpp - intervals and tests in double precision. Pure functions, no state.
#include "audit/statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace hearth::audit {
namespace {

constexpr double kAlpha = 1 - kConfidence;
constexpr double kPower = 0.8;  // the customary one; Cohen 1988

double z_of_confidence() { return normal_quantile(1 - kAlpha / 2); }

double binomial_half_log(std::int64_t k, std::int64_t n) {  // ln P(X = k), X ~ Binomial(n, 1/2)
    const auto lg = [](std::int64_t x) { return std::lgamma(static_cast<double>(x) + 1); };
    return lg(n) - lg(k) - lg(n - k) - static_cast<double>(n) * std::numbers::ln2;
}

double lower_tail_half(std::int64_t k, std::int64_t n) {  // P(X <= k)
    double sum = 0;
    for (std::int64_t i = 0; i <= k; ++i) sum += std::exp(binomial_half_log(i, n));
    return sum;
}

// Linear between order statistics (type 7 of Hyndman and Fan 1996).
double interpolated(const std::vector<double>& sorted, double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Tango's statistic: how far the difference seen is from `delta`, in standard errors of the best fit with
// that difference. The fit maximises the trinomial likelihood: a root of A q^2 + B q + C, q = P(base only).
double tango_score(const Pairs& pairs, double delta) {
    const auto n = static_cast<double>(pairs.n), b = static_cast<double>(pairs.base_only),
               c = static_cast<double>(pairs.variant_only);
    const double qa = 2 * n, qb = delta * (2 * n + b - c) - b - c, qc = -b * delta * (1 - delta);
    const double q = (std::sqrt(std::max(0.0, qb * qb - 4 * qa * qc)) - qb) / (2 * qa);
    const double variance = (2 * q + delta * (1 - delta)) / n;
    const double distance = (c - b) / n - delta;
    if (variance <= 0) return distance == 0 ? 0 : distance > 0 ? 1e300 : -1e300;
    return distance / std::sqrt(variance);
}

double bisect(const Pairs& pairs, double target, double low, double high) {  // the score falls with delta
    for (int i = 0; i < 200; ++i) {
        const double middle = (low + high) / 2;
        (tango_score(pairs, middle) > target ? low : high) = middle;
    }
    return (low + high) / 2;
}

}  // namespace

double mean(std::span<const double> values) {
    if (values.empty()) return 0;
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double quantile_sorted(std::span<const double> values, double share) {
    HEARTH_CHECK(!values.empty(), "a quantile needs values");
    const auto rank = static_cast<std::size_t>(static_cast<double>(values.size()) * share);
    return values[std::min(rank, values.size() - 1)];
}

double ratio(std::span<const Cluster> clusters) {
    double sum = 0, count = 0;
    for (const Cluster& c : clusters) {
        sum += c.sum;
        count += c.count;
    }
    return count > 0 ? sum / count : 0;
}

Interval bootstrap_ratio(std::span<const Cluster> clusters, std::uint64_t seed, int resamples) {
    if (clusters.empty()) return {};
    std::vector<double> ratios;
    ratios.reserve(static_cast<std::size_t>(resamples));
    for (int r = 0; r < resamples; ++r) {
        Philox rng(seed, static_cast<std::uint64_t>(r));
        double sum = 0, count = 0;
        for (std::size_t i = 0; i < clusters.size(); ++i) {
            const Cluster& c = clusters[rng.below(clusters.size())];
            sum += c.sum;
            count += c.count;
        }
        ratios.push_back(count > 0 ? sum / count : 0);
    }
    std::sort(ratios.begin(), ratios.end());
    return {interpolated(ratios, kAlpha / 2), interpolated(ratios, 1 - kAlpha / 2)};
}

Interval wilson(std::int64_t k, std::int64_t n) {
    if (n == 0) return {0, 1};
    const auto count = static_cast<double>(n);
    const double z = z_of_confidence(), p = static_cast<double>(k) / count, zz = z * z;
    const double centre = (p + zz / (2 * count)) / (1 + zz / count);
    const double half = z / (1 + zz / count) * std::sqrt(p * (1 - p) / count + zz / (4 * count * count));
    return {k == 0 ? 0 : std::max(0.0, centre - half), k == n ? 1 : std::min(1.0, centre + half)};
}

double paired_difference(const Pairs& pairs) {
    if (pairs.n == 0) return 0;
    return static_cast<double>(pairs.variant_only - pairs.base_only) / static_cast<double>(pairs.n);
}

Interval paired_interval(const Pairs& pairs) {
    if (pairs.n == 0) return {-1, 1};
    const double z = z_of_confidence(), seen = paired_difference(pairs);
    return {seen <= -1 ? -1 : bisect(pairs, z, -1, seen), seen >= 1 ? 1 : bisect(pairs, -z, seen, 1)};
}

double mcnemar_exact(const Pairs& pairs) {
    const std::int64_t flips = pairs.base_only + pairs.variant_only;
    return std::min(1.0, 2 * lower_tail_half(std::min(pairs.base_only, pairs.variant_only), flips));
}

std::vector<double> holm(std::span<const double> p_values) {
    std::vector<std::size_t> order(p_values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
    std::vector<double> adjusted(p_values.size());
    double largest = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        const auto left = static_cast<double>(order.size() - i);
        largest = std::max(largest, std::min(1.0, left * p_values[order[i]]));
        adjusted[order[i]] = largest;
    }
    return adjusted;
}

double detectable_difference(const Pairs& pairs, double alpha) {
    if (pairs.n == 0) return 1;
    const auto n = static_cast<double>(pairs.n);
    const auto flips = static_cast<double>(pairs.base_only + pairs.variant_only);
    const double powered = (normal_quantile(1 - alpha / 2) + normal_quantile(kPower)) * std::sqrt(flips) / n;
    double fewest = 1;  // one-way flips that the exact test can call at all
    while (2 * std::exp2(-fewest) >= alpha) ++fewest;
    return std::min(1.0, std::max(powered, fewest / n));
}

std::string_view verdict_text(Verdict verdict) {
    switch (verdict) {
        case Verdict::worse:
            return "worse";
        case Verdict::better:
            return "better";
        case Verdict::no_difference:
            return "no difference seen";
        case Verdict::too_few:
            return "too few items to tell";
    }
    return "";
}

Verdict judge(const Pairs& pairs, double p_corrected, double margin) {
    if (p_corrected < kAlpha) return pairs.variant_only < pairs.base_only ? Verdict::worse : Verdict::better;
    const Interval interval = paired_interval(pairs);
    return interval.low >= -margin && interval.high <= margin ? Verdict::no_difference : Verdict::too_few;
}

// Newton's method on the error function from a rough start; the curve is smooth and the start is near.
double normal_quantile(double p) {
    HEARTH_CHECK(p > 0 && p < 1, "a probability strictly between 0 and 1");
    double z = p < 0.5 ? -std::sqrt(-2 * std::log(p)) + 1 : std::sqrt(-2 * std::log(1 - p)) - 1;
    for (int i = 0; i < 60; ++i) {
        const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
        // The upper tail is computed from its own side, so that no digits cancel.
        const double excess = p < 0.5 ? std::erfc(-z / std::numbers::sqrt2) / 2 - p
                                      : (1 - p) - std::erfc(z / std::numbers::sqrt2) / 2;
        const double step = std::clamp(excess / density, -0.5, 0.5);
        z -= step;
        if (std::fabs(step) < 1e-15 * std::max(1.0, std::fabs(z))) break;
    }
    return z;
}

}  // namespace hearth::audit
