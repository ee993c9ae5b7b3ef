// tests/kernels/dot_test.cpp - products with quantized activations: against double precision over what was
// quantized, and the same bits for any batch, number of threads and (integers) instruction set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/linear.h"
#include "kernels/random_matrix.h"
#include "kernels/select.h"
#include "material.h"

namespace hearth::kernels {
namespace {

constexpr DType kTypes[] = {DType::bf16,   DType::f8_e4m3, DType::q8_0, DType::q4_0,
                            DType::q4_k,   DType::q5_k,    DType::q6_k, DType::iq4_nl,
                            DType::iq4_xs, DType::mxfp4,   DType::nvfp4};

struct Quantized {
    std::vector<std::byte> bytes;
    Activations rows;
};

Quantized quantize(const CpuKernels& kernels, ActivationKind kind, const std::vector<float>& x,
                   std::int64_t cols) {
    const std::int64_t n = static_cast<std::int64_t>(x.size()) / cols;
    Quantized out;
    out.bytes.resize(static_cast<std::size_t>(n * activation_row_bytes(kind, cols)));
    quantize_rows(kernels, kind, x.data(), cols, cols, 0, n, out.bytes.data());
    out.rows = {kind, out.bytes.data(), cols / kActivationCols};
    return out;
}

// What the kernel reads as activation i of a row.
double value(const Quantized& x, std::int64_t row, std::int64_t i) {
    const std::int64_t block = row * x.rows.stride + i / 32;
    if (x.rows.kind == kActivationInt8) {
        const auto& b = static_cast<const ActivationBlock*>(x.rows.rows)[block];
        return static_cast<double>(b.q[i % 32]) * static_cast<double>(b.scale);
    }
    const std::uint32_t bits =
        static_cast<std::uint32_t>(static_cast<const Bf16Block*>(x.rows.rows)[block].x[i % 32]) << 16;
    float wide;
    std::memcpy(&wide, &bits, 4);
    return static_cast<double>(wide);
}

// [n, rows] of one matrix over quantized rows, `batch` at a time.
std::vector<float> multiply(const CpuKernels& kernels, const PackedMatrix& packed,
                            const std::vector<float>& x, std::int64_t batch, ThreadPool& pool) {
    const std::int64_t n = static_cast<std::int64_t>(x.size()) / packed.cols,
                       y_stride = packed.n_panels * kLanes;
    const std::int64_t scratch_floats = linear_scratch_floats(packed.cols_padded);
    std::vector<float> scratch(static_cast<std::size_t>(scratch_floats * pool.size())), out;
    for (std::int64_t t = 0; t < n; t += batch) {
        const std::int64_t size = std::min(batch, n - t);
        const std::vector<float> part(x.begin() + t * packed.cols, x.begin() + (t + size) * packed.cols);
        const Quantized q = quantize(kernels, activation_kind(kernels, packed, false), part, packed.cols);
        std::vector<float> y(static_cast<std::size_t>(size * y_stride));
        const LinearJob job{&packed, q.rows, y.data(), y_stride};
        linear(kernels, {&job, 1}, size, scratch.data(), scratch_floats, pool);
        for (std::int64_t row = 0; row < size; ++row)
            out.insert(out.end(), y.begin() + row * y_stride, y.begin() + row * y_stride + packed.rows);
    }
    return out;
}

class DotTest : public testing::TestWithParam<DType> {};

TEST_P(DotTest, AgreesWithDoublePrecisionOverWhatWasQuantized) {
    const std::int64_t rows = 37, cols = 512, n = 11;
    const Matrix m = random_matrix(GetParam(), rows, cols, 1);
    auto x = gaussian(n * cols, 2);
    for (std::int64_t i = 0; i < 64; ++i)
        x[static_cast<std::size_t>(i)] = i % 2 == 0 ? 7.0f : -7.0f;  // all 127s
    ThreadPool pool({.threads = 2, .pin = false});
    Arena arena;
    const auto packed = pack(m.view, 1.0f, {}, arena, pool);
    ASSERT_OK(packed);
    int tried = 0;
    for (const CpuKernels* kernels : runnable()) {
        const ActivationKind kind = activation_kind(*kernels, *packed, false);
        if (kind == kActivationF32) continue;
        ++tried;
        const auto y = multiply(*kernels, *packed, x, n, pool);
        const Quantized q = quantize(*kernels, kind, x, cols);
        for (std::int64_t t = 0; t < n; ++t)
            for (std::int64_t r = 0; r < rows; ++r) {
                double want = 0, magnitude = 0;
                for (std::int64_t k = 0; k < cols; ++k) {
                    double largest = 0;  // a code times its scale, and a minimum, are each below thrice this
                    for (std::int64_t j = k / 32 * 32; j < k / 32 * 32 + 32; ++j)
                        largest = std::max(largest, std::fabs(static_cast<double>(
                                                        m.decoded[static_cast<std::size_t>(r * cols + j)])));
                    want += static_cast<double>(m.decoded[static_cast<std::size_t>(r * cols + k)]) *
                            value(q, t, k);
                    magnitude += 3 * largest * std::fabs(value(q, t, k));
                }
                // At most cols / 4 additions in a chain (BF16; integers have cols / 32), a few roundings of
                // each term and of the joins.
                const double tolerance = (static_cast<double>(cols) / 4 + 8) * 0x1p-24 * magnitude;
                ASSERT_NEAR(static_cast<double>(y[static_cast<std::size_t>(t * rows + r)]), want, tolerance)
                    << kernels->isa << " row " << r << " token " << t;
            }
    }
    if (tried == 0) GTEST_SKIP() << "no instruction set here has dot products for this format";
}

TEST_P(DotTest, GivesTheSameBitsForAnyBatchThreadsAndInstructionSet) {
    const std::int64_t rows = 150, cols = 768, n = 23;
    const Matrix m = random_matrix(GetParam(), rows, cols, 5);
    const auto x = gaussian(n * cols, 6);
    Arena arena;
    ThreadPool one({.threads = 1}), three({.threads = 3, .pin = false});
    const auto packed = pack(m.view, 0.375f, {}, arena, one);
    ASSERT_OK(packed);
    std::vector<float> want;
    for (const CpuKernels* kernels : runnable()) {
        if (activation_kind(*kernels, *packed, false) == kActivationF32) continue;
        if (want.empty()) want = multiply(*kernels, *packed, x, 1, one);
        for (ThreadPool* pool : {&one, &three})
            for (const std::int64_t batch : {1, 2, 3, 4, 7, 8, 9, 13, 23}) {
                const auto got = multiply(*kernels, *packed, x, batch, *pool);
                ASSERT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float)))
                    << kernels->isa << " batch " << batch << " threads " << pool->size();
            }
    }
    if (want.empty()) GTEST_SKIP() << "no instruction set here has dot products for this format";
}

