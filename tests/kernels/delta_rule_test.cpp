// tests/kernels/delta_rule_test.cpp - the gated delta rule in chunks against its recurrence in double
// precision, and the same bits for any cut of the tokens and on every ISA.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/select.h"

namespace hearth::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// One head's tokens: rows [query | key] of twice k_dim, values of v_pad.
struct Tokens {
    std::int64_t n = 0, k_dim = 0, v_pad = 0;
    std::vector<float> keys, values, log_decays, rates;
};

enum class Decays { near_one, near_zero, mixed, deadly };

Tokens random_tokens(std::int64_t n, std::int64_t k_dim, std::int64_t v_pad, Decays decays) {
    Tokens t{n, k_dim, v_pad, {}, {}, {}, {}};
    Philox random(7);
    const auto normal = [&] { return static_cast<float>(random.normal()); };
    for (std::int64_t i = 0; i < n * 2 * k_dim; ++i) t.keys.push_back(normal());
    for (std::int64_t i = 0; i < n * v_pad; ++i) t.values.push_back(normal());
    for (std::int64_t i = 0; i < n; ++i) {
        const double u = random.uniform();
        const double g = decays == Decays::near_one    ? -1e-4 * u
                         : decays == Decays::near_zero ? -8 - 8 * u
                         : decays == Decays::mixed     ? -std::exp(14 * u - 10)
                         : i % 5 == 2                  ? -1000
                                                       : -0.01 * u;
        t.log_decays.push_back(static_cast<float>(g));
        t.rates.push_back(static_cast<float>(i % 7 == 3 ? 0.999 : random.uniform()));
    }
    return t;
}

std::vector<double> unit(const float* x, std::int64_t n, double factor) {
    double sum = 1e-6;
    for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    std::vector<double> out;
    for (std::int64_t i = 0; i < n; ++i) out.push_back(static_cast<double>(x[i]) * factor / std::sqrt(sum));
    return out;
}

struct Definition {
    std::vector<double> out, state;
};

// The definition, token by token.
Definition recurrence(const Tokens& t) {
    Definition r{{}, std::vector<double>(static_cast<std::size_t>(t.k_dim * t.v_pad))};
    for (std::int64_t i = 0; i < t.n; ++i) {
        const float* row = t.keys.data() + i * 2 * t.k_dim;
        const auto q = unit(row, t.k_dim, 1 / std::sqrt(static_cast<double>(t.k_dim)));
        const auto k = unit(row + t.k_dim, t.k_dim, 1);
        const double decay = std::exp(static_cast<double>(t.log_decays[static_cast<std::size_t>(i)]));
        for (double& s : r.state) s *= decay;
        for (std::int64_t c = 0; c < t.v_pad; ++c) {
            const auto at = [&](std::size_t d) -> double& {
                return r.state[d * static_cast<std::size_t>(t.v_pad) + static_cast<std::size_t>(c)];
            };
            double known = 0, out = 0;
            for (std::size_t d = 0; d < k.size(); ++d) known += at(d) * k[d];
            const double change =
                static_cast<double>(t.rates[static_cast<std::size_t>(i)]) *
                (static_cast<double>(t.values[static_cast<std::size_t>(i * t.v_pad + c)]) - known);
            for (std::size_t d = 0; d < k.size(); ++d) out += (at(d) += k[d] * change) * q[d];
            r.out.push_back(out);
        }
    }
    return r;
}

// What a sequence keeps, and what the kernels give. Scratch starts as NaNs: nothing may read what it did not
// write.
struct Kept {
    std::vector<float> state, changes, ages, keys, out;
};

