// tests/kernels/elementwise_test.cpp - norms, activations and attention against double precision, equal on
// every ISA.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "base/rng.h"
#include "kernels/select.h"

namespace hearth::kernels {
namespace {

std::vector<float> gaussian(std::size_t n, std::uint64_t seed, double spread = 1) {
    Philox random(seed);
    std::vector<float> x(n);
    for (float& v : x) v = static_cast<float>(spread * random.normal());
    return x;
}
double d(float x) { return static_cast<double>(x); }

TEST(RmsNorm, AgreesWithDoublePrecision) {
    for (const std::size_t n : {1u, 16u, 40u, 64u, 4096u}) {
        const auto x = gaussian(n, 1), gain = gaussian(n, 2);
        double squares = 0;
        for (const float v : x) squares += d(v) * d(v);
        const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-6);
        std::vector<float> first;
        for (const CpuKernels* kernels : runnable()) {
            std::vector<float> y(n);
            kernels->rms_norm(y.data(), x.data(), gain.data(), static_cast<std::int64_t>(n), 1e-6f);
            // The sum of positive terms loses n/16 + 4 roundings at most, halved by the root, and four more
            // follow.
            const double relative = (static_cast<double>(n) / 32 + 8) * 0x1p-24;
            for (std::size_t i = 0; i < n; ++i)
                ASSERT_NEAR(d(y[i]), d(gain[i]) * d(x[i]) * scale,
                            relative * std::fabs(d(gain[i]) * d(x[i]) * scale) + 1e-30);
            if (first.empty()) first = y;
            EXPECT_EQ(0, std::memcmp(first.data(), y.data(), n * sizeof(float))) << kernels->isa;
        }
    }
}

// f(gate) * up in double, from the definitions.
double glu_of(int kind, double g, double u, double limit) {
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    const double clamped = std::clamp(u, -limit, limit);
    switch (kind) {
        case kGluSilu:
            return limit > 0 ? std::min(g * sigmoid(g), limit) * clamped : g * sigmoid(g) * u;
        case kGluGeluTanh:
            // 1 + tanh(z) is 2 / (1 + e^-2z), which keeps its digits far below zero.
            return g * sigmoid(2 * std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g)) * u;
        case kGluGeluErf:
            return 0.5 * g * std::erfc(-g / std::numbers::sqrt2) * u;
        case kGluClamped:
            return std::min(g, limit) * sigmoid(1.702 * std::min(g, limit)) * (clamped + 1);
        default:
            return sigmoid(g) * u;
    }
}

TEST(Glu, AgreesWithDoublePrecision) {
    auto gate = gaussian(1000, 3, 8);
    for (const float x : {0.0f, -0.0f, 90.0f, -90.0f, 1e9f, -1e9f}) gate.push_back(x);
    const auto up = gaussian(gate.size(), 4, 4);
    for (int kind = 0; kind < kGluKinds; ++kind)
        for (const float limit : {0.0f, 7.0f}) {
            if (kind == kGluClamped && limit == 0) continue;
            std::vector<float> first;
            for (const CpuKernels* kernels : runnable()) {
                std::vector<float> y(gate.size()), plain(gate.size());
                const auto n = static_cast<std::int64_t>(y.size());
                kernels->glu[kind](y.data(), gate.data(), up.data(), n, limit);
                kernels->glu[kind](plain.data(), gate.data(), nullptr, n, limit);
                for (std::size_t i = 0; i < y.size(); ++i) {
                    const double want = glu_of(kind, d(gate[i]), d(up[i]), d(limit));
                    // The approximation of erf errs by 1.5e-7 of the gate, and an exponential's argument of
                    // size 100 by 100 units in the last place.
                    const double slack = kind == kGluGeluErf ? 3e-7 * std::fabs(d(gate[i]) * d(up[i])) : 0;
                    ASSERT_NEAR(d(y[i]), want, 300 * 0x1p-24 * std::fabs(want) + slack + 1e-30)
                        << kind << " " << gate[i];
                    ASSERT_NEAR(
                        d(plain[i]), glu_of(kind, d(gate[i]), 1, d(limit)),
                        300 * 0x1p-24 * std::fabs(d(plain[i])) + 3e-7 * std::fabs(d(gate[i])) + 1e-30);
                }
                if (first.empty()) first = y;
                EXPECT_EQ(0, std::memcmp(first.data(), y.data(), y.size() * sizeof(float))) << kernels->isa;
            }
        }
}