INSTANTIATE_TEST_SUITE_P(Formats, DotTest, testing::ValuesIn(kTypes),
                         [](const auto& row) { return std::string(::hearth::info(row.param).name); });

struct Fp8Case {
    std::int64_t cols, block_rows, block_cols;
};
constexpr Fp8Case kFp8Cases[] = {
    {512, 128, 128}, {32, 16, 128}, {160, 24, 128}, {736, 1, 736}, {1024, 64, 256}};  // also cut blocks

// FP8 with scales of blocks or rows: the exact product of what was quantized, within what its roundings
// allow.
TEST(Dot, Fp8WithScalesAgreesWithDoublePrecision) {
    const std::int64_t rows = 37, n = 11;
    ThreadPool pool({.threads = 2, .pin = false});
    int tried = 0;
    for (const auto& [cols, block_rows, block_cols] : kFp8Cases) {
        Matrix m = random_matrix(DType::f8_e4m3, rows, cols, 21);
        for (std::size_t i = 0; i < 254; ++i)  // every code: subnormals, both zeros and the largest
            m.bytes[i] = static_cast<std::byte>(i + (i > 126 ? 1 : 0));
        quant::block_format(DType::f8_e4m3)->decode_row(m.bytes.data(), m.decoded.data(), rows * cols);
        const std::int64_t across = (cols + block_cols - 1) / block_cols;
        auto scales = gaussian((rows + block_rows - 1) / block_rows * across, 22);
        for (float& scale : scales) scale = std::fabs(scale) * 1e-3f;
        const auto x = gaussian(n * cols, 23);
        Arena arena;
        const auto packed = pack_fp8(m.view, {scales, block_rows, block_cols}, {}, arena, pool);
        ASSERT_OK(packed);
        // A byte a weight, and four in 128 for the scale.
        EXPECT_LE(packed->panel_bytes, 16 * cols + (cols + 127) / 128 * 64);
        for (const CpuKernels* kernels : runnable()) {
            const ActivationKind kind = activation_kind(*kernels, *packed, false);
            if (kind == kActivationF32) continue;
            ++tried;
            const auto y = multiply(*kernels, *packed, x, n, pool);
            const Quantized q = quantize(*kernels, kind, x, cols);
            for (std::int64_t t = 0; t < n; ++t)
                for (std::int64_t r = 0; r < rows; ++r) {
                    double want = 0, magnitude = 0;
                    for (std::int64_t k = 0; k < cols; ++k) {
                        const double term =
                            static_cast<double>(m.decoded[static_cast<std::size_t>(r * cols + k)]) *
                            static_cast<double>(
                                scales[static_cast<std::size_t>(r / block_rows * across + k / block_cols)]) *
                            value(q, t, k);
                        want += term;
                        magnitude += std::fabs(term);
                    }
                    // In a block 32 steps of two additions a partial sum and their join; one rounding a block
                    // and one at the end.
                    const double roundings = 65 + static_cast<double>(cols) / 128 + 2;
                    ASSERT_NEAR(static_cast<double>(y[static_cast<std::size_t>(t * rows + r)]), want,
                                roundings * 0x1p-24 * magnitude)
                        << kernels->isa << " columns " << cols << " row " << r << " token " << t;
                }
        }
    }
    if (tried == 0) GTEST_SKIP() << "no instruction set here has dot products for this format";
}