Kept run(const CpuKernels& kernels, const Tokens& t, std::span<const std::int64_t> steps) {
    const auto floats = [](std::int64_t n, float x) {
        return std::vector<float>(static_cast<std::size_t>(n), x);
    };
    Kept r{floats(t.k_dim * t.v_pad, 0), floats(kDeltaChunk * t.v_pad, kNan), floats(kDeltaChunk + 16, kNan),
           floats(kDeltaChunk * t.k_dim, kNan), floats(t.n * t.v_pad, kNan)};
    auto q = floats(kDeltaChunk * t.k_dim, kNan), k = q;
    auto query_scores = floats(kDeltaChunk * kDeltaChunk, kNan), key_scores = query_scores;
    std::int64_t position = 0;
    for (std::size_t step = 0; position < t.n; ++step) {
        const std::int64_t first = position % kDeltaChunk;
        const std::int64_t n = std::min({steps[step % steps.size()], kDeltaChunk - first, t.n - position});
        const float* row = t.keys.data() + position * 2 * t.k_dim;
        const DeltaKeysArgs keys{
            row,      row + t.k_dim,       2 * t.k_dim,      first, n, t.k_dim, r.keys.data(), q.data(),
            k.data(), query_scores.data(), key_scores.data()};
        kernels.delta_keys(&keys);
        const DeltaArgs args{r.state.data(),
                             r.changes.data(),
                             r.ages.data(),
                             r.keys.data(),
                             q.data(),
                             k.data(),
                             query_scores.data(),
                             key_scores.data(),
                             t.values.data() + position * t.v_pad,
                             r.out.data() + position * t.v_pad,
                             t.log_decays.data() + position,
                             t.rates.data() + position,
                             first,
                             n,
                             t.k_dim,
                             t.v_pad};
        kernels.delta_rule(&args);
        position += n;
    }
    return r;
}

double largest(const std::vector<double>& x) {
    double m = 0;
    for (const double v : x) m = std::max(m, std::fabs(v));
    return m;
}

class DeltaRule : public testing::TestWithParam<Decays> {};

TEST_P(DeltaRule, AgreesWithTheRecurrence) {
    // Whole chunks at the end, so that the state is comparable too; dimensions that fill no row, no tile, no
    // pair.
    for (const auto& dims : {std::pair<int, int>{128, 128}, {4, 16}, {5, 80}, {24, 208}, {17, 48}}) {
        const Tokens tokens = random_tokens(640, dims.first, dims.second, GetParam());
        const Definition want = recurrence(tokens);
        for (const CpuKernels* kernels : runnable()) {
            const std::int64_t whole[] = {512};
            const Kept got = run(*kernels, tokens, whole);
            // A float32 sum over k_dim terms is off by about sqrt(k_dim) 2^-24; with unit keys each change
            // corrects what is known, so that errors of many tokens add up to some of those, not to all.
            const double allowed = 2e-6 * std::sqrt(static_cast<double>(dims.first));
            const double of_out = allowed * largest(want.out), of_state = allowed * largest(want.state);
            for (std::size_t i = 0; i < want.out.size(); ++i)
                ASSERT_NEAR(static_cast<double>(got.out[i]), want.out[i], of_out) << kernels->isa << " " << i;
            for (std::size_t i = 0; i < want.state.size(); ++i)
                ASSERT_NEAR(static_cast<double>(got.state[i]), want.state[i], of_state)
                    << kernels->isa << " " << i;
        }
    }
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_P(DeltaRule, IsTheSameBitsForAnyCutAndIsa) {
    for (const auto& dims : {std::pair<int, int>{128, 128}, {5, 80}}) {
        const Tokens tokens = random_tokens(203, dims.first, dims.second, GetParam());
        const std::int64_t one[] = {1};
        const Kept first = run(*runnable().front(), tokens, one);
        for (const CpuKernels* kernels : runnable())
            for (const std::vector<std::int64_t>& steps :
                 {std::vector<std::int64_t>{1}, {2}, {7}, {64}, {512}, {1, 15, 3, 4}}) {
                SCOPED_TRACE(std::string(kernels->isa) + ", steps of " + std::to_string(steps.front()));
                const Kept got = run(*kernels, tokens, steps);
                EXPECT_TRUE(same(got.out, first.out));
                EXPECT_TRUE(same(got.state, first.state));
                // Of the running chunk: the rows that exist.
                const auto rows = static_cast<std::size_t>(tokens.n % kDeltaChunk);
                for (std::size_t i = 0; i < rows * static_cast<std::size_t>(tokens.v_pad); ++i)
                    ASSERT_EQ(got.changes[i], first.changes[i]);
            }
    }
}

std::string name_of(const testing::TestParamInfo<Decays>& row) {
    const char* names[] = {"NearOne", "NearZero", "Mixed", "Deadly"};
    return names[static_cast<int>(row.param)];
}
INSTANTIATE_TEST_SUITE_P(Decays, DeltaRule,
                         testing::Values(Decays::near_one, Decays::near_zero, Decays::mixed, Decays::deadly),
                         name_of);

}  // namespace
}  // namespace hearth::kernels
