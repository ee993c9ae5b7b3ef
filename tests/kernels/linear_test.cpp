// tests/kernels/linear_test.cpp - every format's product against double precision, and the same bits
// everywhere.
#include <gtest/gtest.h>

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

constexpr DType kTypes[] = {DType::f32,    DType::bf16,  DType::f16,   DType::f8_e4m3, DType::q8_0,
                            DType::q4_0,   DType::q4_k,  DType::q5_k,  DType::q6_k,    DType::iq4_nl,
                            DType::iq4_xs, DType::mxfp4, DType::nvfp4, DType::q5_0,    DType::q5_1};

// Runs one matrix over n tokens; x is [n, cols].
std::vector<float> multiply(const CpuKernels& kernels, const PackedMatrix& packed,
                            const std::vector<float>& x, std::int64_t n, ThreadPool& pool) {
    const std::int64_t x_stride = packed.cols_padded, y_stride = packed.n_panels * kLanes;
    std::vector<float> padded(static_cast<std::size_t>(n * x_stride)),
        y(static_cast<std::size_t>(n * y_stride));
    for (std::int64_t t = 0; t < n; ++t)
        std::memcpy(&padded[static_cast<std::size_t>(t * x_stride)],
                    &x[static_cast<std::size_t>(t * packed.cols)],
                    static_cast<std::size_t>(packed.cols) * sizeof(float));
    const std::int64_t scratch_floats = linear_scratch_floats(packed.cols_padded);
    std::vector<float> scratch(static_cast<std::size_t>(scratch_floats * pool.size()));
    const LinearJob job{&packed, {kActivationF32, padded.data(), x_stride}, y.data(), y_stride};
    linear(kernels, {&job, 1}, n, scratch.data(), scratch_floats, pool);
    std::vector<float> out;
    for (std::int64_t t = 0; t < n; ++t)
        for (std::int64_t r = 0; r < packed.rows; ++r)
            out.push_back(y[static_cast<std::size_t>(t * y_stride + r)]);
    return out;
}

// Row k picks out column k of a matrix.
std::vector<float> unit_vectors(std::int64_t n) {
    std::vector<float> rows(static_cast<std::size_t>(n * n));
    for (std::int64_t k = 0; k < n; ++k) rows[static_cast<std::size_t>(k * n + k)] = 1;
    return rows;
}

class LinearTest : public testing::TestWithParam<DType> {};

TEST_P(LinearTest, AgreesWithDoublePrecision) {
    const std::int64_t rows = 37, cols = 512, n = 5;
    const Matrix m = random_matrix(GetParam(), rows, cols, 1);
    const auto x = gaussian(n * cols, 2);
    ThreadPool pool({.threads = 2, .pin = false});
    Arena arena;
    const auto packed = pack(m.view, 1.0f, {}, arena, pool);
    ASSERT_OK(packed);
    for (const CpuKernels* kernels : runnable()) {
        const auto y = multiply(*kernels, *packed, x, n, pool);
        for (std::int64_t t = 0; t < n; ++t)
            for (std::int64_t r = 0; r < rows; ++r) {
                double want = 0, magnitude = 0;
                for (std::int64_t k = 0; k < cols; ++k) {
                    const double term =
                        static_cast<double>(m.decoded[static_cast<std::size_t>(r * cols + k)]) *
                        static_cast<double>(x[static_cast<std::size_t>(t * cols + k)]);
                    want += term;
                    magnitude += std::fabs(term);
                }
                // A chain of cols / 4 fused multiply-adds and three joins: the worst case of Higham's bound.
                const double tolerance = (static_cast<double>(cols) / 4 + 4) * 0x1p-24 * magnitude;
                ASSERT_NEAR(static_cast<double>(y[static_cast<std::size_t>(t * rows + r)]), want, tolerance)
                    << kernels->isa << " row " << r << " token " << t;
            }
    }
}

