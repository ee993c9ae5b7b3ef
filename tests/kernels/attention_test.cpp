// tests/kernels/attention_test.cpp - softmax(q k^T) v against double precision in every type of keys and
// values, and the same bits for any company and instruction set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/kv_layout.h"
#include "kernels/kv_type.h"
#include "kernels/random_matrix.h"
#include "kernels/select.h"
#include "quant/formats/bf16.h"
#include "quant/formats/fp8_e4m3.h"

namespace hearth::kernels {
namespace {

double d(float x) { return static_cast<double>(x); }

// Keys and values of one KV head, stored by the kernels, and what they read as.
struct Cache {
    KvType type;
    int head_dim;
    std::vector<std::vector<std::uint8_t>> keys, values;  // a block each
    std::vector<const std::uint8_t*> key_rows, value_rows;

    Cache(const CpuKernels& kernels, KvType kv, int dim, std::int64_t n, std::uint64_t seed)
        : type(kv), head_dim(dim) {
        const auto k = gaussian(n * dim, seed), v = gaussian(n * dim, seed + 1);
        for (std::int64_t p = 0; p < n; ++p) {
            if (p % 16 == 0) {
                keys.emplace_back(static_cast<std::size_t>(kv_keys_bytes(kv, dim)));
                values.emplace_back(static_cast<std::size_t>(kv_values_bytes(kv, dim)));
            }
            const KvStoreArgs args{&k[static_cast<std::size_t>(p * dim)],
                                   &v[static_cast<std::size_t>(p * dim)],
                                   keys.back().data(),
                                   values.back().data(),
                                   static_cast<int>(p % 16),
                                   dim};
            kernels.kv_store[kv](&args);
        }
        for (std::size_t b = 0; b < keys.size(); ++b) {
            key_rows.push_back(keys[b].data());
            value_rows.push_back(values[b].data());
        }
    }
    // Element `at` of a block, and its scale's index where there is one.
    [[nodiscard]] double element(const std::uint8_t* block, std::int64_t at, std::int64_t scales_at,
                                 std::int64_t scale) const {
        float x = 0;
        if (type == kKvF32) std::memcpy(&x, block + 4 * at, 4);
        if (type == kKvBf16) quant::Format<30>::decode(block + 2 * at, &x);
        if (type == kKvFp8) x = quant::e4m3_to_f32(block[at]);
        if (type == kKvQ8) {
            std::memcpy(&x, block + scales_at + 4 * scale, 4);
            return d(x) * static_cast<std::int8_t>(block[at]);
        }
        return d(x);
    }
    [[nodiscard]] double key(std::int64_t p, int i) const {
        return element(key_rows[static_cast<std::size_t>(p / 16)], i * 16 + p % 16,
                       kv_key_scales_at(head_dim), i / 32 * 16 + p % 16);
    }
    [[nodiscard]] double value(std::int64_t p, int i) const {
        return element(value_rows[static_cast<std::size_t>(p / 16)],
                       p % 16 * kv_head_dim_padded(head_dim) + i, kv_value_scales_at(head_dim),
                       p % 16 * kv_groups(head_dim) + i / 32);
    }
};

struct Case {
    int heads, head_dim;
    std::int64_t position, n_tokens, window, ahead;  // window 0: all
    bool has_sinks;
    [[nodiscard]] std::int64_t n_filled() const { return position + n_tokens; }
    [[nodiscard]] std::int64_t behind() const { return window > 0 ? window : n_filled(); }
};
constexpr Case kCases[] = {
    {1, 8, 0, 1, 0, 0, false},      {3, 16, 0, 19, 0, 0, true},
    {3, 64, 250, 13, 0, 0, false},  {5, 80, 500, 30, 40, 0, true},
    {2, 128, 520, 1, 0, 0, false},  {1, 128, 300, 7, 270, 0, false},
    {4, 24, 1, 2, 1, 0, true},      {8, 256, 511, 2, 0, 0, false},
    {2, 32, 0, 300, 0, 300, false},  // both ways
    {3, 32, 0, 270, 17, 16, false},  // a band
};
const std::vector<float> kSinks = {-2.0f, 3.5f, 40.0f, 0.0f, 1.0f, -1.0f, 2.0f, 0.5f};  // below, among, above

// out[n_tokens, heads * head_dim], `together` tokens a call.
std::vector<float> attend(const CpuKernels& kernels, const Cache& cache, const Case& c,
                          const std::vector<float>& q, std::int64_t together) {
    const std::int64_t stride = std::int64_t{c.heads} * c.head_dim;
    std::vector<float> out(q.size()), scratch(static_cast<std::size_t>(kAttendScratchFloats(c.head_dim)));
    for (std::int64_t t = 0; t < c.n_tokens; t += together) {
        const AttendArgs args{&q[static_cast<std::size_t>(t * stride)],
                              &out[static_cast<std::size_t>(t * stride)],
                              stride,
                              stride,
                              cache.key_rows.data(),
                              cache.value_rows.data(),
                              c.position + t,
                              std::min(together, c.n_tokens - t),
                              c.n_filled(),
                              c.behind(),
                              c.ahead,
                              c.heads,
                              c.head_dim,
                              1.0f / std::sqrt(static_cast<float>(c.head_dim)),
                              c.has_sinks ? kSinks.data() : nullptr,
                              scratch.data()};
        kernels.attend[cache.type](&args);
    }
    return out;
}

std::vector<double> expected(const Cache& cache, const Case& c, std::int64_t token, int head,
                             const float* q) {
    const std::int64_t p0 = c.position + token;
    const std::int64_t begin = std::max<std::int64_t>(0, p0 + 1 - c.behind());
    const std::int64_t end = std::min(c.n_filled(), p0 + 1 + c.ahead);
    std::vector<double> weights;
    double top = c.has_sinks ? d(kSinks[static_cast<std::size_t>(head)]) : -INFINITY;
    for (std::int64_t p = begin; p < end; ++p) {
        double s = 0;
        for (int i = 0; i < c.head_dim; ++i) s += d(q[i]) * cache.key(p, i);
        weights.push_back(s * d(1.0f / std::sqrt(static_cast<float>(c.head_dim))));
        top = std::max(top, weights.back());
    }
    double sum = c.has_sinks ? std::exp(d(kSinks[static_cast<std::size_t>(head)]) - top) : 0;
    for (double& w : weights) sum += w = std::exp(w - top);
    std::vector<double> out;
    for (int i = 0; i < c.head_dim; ++i) {
        double x = 0;
        for (std::int64_t p = begin; p < end; ++p)
            x += weights[static_cast<std::size_t>(p - begin)] / sum * cache.value(p, i);
        out.push_back(x);
    }
    return out;
}

class AttendTest : public testing::TestWithParam<int> {};

TEST_P(AttendTest, AgreesWithDoublePrecisionAndWithItselfInAnyCompany) {
    const auto type = static_cast<KvType>(GetParam());
    for (const Case& c : kCases) {
        const Cache cache(*runnable().front(), type, c.head_dim, c.position + c.n_tokens, 11);
        const auto q = gaussian(c.n_tokens * c.heads * c.head_dim, 7);
        const auto want = attend(*runnable().front(), cache, c, q, 1);
        for (std::int64_t t = 0; t < c.n_tokens; t += 6)
            for (int h = 0; h < c.heads; ++h) {
                const std::int64_t at = (t * c.heads + h) * c.head_dim;
                const auto exact = expected(cache, c, t, h, &q[static_cast<std::size_t>(at)]);
                for (int i = 0; i < c.head_dim; ++i)
                    // Scores of size ~10 carry errors of ~1e-6, which the exponential keeps as relative ones.
                    ASSERT_NEAR(d(want[static_cast<std::size_t>(at + i)]), exact[static_cast<std::size_t>(i)],
                                2e-5)
                        << "token " << t << " head " << h << " of " << c.heads << " x " << c.head_dim;
            }
        for (const CpuKernels* kernels : runnable()) {
            const Cache own(*kernels, type, c.head_dim, c.position + c.n_tokens, 11);
            EXPECT_EQ(own.keys, cache.keys) << kernels->isa;
            EXPECT_EQ(own.values, cache.values) << kernels->isa;
            for (const std::int64_t together : {1, 2, 5, 32}) {
                const auto got = attend(*kernels, cache, c, q, together);
                EXPECT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float)))
                    << kernels->isa << " " << together << " together, heads " << c.heads << " x "
                    << c.head_dim;
            }
        }
    }
}

