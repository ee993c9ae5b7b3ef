// tests/quant/formats_test.cpp - block formats against gguf, compressed-tensors and torch (fixtures/quant).
#include "quant/formats.h"

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "fixture_arrays.h"
#include "quant/formats/bf16.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/f16.h"
#include "quant/formats/fp8_e4m3.h"

namespace hearth::quant {
namespace {

using tests::expect_same_bits;
using tests::fixture_array;

std::vector<float> decoded(DType dtype, std::span<const std::byte> blocks) {
    const BlockFormat* format = block_format(dtype);
    const auto n = static_cast<std::int64_t>(blocks.size()) / format->bytes * format->elems;
    std::vector<float> out(static_cast<std::size_t>(n));
    format->decode_row(blocks.data(), out.data(), n);
    return out;
}
std::string encoded(DType dtype, const std::vector<float>& weights) {
    const BlockFormat* format = block_format(dtype);
    const auto n = static_cast<std::int64_t>(weights.size());
    std::string out(static_cast<std::size_t>(n / format->elems * format->bytes), '\0');
    format->encode_row(weights.data(), reinterpret_cast<std::byte*>(out.data()), n);
    return out;
}

TEST(Formats, DecodeIsGgufsBitForBit) {
    for (const char* name :
         {"Q8_0", "Q4_0", "MXFP4", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "NVFP4", "Q5_0", "Q5_1"}) {
        SCOPED_TRACE(name);
        std::string ours = name;
        for (char& c : ours) c = static_cast<char>(std::tolower(c));
        const auto dtype = dtype_from_name(ours);
        ASSERT_TRUE(dtype.has_value());
        const std::string prefix = name;
        expect_same_bits(decoded(*dtype, fixture_array(prefix + ".blocks").raw()),
                         fixture_array(prefix + ".values").as<float>());
    }
}

TEST(Formats, EncodeIsGgufsBitForBit) {
    for (const auto& [name, dtype] : {std::pair{"Q8_0", DType::q8_0}, std::pair{"Q4_0", DType::q4_0},
                                      std::pair{"Q5_0", DType::q5_0}, std::pair{"Q5_1", DType::q5_1}}) {
        SCOPED_TRACE(name);
        const std::string prefix = name;
        EXPECT_EQ(encoded(dtype, fixture_array(prefix + ".weights").as<float>()),
                  fixture_array(prefix + ".blocks").bytes);
    }
}

double squared_error(const float* w, const float* back, std::size_t n) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j)
        sum += std::pow(static_cast<double>(w[j]) - static_cast<double>(back[j]), 2);
    return sum;
}

// gguf takes the exponent of the largest magnitude; ours differs only where that lowers the squared error.
TEST(Formats, Mxfp4IsGgufsWhereNoOtherExponentIsBetter) {
    const auto w = fixture_array("MXFP4.weights").as<float>();
    const std::string ours = encoded(DType::mxfp4, w);
    const std::string theirs = fixture_array("MXFP4.blocks").bytes;
    const auto values = decoded(DType::mxfp4, std::as_bytes(std::span(ours)));
    const auto their_values = fixture_array("MXFP4.values").as<float>();
    std::size_t others = 0;
    for (std::size_t block = 0; block < ours.size() / 17; ++block) {
        const std::size_t at = 32 * block;
        if (ours[17 * block] != theirs[17 * block]) {
            ++others;
            ASSERT_LE(squared_error(&w[at], &values[at], 32), squared_error(&w[at], &their_values[at], 32));
            continue;
        }
        // MXFP4 knows two zeros, and gguf never writes the negative one: compare the values.
        for (std::size_t j = at; j < at + 32; ++j) ASSERT_EQ(values[j], their_values[j]) << j;
    }
    EXPECT_GT(others, 0u);
    EXPECT_LT(others, ours.size() / 17 / 2);
}

