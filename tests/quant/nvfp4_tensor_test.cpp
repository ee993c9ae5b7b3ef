// tests/quant/nvfp4_tensor_test.cpp - NVFP4 tensors against compressed-tensors, and the layouts against gguf.
#include "quant/nvfp4_tensor.h"

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "fixture_arrays.h"
#include "quant/formats.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/fp8_e4m3.h"

namespace hearth::quant {
namespace {

using tests::fixture_array;

struct Encoded {
    std::vector<std::uint8_t> codes, scales;
    double squared_error;
};
Encoded encode(const std::vector<float>& w, std::int64_t rows, std::int64_t cols, float tensor_scale,
               ScaleChoice choice) {
    Encoded out{std::vector<std::uint8_t>(w.size() / 2), std::vector<std::uint8_t>(w.size() / 16), 0};
    out.squared_error =
        nvfp4_encode_rows(w.data(), rows, cols, tensor_scale, choice, out.codes.data(), out.scales.data());
    return out;
}

std::vector<float> student(std::size_t n, std::uint64_t seed, double spread) {
    Philox rng(seed);
    std::vector<float> w(n);
    for (float& x : w) x = static_cast<float>(rng.normal() * spread * (1 + std::fabs(rng.normal())));
    return w;
}

TEST(Nvfp4Tensor, NearestScalesAndCodesAreCompressedTensors) {
    for (const char* name : {"CT0", "CT1", "CT2"}) {
        SCOPED_TRACE(name);
        const std::string prefix = name;
        const auto array = fixture_array(prefix + ".weights");
        const auto w = array.as<float>();
        const std::int64_t rows = array.shape[0], cols = array.shape[1];
        const float tensor_scale = 1.0f / fixture_array(prefix + ".global_scale").as<float>()[0];
        const auto scales = fixture_array(prefix + ".scales").as<std::uint8_t>();
        const auto packed = fixture_array(prefix + ".packed").as<std::uint8_t>();
        const Encoded ours = encode(w, rows, cols, tensor_scale, ScaleChoice::nearest);
        ASSERT_EQ(ours.scales, scales);
        for (std::size_t i = 0; i < w.size(); ++i) {
            const auto nibble = [i](const auto& bytes) {
                return static_cast<std::uint8_t>((bytes[i / 2] >> (i % 2 == 0 ? 0 : 4)) & 15);
            };
            const std::uint8_t expected = nibble(packed), seen = nibble(ours.codes);
            // In CT1 the divisor has no exact reciprocal: bfloat16 weights that lie on a tie may fall the
            // other way.
            const float scaled = std::fabs(w[i]) / (e4m3_to_f32(scales[i / 16]) * tensor_scale);
            const float between = (e2m1_to_f32(seen & 7) + e2m1_to_f32(expected & 7)) / 2;
            if (prefix == "CT1" && std::fabs(scaled - between) < 1e-6f * between) continue;
            ASSERT_EQ(seen, expected) << i << " " << w[i];
        }
        // Their bytes decode to their values here (exactly when the two scales are exact reciprocals).
        const Nvfp4Tensor theirs{rows, cols, packed, scales, tensor_scale};
        const auto values = fixture_array(prefix + ".values").as<float>();
        std::vector<float> row(static_cast<std::size_t>(cols));
        for (std::int64_t r = 0; r < rows; ++r) {
            nvfp4_decode_row(theirs, r, row.data());
            for (std::size_t c = 0; c < row.size(); ++c) {
                const float expected = values[static_cast<std::size_t>(r * cols) + c];
                if (prefix != "CT1")
                    ASSERT_EQ(row[c], expected);
                else
                    ASSERT_NEAR(row[c], expected, std::fabs(expected) * 3e-7f);
            }
        }
    }
}

// The oracle is the definition: all codes of the window tried in double precision.
TEST(Nvfp4Tensor, SearchFindsTheSmallestSquaredError) {
    const auto w = student(64 * 64, 3, 0.02);
    const float tensor_scale = nvfp4_tensor_scale(largest_magnitude(w));
    const Encoded nearest = encode(w, 64, 64, tensor_scale, ScaleChoice::nearest);
    const Encoded searched = encode(w, 64, 64, tensor_scale, ScaleChoice::squared_error);
    const auto error_with = [&](std::size_t group, int code) {
        const double scale = static_cast<double>(e4m3_to_f32(static_cast<std::uint8_t>(code))) *
                             static_cast<double>(tensor_scale);
        double sum = 0;
        for (std::size_t j = 0; j < 16; ++j) {
            const double x = std::fabs(static_cast<double>(w[group * 16 + j])) / scale;
            double best = 1e300;
            for (std::uint8_t c = 0; c < 8; ++c)
                best = std::min(best, std::fabs(x - static_cast<double>(e2m1_to_f32(c))));
            sum += best * best * scale * scale;
        }
        return sum;
    };
    double total = 0, all_codes = 0;
    for (std::size_t g = 0; g < searched.scales.size(); ++g) {
        const double seen = error_with(g, searched.scales[g]);
        total += seen;
        double window = 1e300, any = 1e300;
        for (int code = 1; code <= 0x7E; ++code) {
            any = std::min(any, error_with(g, code));
            if (code >= nearest.scales[g] - 4 && code <= nearest.scales[g] + 5)
                window = std::min(window, error_with(g, code));
        }
        ASSERT_LE(seen, window * (1 + 1e-5)) << g;
        all_codes += any;
    }
    EXPECT_NEAR(searched.squared_error, total, total * 1e-5);
    EXPECT_LT(total, nearest.squared_error * 0.85);  // what the search is for
    EXPECT_LT(total, all_codes * 1.01);              // and the window holds nearly all of it
}

TEST(Nvfp4Tensor, ReportsTheErrorOfWhatItWrote) {
    const auto w = student(8 * 128, 5, 0.5);
    const float tensor_scale = nvfp4_tensor_scale(largest_magnitude(w));
    const Encoded e = encode(w, 8, 128, tensor_scale, ScaleChoice::squared_error);
    std::vector<float> row(128);
    double sum = 0;
    for (std::int64_t r = 0; r < 8; ++r) {
        nvfp4_decode_row({8, 128, e.codes, e.scales, tensor_scale}, r, row.data());
        for (std::size_t c = 0; c < 128; ++c)
            sum += std::pow(
                static_cast<double>(row[c]) - static_cast<double>(w[static_cast<std::size_t>(r) * 128 + c]),
                2);
    }
    EXPECT_NEAR(e.squared_error, sum, sum * 1e-5);
}

TEST(Nvfp4Tensor, ZerosAndEdges) {
    const std::vector<float> zeros(64);
    EXPECT_EQ(largest_magnitude(zeros), 0.0f);
    const float scale = nvfp4_tensor_scale(0);
    EXPECT_GT(scale, 0.0f);
    for (const ScaleChoice choice : {ScaleChoice::nearest, ScaleChoice::squared_error}) {
        const Encoded e = encode(zeros, 1, 64, scale, choice);
        EXPECT_EQ(e.scales, std::vector<std::uint8_t>(4, 0x38));  // ModelOpt: a zero scale becomes 1
        EXPECT_EQ(e.codes, std::vector<std::uint8_t>(32, 0));
        for (const float size : {1e-45f, 1e-38f, 1e-20f, 1e30f, 3e38f}) {
            std::vector<float> w(64, size);
            w[3] = -size / 2;
            const float tensor_scale = nvfp4_tensor_scale(largest_magnitude(w));
            ASSERT_TRUE(std::isfinite(tensor_scale));
            const Encoded tiny = encode(w, 1, 64, tensor_scale, choice);
            ASSERT_TRUE(std::isfinite(tiny.squared_error) || size > 1e19f);  // squares of 1e20 overflow float
            for (const std::uint8_t s : tiny.scales) ASSERT_TRUE(s >= 1 && s <= 0x7E);
        }
    }
    std::vector<float> bad(64, 1.0f);
    bad[63] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_FALSE(std::isfinite(largest_magnitude(bad)));
    bad[63] = -std::numeric_limits<float>::infinity();
    EXPECT_FALSE(std::isfinite(largest_magnitude(bad)));
}

// GGUF's values come from gguf's dequantize: the same bytes through our Hugging Face layout say the same.
TEST(Nvfp4Tensor, RepackKeepsEveryCode) {
    auto blocks = fixture_array("NVFP4.blocks").bytes;
    for (std::size_t b = 0; b < blocks.size(); b += 36)
        for (std::size_t s = 0; s < 4; ++s) {
            char& scale = blocks[b + s];
            scale = static_cast<char>(scale & 0x7F);
            if (scale == 0x7F) scale = 0x7E;
        }
    const auto raw = std::as_bytes(std::span(blocks));
    const auto n_blocks = static_cast<std::int64_t>(blocks.size() / 36);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(n_blocks) * 32),
        scales(static_cast<std::size_t>(n_blocks) * 4);
    ASSERT_OK(nvfp4_from_gguf(raw, n_blocks / 2, 128, codes, scales));
    std::vector<float> ours(static_cast<std::size_t>(n_blocks) * 64), expected(ours.size());
    block_format(DType::nvfp4)->decode_row(raw.data(), expected.data(), n_blocks * 64);
    const Nvfp4Tensor tensor{n_blocks / 2, 128, codes, scales, 1.0f};
    for (std::int64_t r = 0; r < n_blocks / 2; ++r) nvfp4_decode_row(tensor, r, ours.data() + r * 128);
    tests::expect_same_bits(ours, expected);
    std::string back(blocks.size(), '\0');
    ASSERT_OK(nvfp4_to_gguf(tensor, std::as_writable_bytes(std::span(back))));
    EXPECT_EQ(back, blocks);

    scales[5] = 0x80;
    EXPECT_EQ(nvfp4_to_gguf(tensor, std::as_writable_bytes(std::span(back))).error().fault, Fault::corrupt);
    EXPECT_EQ(nvfp4_to_gguf({1, 32, codes, scales, 1}, {}).error().fault, Fault::unsupported);
    EXPECT_EQ(nvfp4_to_gguf({2, 64, codes, scales, 1}, {}).error().fault, Fault::corrupt);
    EXPECT_EQ(nvfp4_from_gguf(raw, 3, 128, codes, scales).error().fault, Fault::corrupt);
}

}  // namespace
}  // namespace hearth::quant
