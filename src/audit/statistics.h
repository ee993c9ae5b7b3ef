// audit/statistics.h - how sure a number is: intervals, paired tests, and the verdict that they allow.
// Every method names its source; docs/audit.md has the formulas.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hearth::audit {

inline constexpr double kConfidence = 0.95;           // of every interval here
inline constexpr int kBootstrapResamples = 2000;      // Efron and Tibshirani 1993, 13.3: 1,000 or more
inline constexpr std::uint64_t kSeedDefault = 20261;  // any fixed number; it is written into each report

struct Interval {
    double low = 0, high = 0;
};

double mean(std::span<const double> values);  // 0 for none

// The value at rank floor(n * share) of the ascending values, the last at most: an observed value, never
// one between two. quantile(v, 0.5) is v[n / 2] and quantile(v, 0.99) is v[int(n * 0.99)]. `values` must be
// sorted and not empty.
double quantile_sorted(std::span<const double> values, double share);

// One cluster of a ratio estimate: the sum of a per-token quantity and the number of tokens.
struct Cluster {
    double sum = 0;
    double count = 0;
};
double ratio(std::span<const Cluster> clusters);  // sum of sums / sum of counts; 0 when there are none

// Percentile bootstrap over whole clusters (documents): draws as many clusters as there are, with
// replacement, `resamples` times, and takes the 2.5th and 97.5th percentile (linear between order
// statistics) of the ratios. Tokens of one document are not independent, documents are.
// Source: Efron and Tibshirani 1993, 13.3; Field and Welsh, J. R. Stat. Soc. B 69 (2007), cluster bootstrap.
// Philox streams make the draw number i of a seed the same on every machine.
Interval bootstrap_ratio(std::span<const Cluster> clusters, std::uint64_t seed,
                         int resamples = kBootstrapResamples);

// Score interval of a proportion, k of n. Source: Wilson, J. Am. Stat. Assoc. 22 (1927). n = 0 gives [0, 1].
Interval wilson(std::int64_t k, std::int64_t n);

// Items that both models answered: who alone was right.
struct Pairs {
    std::int64_t n = 0;
    std::int64_t base_only = 0;     // right before, wrong now
    std::int64_t variant_only = 0;  // wrong before, right now
};
// (variant right - base right) / n.
double paired_difference(const Pairs& pairs);
// Score interval of that difference. It has a width even when no item flipped: none of 250 does not prove
// that none ever will. Source: Tango, Statistics in Medicine 17 (1998) 891-908.
Interval paired_interval(const Pairs& pairs);

// Exact two-sided McNemar test: the chance of a split at least this uneven when both ways are equally
// likely. Source: McNemar, Psychometrika 12 (1947), with the binomial distribution in place of chi squared.
double mcnemar_exact(const Pairs& pairs);

// Holm's step-down correction for testing several tasks at once: adjusted p values in the given order.
// Source: Holm, Scand. J. Statist. 6 (1979).
std::vector<double> holm(std::span<const double> p_values);

// The smallest true difference that `n` items would have shown with 80 % power at level `alpha`, given the
// share of flips seen; never less than what the exact test needs at all, k one-way flips with
// 2 * 0.5^k < alpha. Source of the first: the normal approximation, (z_{alpha/2} + z_{0.2}) * sqrt(flips) /
// n.
double detectable_difference(const Pairs& pairs, double alpha);

enum class Verdict { worse, better, no_difference, too_few };
std::string_view verdict_text(
    Verdict verdict);  // "worse", "better", "no difference seen", "too few items to tell"

// worse or better: the corrected p is under 1 - kConfidence. Otherwise no_difference when the whole interval
// lies within -margin .. +margin, and too_few when it reaches beyond: absence of proof is not proof of
// absence.
Verdict judge(const Pairs& pairs, double p_corrected, double margin);

double normal_quantile(double p);  // inverse of the standard normal distribution, |error| < 1e-12

}  // namespace hearth::audit