TEST_P(LinearTest, ReadsEveryWeightAsTheReferenceDoes) {
    const std::int64_t rows = 18, cols = 256;
    const Matrix m = random_matrix(GetParam(), rows, cols, 3);
    ThreadPool pool({.threads = 1});
    Arena arena;
    const auto packed = pack(m.view, 1.0f, {}, arena, pool);
    ASSERT_OK(packed);
    // Unit vectors pick out columns; adding zeros changes nothing.
    const auto unit = unit_vectors(cols);
    for (const CpuKernels* kernels : runnable()) {
        const auto y = multiply(*kernels, *packed, unit, cols, pool);
        for (std::int64_t k = 0; k < cols; ++k)
            for (std::int64_t r = 0; r < rows; ++r)
                ASSERT_EQ(y[static_cast<std::size_t>(k * rows + r)],
                          m.decoded[static_cast<std::size_t>(r * cols + k)])
                    << kernels->isa << " row " << r << " column " << k;
    }
}

TEST_P(LinearTest, GivesTheSameBitsForAnyBatchThreadsAndInstructionSet) {
    const std::int64_t rows = 53, cols = 768, n = 17;
    const Matrix m = random_matrix(GetParam(), rows, cols, 5);
    const auto x = gaussian(n * cols, 6);
    Arena arena;
    ThreadPool one({.threads = 1}), three({.threads = 3, .pin = false});
    const auto packed = pack(m.view, 0.375f, {}, arena, one);
    ASSERT_OK(packed);
    const auto want = multiply(*runnable().front(), *packed, x, n, one);
    for (const CpuKernels* kernels : runnable())
        for (ThreadPool* pool : {&one, &three})
            for (const std::int64_t batch : {1, 2, 3, 4, 7, 17}) {
                std::vector<float> got;
                for (std::int64_t t = 0; t < n; t += batch) {
                    const std::int64_t size = std::min(batch, n - t);
                    const std::vector<float> part(x.begin() + t * cols, x.begin() + (t + size) * cols);
                    const auto y = multiply(*kernels, *packed, part, size, *pool);
                    got.insert(got.end(), y.begin(), y.end());
                }
                ASSERT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float)))
                    << kernels->isa << " batch " << batch << " threads " << pool->size();
            }
}

INSTANTIATE_TEST_SUITE_P(Formats, LinearTest, testing::ValuesIn(kTypes),
                         [](const auto& row) { return std::string(::hearth::info(row.param).name); });

TEST(Pack, RowOrderMovesRows) {
    const Matrix m = random_matrix(DType::bf16, 4, 8, 7);
    ThreadPool pool({.threads = 1});
    Arena arena;
    const std::int32_t order[] = {2, 0, 3, 1};
    const auto packed = pack(m.view, 1, order, arena, pool);
    ASSERT_OK(packed);
    std::vector<float> unit(8);
    unit[5] = 1;
    const auto y = multiply(best(), *packed, unit, 1, pool);
    for (int r = 0; r < 4; ++r)
        EXPECT_EQ(y[static_cast<std::size_t>(r)], m.decoded[static_cast<std::size_t>(order[r] * 8 + 5)]);
}

TEST(Pack, OddWidthsArePadded) {
    const Matrix m = random_matrix(DType::f32, 5, 7, 8);
    ThreadPool pool({.threads = 1});
    Arena arena;
    const auto packed = pack(m.view, 1, {}, arena, pool);
    ASSERT_OK(packed);
    EXPECT_EQ(packed->cols_padded, 8);
    const std::vector<float> ones(7, 1.0f);
    const auto y = multiply(best(), *packed, ones, 1, pool);
    for (std::size_t r = 0; r < 5; ++r) {
        double want = 0;
        for (std::size_t k = 0; k < 7; ++k) want += static_cast<double>(m.decoded[r * 7 + k]);
        EXPECT_NEAR(static_cast<double>(y[r]), want, 1e-5);
    }
}

