// audit/divergence.h - what two rows of logits say about one token: likelihood, agreement, KL divergence.
#pragma once

#include <span>

namespace hearth::audit {

// ln of the sum of exp(logits), in double precision. Minus infinity is a logit of probability 0. Not a
// number, plus infinity, or nothing but minus infinity give not-a-number.
double log_sum_exp(std::span<const float> logits);  // [vocab], not empty

// The most likely id; among equals the lowest.
int top_id(std::span<const float> logits);

// exp(x) for x <= 0 with an error under 2 units in the last place; 0 below -708. The loop over a vocabulary
// spends its time here: it is plain arithmetic, which a compiler turns into vector code, and the same bits
// everywhere, which the C library's is not.
double exp_nonpositive(double x);

struct RowScore {
    double nll = 0;  // -ln p(token)
    int top = 0;
};
RowScore score_row(std::span<const float> logits, int token);

struct PairScore {
    double nll_base = 0, nll_variant = 0;
    double kl = 0;  // KL(base || variant) in nats over the whole vocabulary: sum of p_b * (ln p_b - ln p_v)
    bool same_top = false;
};
// Both rows have one length; token lies within. Equal rows give kl == 0 exactly: each difference of logs is
// 0. Else kl is infinite where the variant gives probability 0 to what the base holds possible. The sum's
// rounding can leave a value like -1e-17 for nearly equal rows, where the truth is a tiny positive number;
// values between -kKlRounding and 0 are set to 0, so a mean is too high by less than that. A value further
// below would be a bug and is given as it is.
inline constexpr double kKlRounding = 1e-12;
PairScore compare_rows(std::span<const float> base, std::span<const float> variant, int token);

}  // namespace hearth::audit