// Half a step of the type at most: 2^-9 of a BF16 number, 2^-4 of an FP8 one, half of 1 / 127 of a group's
// largest.
TEST_P(AttendTest, StoresWhatItIsGiven) {
    const auto type = static_cast<KvType>(GetParam());
    const int dim = 80;
    const std::int64_t n = 40;
    const Cache cache(best(), type, dim, n, 3);
    const auto k = gaussian(n * dim, 3), v = gaussian(n * dim, 4);
    for (const bool is_key : {true, false})
        for (std::int64_t p = 0; p < n; ++p)
            for (int i = 0; i < dim; ++i) {
                const std::vector<float>& x = is_key ? k : v;
                const double want = d(x[static_cast<std::size_t>(p * dim + i)]);
                double largest = 0;
                for (int j = i / 32 * 32; j < std::min(dim, i / 32 * 32 + 32); ++j)
                    largest = std::max(largest, std::fabs(d(x[static_cast<std::size_t>(p * dim + j)])));
                const double slack = type == kKvF32    ? 0
                                     : type == kKvBf16 ? std::fabs(want) * 0x1p-8
                                     : type == kKvFp8  ? std::fabs(want) * 0x1p-4 + 0x1p-10
                                                       : largest / 127 * 0.5001;
                EXPECT_NEAR(is_key ? cache.key(p, i) : cache.value(p, i), want, slack);
            }
}

INSTANTIATE_TEST_SUITE_P(Types, AttendTest, testing::Range(0, static_cast<int>(kKvTypes)),
                         [](const auto& row) { return std::string(name(static_cast<KvType>(row.param))); });

TEST(KvType, NamesAreReadBack) {
    for (int i = 0; i < kKvTypes; ++i)
        EXPECT_EQ(kv_type_named(name(static_cast<KvType>(i))), static_cast<KvType>(i));
    EXPECT_EQ(kv_type_named("q4"), std::nullopt);
}

}  // namespace
}  // namespace hearth::kernels