// Blocks that the panels hold, rows, and widths that become float32: each weight is its code times its scale.
TEST(Pack, Fp8TakesScalesOfBlocksAndRows) {
    struct Case {
        std::int64_t rows, cols, block_rows, block_cols;
    };
    ThreadPool pool({.threads = 2, .pin = false});
    for (const auto& [rows, cols, block_rows, block_cols] :
         {Case{37, 300, 16, 128}, Case{20, 131, 128, 128}, Case{18, 70, 1, 70}, Case{33, 64, 8, 24},
          Case{5, 260, 1, 256}, Case{20, 192, 4, 64}}) {
        const Matrix m = random_matrix(DType::f8_e4m3, rows, cols, 10);
        const std::int64_t scale_cols = (cols + block_cols - 1) / block_cols;
        const auto scales = gaussian((rows + block_rows - 1) / block_rows * scale_cols, 11);
        std::vector<std::int32_t> order;
        for (std::int64_t r = 0; r < rows; ++r) order.push_back(static_cast<std::int32_t>(rows - 1 - r));
        Arena arena;
        const auto packed = pack_fp8(m.view, {scales, block_rows, block_cols}, order, arena, pool);
        ASSERT_OK(packed);
        std::vector<float> scaled = m.decoded;
        for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t k = 0; k < cols; ++k)
                scaled[static_cast<std::size_t>(r * cols + k)] *=
                    scales[static_cast<std::size_t>(r / block_rows * scale_cols + k / block_cols)];
        const auto unit = unit_vectors(cols);
        for (const CpuKernels* kernels : runnable()) {
            const auto y = multiply(*kernels, *packed, unit, cols, pool);
            for (std::int64_t k = 0; k < cols; ++k)
                for (std::int64_t r = 0; r < rows; ++r) {
                    ASSERT_EQ(y[static_cast<std::size_t>(k * rows + r)],
                              scaled[static_cast<std::size_t>((rows - 1 - r) * cols + k)])
                        << kernels->isa << " row " << r << " column " << k;
                }
        }
        // Float32 panels of the same values add in the same order.
        const auto plain =
            pack({DType::f32, Shape{rows, cols}, std::as_bytes(std::span(scaled))}, 1, order, arena, pool);
        ASSERT_OK(plain);
        for (const std::int64_t n : {1, 2, 3, 4, 17}) {
            const auto x = gaussian(n * cols, 12);
            const auto want = multiply(best(), *plain, x, n, pool);
            for (const CpuKernels* kernels : runnable())
                ASSERT_EQ(want, multiply(*kernels, *packed, x, n, pool)) << kernels->isa << " tokens " << n;
        }
        const std::span<const float> few(scales.data(), scales.size() - 1);
        EXPECT_EQ(pack_fp8(m.view, {few, block_rows, block_cols}, {}, arena, pool).error().fault,
                  Fault::corrupt);
    }
}

TEST(Pack, HostileTensorsAreRefused) {
    ThreadPool pool({.threads = 1});
    Arena arena;
    Matrix m = random_matrix(DType::q8_0, 2, 64, 9);
    TensorView short_view = m.view;
    short_view.bytes = short_view.bytes.first(short_view.bytes.size() - 1);
    EXPECT_EQ(pack(short_view, 1, {}, arena, pool).error().fault, Fault::corrupt);
    EXPECT_EQ(pack({DType::q8_0, Shape{128}, m.bytes}, 1, {}, arena, pool).error().fault, Fault::corrupt);
    const std::vector<std::byte> nans(64, std::byte{0x7f});
    EXPECT_EQ(pack({DType::f8_e4m3, Shape{4, 16}, nans}, 1, {}, arena, pool).error().fault, Fault::corrupt);
    const std::vector<std::byte> codes(32);
    const TensorView code_view{DType::u8, Shape{4, 8}, codes},
        nan_scales{DType::f8_e4m3, Shape{4, 1}, std::span(nans).first(4)};
    EXPECT_EQ(pack_nvfp4(code_view, nan_scales, 0.5f, {}, arena, pool).error().fault, Fault::corrupt);
}

}  // namespace
}  // namespace hearth::kernels