TEST(Dot, Fp8WithScalesGivesTheSameBitsForAnyBatchAndThreads) {
    const std::int64_t rows = 150, n = 23;
    ThreadPool one({.threads = 1}), three({.threads = 3, .pin = false});
    bool tried = false;
    for (const auto& [cols, block_rows, block_cols] : kFp8Cases) {
        const Matrix m = random_matrix(DType::f8_e4m3, rows, cols, 24);
        const auto scales =
            gaussian((rows + block_rows - 1) / block_rows * ((cols + block_cols - 1) / block_cols), 25);
        const auto x = gaussian(n * cols, 26);
        Arena arena;
        const auto packed = pack_fp8(m.view, {scales, block_rows, block_cols}, {}, arena, one);
        ASSERT_OK(packed);
        std::vector<float> want;
        for (const CpuKernels* kernels : runnable()) {
            if (activation_kind(*kernels, *packed, false) == kActivationF32) continue;
            tried = true;
            if (want.empty()) want = multiply(*kernels, *packed, x, 1, one);
            for (ThreadPool* pool : {&one, &three})
                for (const std::int64_t batch : {1, 2, 3, 4, 5, 7, 8, 9, 13, 23}) {
                    const auto got = multiply(*kernels, *packed, x, batch, *pool);
                    ASSERT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float)))
                        << kernels->isa << " columns " << cols << " batch " << batch;
                }
        }
    }
    if (!tried) GTEST_SKIP() << "no instruction set here has dot products for this format";
}

// Codes and activations at the ends of their ranges: where 16-bit intermediates would overflow.
TEST(Dot, ExtremeCodesDoNotSaturate) {
    const std::int64_t rows = 16, cols = 64;
    std::vector<std::byte> bytes;
    for (std::int64_t block = 0; block < rows * cols / 32; ++block) {
        bytes.insert(bytes.end(), {std::byte{0x00}, std::byte{0x3c}});  // a scale of 1
        for (int i = 0; i < 32; ++i)
            bytes.push_back(
                std::byte{static_cast<unsigned char>(block % 2 == 0 ? 0x80 : 0x7f)});  // -128 or 127
    }
    ThreadPool pool({.threads = 1});
    Arena arena;
    const auto packed = pack({DType::q8_0, Shape{rows, cols}, bytes}, 1.0f, {}, arena, pool);
    ASSERT_OK(packed);
    for (const float sign : {1.0f, -1.0f}) {
        const std::vector<float> x(static_cast<std::size_t>(cols), sign * 127.0f);
        for (const CpuKernels* kernels : runnable())
            for (const float y : multiply(*kernels, *packed, x, 1, pool))
                EXPECT_EQ(y, sign * 127.0f * 32.0f * (127.0f - 128.0f)) << kernels->isa;
    }
}