// The bound comes from outside: ggml's own encoders on the same rows, normal and heavy-tailed, without an
// importance matrix, their bytes decoded by the gguf package.
TEST(Formats, EncodersErrNoMoreThanGgmls) {
    const auto rows = fixture_array("ggml.rows").as<float>();
    const std::size_t n = rows.size() / 2;
    for (const char* name :
         {"Q8_0", "Q4_0", "Q5_0", "Q5_1", "MXFP4", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"}) {
        std::string ours = name;
        for (char& c : ours) c = static_cast<char>(std::tolower(c));
        const auto bounds = fixture_array(fmt::format("ggml.{}.errors", name)).as<float>();
        for (const std::size_t kind : {0u, 1u}) {
            const std::vector<float> w(rows.begin() + static_cast<std::ptrdiff_t>(kind * n),
                                       rows.begin() + static_cast<std::ptrdiff_t>((kind + 1) * n));
            const DType dtype = dtype_from_name(ours).value();
            const std::string blocks = encoded(dtype, w);
            const auto back = decoded(dtype, std::as_bytes(std::span(blocks)));
            const std::vector<float> zeros(n);
            const double error =
                squared_error(w.data(), back.data(), n) / squared_error(w.data(), zeros.data(), n);
            // Q8_0, Q4_0 and Q5 are the same arithmetic: float32's rounding of the bound itself is allowed.
            EXPECT_LE(error, static_cast<double>(bounds[kind]) * (1 + 1e-4)) << name << " " << kind;
        }
    }
}

TEST(Formats, HalvesRoundAsNumpyAndGguf) {
    const auto f16_in = fixture_array("F16.in").as<std::uint32_t>();
    const auto f16_codes = fixture_array("F16.codes").as<std::uint16_t>();
    for (std::size_t i = 0; i < f16_in.size(); ++i) {
        const float x = float_of(f16_in[i]);
        const std::uint16_t code = f16_from_f32(x);
        if (x != x)
            ASSERT_GT(code & 0x7FFF, 0x7C00) << i;
        else
            ASSERT_EQ(code, f16_codes[i]) << i << " " << x;
    }
    const auto bf16_in = fixture_array("BF16.in").as<std::uint32_t>();
    const auto bf16_codes = fixture_array("BF16.codes").as<std::uint16_t>();
    for (std::size_t i = 0; i < bf16_in.size(); ++i)
        ASSERT_EQ(bf16_from_f32(float_of(bf16_in[i])), bf16_codes[i]) << i << " " << float_of(bf16_in[i]);
    const auto values = fixture_array("F16.values").as<float>();
    std::vector<float> ours;
    for (std::uint32_t code = 0; code < 65536; ++code)
        ours.push_back(f16_to_f32(static_cast<std::uint16_t>(code)));
    expect_same_bits(ours, values);
}

TEST(Formats, E4m3IsTorchs) {
    std::vector<float> ours;
    for (int code = 0; code < 256; ++code) ours.push_back(e4m3_to_f32(static_cast<std::uint8_t>(code)));
    expect_same_bits(ours, fixture_array("E4M3.values").as<float>());
    const auto in = fixture_array("E4M3.in").as<float>();
    const auto codes = fixture_array("E4M3.codes").as<std::uint8_t>();
    for (std::size_t i = 0; i < in.size(); ++i)
        ASSERT_EQ(e4m3_from_f32(in[i]), codes[i]) << i << " " << in[i];
    const float infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(e4m3_from_f32(infinity), 0x7E);
    EXPECT_EQ(e4m3_from_f32(-infinity), 0xFE);
    EXPECT_EQ(e4m3_from_f32(std::numeric_limits<float>::quiet_NaN()) & 0x7F, 0x7F);
}

TEST(Formats, E2m1CodesAndNearestValuesAgree) {
    const auto in = fixture_array("E2M1.in").as<float>();
    const auto packed = fixture_array("E2M1.packed").as<std::uint8_t>();
    for (std::size_t i = 0; i < in.size(); ++i) {
        const int expected = (packed[i / 2] >> (i % 2 == 0 ? 0 : 4)) & 15;
        const int ours = e2m1_from_f32(in[i]);
        ASSERT_EQ(ours & 7, expected & 7) << in[i];
        if ((expected & 7) != 0) {
            ASSERT_EQ(ours, expected) << in[i];
        }
        ASSERT_EQ(e2m1_nearest(std::fabs(in[i])), e2m1_to_f32(static_cast<std::uint8_t>(ours & 7))) << in[i];
    }
}

// A bound that is derived: the error of rounding every weight to a uniform grid of the group's own range.
TEST(Formats, KQuantEncodersStayUnderTheUniformGrid) {
    struct Row {
        DType dtype;
        std::size_t group;
        double levels;
        double slack;  // scales are rounded to 6 or 8 bits and shared: a little worse on some groups
    };
    for (const Row& row :
         {Row{DType::q4_k, 32, 15, 1.05}, Row{DType::q5_k, 32, 31, 1.05}, Row{DType::q6_k, 16, 63, 1.05},
          Row{DType::iq4_nl, 32, 15, 1.0}, Row{DType::iq4_xs, 32, 15, 1.05}}) {
        Philox rng(7);
        std::vector<float> w(256 * 64);
        for (std::size_t i = 0; i < w.size(); ++i)
            w[i] = static_cast<float>(rng.normal() * std::exp2(static_cast<double>(i / 4096) - 6));
        const std::string blocks = encoded(row.dtype, w);
        const auto back = decoded(row.dtype, std::as_bytes(std::span(blocks)));
        double seen = 0, grid = 0;
        for (std::size_t g = 0; g < w.size(); g += row.group) {
            double low = 0, high = 0;
            for (std::size_t j = 0; j < row.group; ++j) {
                low = std::min(low, static_cast<double>(w[g + j]));
                high = std::max(high, static_cast<double>(w[g + j]));
                seen += std::pow(static_cast<double>(w[g + j]) - static_cast<double>(back[g + j]), 2);
            }
            const bool symmetric = row.dtype != DType::q4_k && row.dtype != DType::q5_k;
            if (symmetric) high = std::max(high, -low), low = -high;
            grid += static_cast<double>(row.group) * std::pow((high - low) / row.levels, 2) / 12;
        }
        EXPECT_LT(seen, grid * row.slack) << info(row.dtype).name;
    }
}

TEST(Formats, EncodersSurviveTinyAndHugeWeights) {
    for (const BlockFormat& format : block_formats())
        for (const float scale : {0.0f, 1e-45f, 1e-38f, 1e-30f, 1.0f, 1e4f, 1e30f, 3e38f})
            for (const bool flat : {true, false}) {
                std::vector<float> w(256);
                for (std::size_t i = 0; i < w.size(); ++i)
                    w[i] = scale * (flat ? 1.0f : static_cast<float>(static_cast<int>(i % 7) - 3) / 3.0f);
                const std::string blocks = encoded(format.dtype, w);
                const auto back = decoded(format.dtype, std::as_bytes(std::span(blocks)));
                if (scale <= 1e4f && format.dtype != DType::nvfp4 && format.dtype != DType::f8_e4m3) {
                    // MXFP4 is the coarsest: an amax just under 8 * 2^k is clipped to 6 * 2^k.
                    for (std::size_t i = 0; i < w.size(); ++i)
                        ASSERT_NEAR(back[i], w[i], 0.25 * static_cast<double>(scale) + 1e-7)
                            << info(format.dtype).name << " " << scale << " " << i;
                }
            }
}

TEST(Formats, DecodeChecksSizes) {
    std::vector<std::byte> bytes(34);
    std::vector<float> out(32);
    EXPECT_OK(decode({DType::q8_0, {1, 32}, bytes}, out));
    EXPECT_EQ(decode({DType::q8_0, {2, 16}, bytes}, out).error().fault,
              Fault::corrupt);  // a row is half a block
    EXPECT_EQ(decode({DType::q8_0, {2, 32}, bytes}, out).error().fault, Fault::corrupt);
    EXPECT_EQ(decode({DType::i32, {8}, bytes}, out).error().fault, Fault::unsupported);
}

}  // namespace
}  // namespace hearth::quant