TEST(AttendLatent, AgreesWithDoublePrecisionAndLooksNoFurtherThanTheEnd) {
    for (const auto& [rank, rope] : {std::pair<int, int>{8, 4}, {20, 8}, {512, 64}})
        for (const std::int64_t end : {1, 16, 17, 100}) {
            const int width = rank + rope;
            std::vector<std::vector<float>> blocks;
            std::vector<const float*> rows;
            for (std::int64_t b = 0; b < (end + 15) / 16; ++b) {
                blocks.push_back(
                    gaussian(static_cast<std::size_t>(width * 16), 40 + static_cast<std::uint64_t>(b)));
                for (std::int64_t p = end - b * 16; p < 16; ++p)  // what another sequence left
                    for (int i = 0; i < width; ++i) blocks.back()[static_cast<std::size_t>(i * 16 + p)] = NAN;
            }
            for (const auto& block : blocks) rows.push_back(block.data());
            const auto at = [&](std::int64_t p, int i) {
                return d(blocks[static_cast<std::size_t>(p / 16)][static_cast<std::size_t>(i * 16 + p % 16)]);
            };
            const auto q = gaussian(static_cast<std::size_t>(width), 7, 0.3);
            std::vector<double> weights;
            double top = -INFINITY, sum = 0;
            for (std::int64_t p = 0; p < end; ++p) {
                double s = 0;
                for (int i = 0; i < width; ++i) s += d(q[static_cast<std::size_t>(i)]) * at(p, i);
                weights.push_back(s * 0.25);
                top = std::max(top, weights.back());
            }
            for (double& w : weights) sum += w = std::exp(w - top);
            std::vector<float> first;
            for (const CpuKernels* kernels : runnable()) {
                std::vector<float> out(static_cast<std::size_t>(rank)),
                    scratch(static_cast<std::size_t>(end + 16));
                const LatentArgs args{q.data(), out.data(), rows.data(), end,           nullptr,
                                      width,    rank,       0.25f,       scratch.data()};
                kernels->attend_latent(&args);
                for (int i = 0; i < rank; ++i) {
                    double want = 0;
                    for (std::int64_t p = 0; p < end; ++p)
                        want += weights[static_cast<std::size_t>(p)] / sum * at(p, i);
                    ASSERT_NEAR(d(out[static_cast<std::size_t>(i)]), want, 2e-5) << kernels->isa;
                }
                if (first.empty()) first = out;
                EXPECT_EQ(0, std::memcmp(first.data(), out.data(), out.size() * sizeof(float)))
                    << kernels->isa;
            }
        }
}

TEST(IndexScores, AgreeWithDoublePrecision) {
    for (const auto& [n_heads, head_dim] : {std::pair<int, int>{1, 8}, {3, 12}, {32, 128}}) {
        const std::int64_t end = 37;
        std::vector<std::vector<float>> blocks;
        std::vector<const float*> rows;
        for (std::uint64_t b = 0; b < 3; ++b)
            blocks.push_back(gaussian(static_cast<std::size_t>(head_dim * 16), 60 + b));
        for (const auto& block : blocks) rows.push_back(block.data());
        const auto q = gaussian(static_cast<std::size_t>(n_heads * head_dim), 8);
        const auto weights = gaussian(static_cast<std::size_t>(n_heads), 9);
        std::vector<float> first;
        for (const CpuKernels* kernels : runnable()) {
            std::vector<float> scores(48);
            const IndexArgs args{q.data(), weights.data(), rows.data(),  end,
                                 n_heads,  head_dim,       scores.data()};
            kernels->index_scores(&args);
            for (std::int64_t p = 0; p < end; ++p) {
                double want = 0, magnitude = 0;
                for (int h = 0; h < n_heads; ++h) {
                    double s = 0;
                    for (int i = 0; i < head_dim; ++i)
                        s += d(q[static_cast<std::size_t>(h * head_dim + i)]) *
                             d(blocks[static_cast<std::size_t>(p / 16)]
                                     [static_cast<std::size_t>(i * 16 + p % 16)]);
                    want += d(weights[static_cast<std::size_t>(h)]) * std::max(s, 0.0);
                    magnitude += std::fabs(d(weights[static_cast<std::size_t>(h)]) * s);
                }
                ASSERT_NEAR(d(scores[static_cast<std::size_t>(p)]), want, 1e-5 * (1 + magnitude))
                    << kernels->isa;
            }
            if (first.empty()) first = scores;
            EXPECT_EQ(0, std::memcmp(first.data(), scores.data(), scores.size() * sizeof(float)))
                << kernels->isa;
        }
    }
}