// NVFP4's scales meet as integers of 16 bits: every pair of them within 2^11 of each other gives what float32
// gives, and beyond that an error below 2^-14 of the greater.
TEST(Dot, Nvfp4ScalesFarApart) {
    const std::int64_t cols = 64, rows = 126;  // a scale byte a row against the greatest, 448
    Matrix m = random_matrix(DType::nvfp4, rows, cols, 11);
    for (std::int64_t row = 0; row < rows; ++row)
        for (int group = 0; group < 4; ++group)  // a block: four scales, then 32 bytes of codes
            m.bytes[static_cast<std::size_t>(row * 36 + group)] =
                static_cast<std::byte>(group % 2 == (row / 8) % 2 ? 126 : row + 1);
    quant::block_format(DType::nvfp4)->decode_row(m.bytes.data(), m.decoded.data(), rows * cols);
    const auto x = gaussian(cols, 12);
    ThreadPool pool({.threads = 1});
    Arena arena;
    const auto packed = pack({DType::nvfp4, Shape{rows, cols}, m.bytes}, 1.0f, {}, arena, pool);
    ASSERT_OK(packed);
    for (const CpuKernels* kernels : runnable()) {
        const auto y = multiply(*kernels, *packed, x, 1, pool);
        const Quantized q = quantize(*kernels, kActivationInt8, x, cols);
        for (std::int64_t row = 0; row < rows; ++row) {
            double want = 0, magnitude = 0, activations = 0;
            for (std::int64_t k = 0; k < cols; ++k) {
                const double w = static_cast<double>(m.decoded[static_cast<std::size_t>(row * cols + k)]);
                want += w * value(q, 0, k);
                magnitude += std::fabs(w * value(q, 0, k));
                activations += std::fabs(value(q, 0, k));
            }
            const bool is_near = row + 1 >= 32;  // exponents 4 to 15
            const double tolerance =
                0x1p-22 * magnitude + (is_near ? 0 : 0x1p-14 * 448.0 * 6.0 * activations);
            EXPECT_NEAR(static_cast<double>(y[static_cast<std::size_t>(row)]), want, tolerance)
                << kernels->isa << " scale byte " << row + 1;
        }
    }
}

TEST(Quantize, RoundsToTheNearestOf255StepsAlikeEverywhere) {
    const std::int64_t cols = 512;
    auto x = gaussian(cols, 9);
    for (int i = 0; i < 32; ++i) x[static_cast<std::size_t>(i)] = 0;         // a block of zeros
    for (int i = 32; i < 64; ++i) x[static_cast<std::size_t>(i)] *= 1e-38f;  // below what counts
    for (int i = 64; i < 96; ++i) x[static_cast<std::size_t>(i)] *= 1e37f;   // large
    const Quantized want = quantize(*runnable().front(), kActivationInt8, x, cols);
    for (std::int64_t i = 64; i < cols; ++i) {
        const auto& block = static_cast<const ActivationBlock*>(want.rows.rows)[i / 32];
        const double step = static_cast<double>(block.scale);
        EXPECT_LE(std::fabs(value(want, 0, i) - static_cast<double>(x[static_cast<std::size_t>(i)])),
                  0.50001 * step);
    }
    for (std::int64_t i = 0; i < 64; ++i) EXPECT_EQ(value(want, 0, i), 0.0);
    for (const CpuKernels* kernels : runnable())
        EXPECT_EQ(want.bytes, quantize(*kernels, kActivationInt8, x, cols).bytes) << kernels->isa;
}

TEST(Quantize, NumbersThatAreNoneDoNotCrash) {
    auto x = gaussian(64, 10);
    x[3] = std::numeric_limits<float>::quiet_NaN();
    x[40] = std::numeric_limits<float>::infinity();
    for (const CpuKernels* kernels : runnable())
        for (const ActivationKind kind : {kActivationInt8, kActivationBf16}) {
            if (kernels->dots->quantize[kind] == nullptr) continue;
            EXPECT_EQ(quantize(*kernels, kind, x, 64).bytes.size(),
                      static_cast<std::size_t>(activation_row_bytes(kind, 64)));
        }
}

}  // namespace
}  // namespace hearth::kernels