TEST(Convolve, AgreesWithDoublePrecision) {
    for (const std::int64_t n_taps : {1, 2, 4, kTapsMax})
        for (const std::int64_t channels : {8, 56, 600}) {
            const std::int64_t n = 9, stride = channels + 5;
            const auto in = gaussian(static_cast<std::size_t>(n * stride), 1);
            const auto kept = gaussian(static_cast<std::size_t>((n_taps - 1) * channels), 2);
            const auto taps = gaussian(static_cast<std::size_t>(channels * n_taps), 3);
            std::vector<float> first;
            for (const CpuKernels* kernels : runnable()) {
                std::vector<float> out(in.size());
                const ConvolveArgs args{in.data(), stride, kept.data(), taps.data(), out.data(),
                                        stride,    n,      channels,    n_taps};
                kernels->convolve(&args, 0, 16 < channels ? 16 : channels);
                if (16 < channels) kernels->convolve(&args, 16, channels);
                for (std::int64_t t = 0; t < n; ++t)
                    for (std::int64_t c = 0; c < channels; ++c) {
                        double sum = 0, magnitude = 0;
                        for (std::int64_t j = 0; j < n_taps; ++j) {
                            const std::int64_t at = t + j - (n_taps - 1);
                            const float u =
                                at >= 0 ? in[static_cast<std::size_t>(at * stride + c)]
                                        : kept[static_cast<std::size_t>((n_taps - 1 + at) * channels + c)];
                            const double term = d(u) * d(taps[static_cast<std::size_t>(c * n_taps + j)]);
                            sum += term;
                            magnitude += std::fabs(term);
                        }
                        // A rounding a tap; SiLU is no steeper than 1.1, and adds a few of its own.
                        ASSERT_NEAR(d(out[static_cast<std::size_t>(t * stride + c)]),
                                    sum / (1 + std::exp(-sum)),
                                    (static_cast<double>(n_taps) + 8) * 0x1p-23 * magnitude)
                            << kernels->isa << " " << n_taps << " " << t << " " << c;
                    }
                if (first.empty()) first = out;
                EXPECT_EQ(0, std::memcmp(first.data(), out.data(), out.size() * sizeof(float)))
                    << kernels->isa;
            }
        }
}

TEST(Rope, RotatesPairs) {
    const std::vector<float> c = {0.5f, 0.25f}, s = {0.75f, -0.5f};
    for (const CpuKernels* kernels : runnable()) {
        std::vector<float> halves = {1, 2, 3, 4};
        kernels->rope(halves.data(), c.data(), s.data(), 2, 0);
        EXPECT_EQ(halves, (std::vector<float>{1 * .5f - 3 * .75f, 2 * .25f + 4 * .5f, 3 * .5f + 1 * .75f,
                                              4 * .25f - 2 * .5f}));
        std::vector<float> pairs = {1, 2, 3, 4};
        kernels->rope(pairs.data(), c.data(), s.data(), 2, 1);
        EXPECT_EQ(pairs, (std::vector<float>{1 * .5f - 2 * .75f, 2 * .5f + 1 * .75f, 3 * .25f + 4 * .5f,
                                             4 * .25f - 3 * .5f}));
    }
}

}  // namespace
}  // namespace hearth::kernels
