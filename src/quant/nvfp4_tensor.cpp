// quant/nvfp4_tensor.cpp - the encoder's hot loops (plain, so that any compiler vectorises them) and the
// repack.
#include "quant/nvfp4_tensor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "quant/formats/nvfp4.h"

namespace hearth::quant {
namespace {

constexpr int kGroup = static_cast<int>(kNvfp4Group);

// How far round the code of amax / 6 to search. Eight codes are a factor of two: the window spans about 0.65
// to 1.5 times amax / 6, so it holds "four over six" (amax / 4). Wider ones gain under 1 % of the error.
constexpr int kCodesBelow = 4, kCodesAbove = 5;

float group_amax(const float* x) {
    std::array<float, kGroup> a;
    for (int j = 0; j < kGroup; ++j) a[static_cast<std::size_t>(j)] = __builtin_fabsf(x[j]);
    float amax = 0;
    for (const float v : a) amax = v > amax ? v : amax;
    return amax;
}

// The sum over sixteen lanes in a fixed tree.
float tree_sum(std::array<float, kGroup>& lanes) {
    for (std::size_t width = kGroup / 2; width > 0; width /= 2)
        for (std::size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
    return lanes[0];
}

// Squared error, in units of the scale, when magnitudes x are divided by it and rounded to E2M1.
float rounding_error(const float* x, float inverse_scale) {
    std::array<float, kGroup> e;
    for (int j = 0; j < kGroup; ++j) {
        const float a = x[j] * inverse_scale;
        const float d = a - e2m1_nearest(a);
        e[static_cast<std::size_t>(j)] = d * d;
    }
    return tree_sum(e);
}

// ModelOpt: amax / (6 * tensor scale), zero becomes 1, clamped to E4M3's positive range, rounded.
std::uint8_t nearest_scale(float amax, float tensor_scale) {
    if (amax == 0) return e4m3_from_f32(1.0f);
    return e4m3_from_f32(std::clamp(amax / (6.0f * tensor_scale), kE4m3Min, kE4m3Max));
}

std::uint8_t best_scale(const float* x, float amax, float tensor_scale) {
    const int middle = nearest_scale(amax, tensor_scale);
    if (amax == 0) return static_cast<std::uint8_t>(middle);
    std::array<float, kGroup> magnitudes;
    for (int j = 0; j < kGroup; ++j) magnitudes[static_cast<std::size_t>(j)] = __builtin_fabsf(x[j]);
    const int first = std::max(middle - kCodesBelow, 1);
    const int last = std::min<int>(middle + kCodesAbove, kE4m3MaxCode);
    int best = middle;
    float best_error = std::numeric_limits<float>::infinity();
    for (int code = first; code <= last; ++code) {
        const float scale = e4m3_to_f32(static_cast<std::uint8_t>(code)) * tensor_scale;
        // The error is compared in units of the tensor scale: squares of small weights would vanish.
        const float block_scale = e4m3_to_f32(static_cast<std::uint8_t>(code));
        const float error = rounding_error(magnitudes.data(), 1.0f / scale) * (block_scale * block_scale);
        if (error < best_error) {
            best_error = error;
            best = code;
        }
    }
    return static_cast<std::uint8_t>(best);
}

// Writes the group's codes by dividing by the rounded scale: a product with the reciprocal would differ from
// ModelOpt on some ties. Returns the squared error.
float encode_group(const float* x, float scale, std::uint8_t* codes) {
    std::array<float, kGroup> e;
    std::array<std::uint8_t, kGroup> q;
    for (int j = 0; j < kGroup; ++j) {
        const float scaled = x[j] / scale;
        const float a = __builtin_fabsf(scaled);
        const float value = e2m1_nearest(a);
        const float d = (a - value) * scale;
        e[static_cast<std::size_t>(j)] = d * d;
        // The code of a magnitude from its bits: 2^(0..2) with one fraction bit count up from code 2; 0 and
        // .5 lie below.
        const std::uint32_t bits = bits_of(value);
        const std::uint32_t magnitude = value >= 1.0f ? (bits - (126u << 23)) >> 22 : (value > 0 ? 1u : 0u);
        q[static_cast<std::size_t>(j)] = static_cast<std::uint8_t>(magnitude | (scaled < 0 ? 8u : 0u));
    }
    for (std::size_t j = 0; j < kGroup / 2; ++j)
        codes[j] = static_cast<std::uint8_t>(q[2 * j] | q[2 * j + 1] << 4);
    return tree_sum(e);
}

bool fits(std::int64_t n_rows, std::int64_t n_cols, std::size_t code_bytes, std::size_t scale_bytes) {
    const auto n = static_cast<std::uint64_t>(n_rows) * static_cast<std::uint64_t>(n_cols);
    return n_rows >= 0 && n_cols >= 0 && n_cols % kNvfp4GgufBlock == 0 && code_bytes == n / 2 &&
           scale_bytes == n / kNvfp4Group;
}

// Eight bytes of linear nibbles (elements 2b and 2b + 1) to GGUF's (elements b and b + 8), and back.
void codes_to_gguf(const std::uint8_t* linear, std::uint8_t* split) {
    const auto nibble = [&](int j) { return (linear[j / 2] >> (j % 2 == 0 ? 0 : 4)) & 15; };
    for (int b = 0; b < 8; ++b) split[b] = static_cast<std::uint8_t>(nibble(b) | nibble(b + 8) << 4);
}
void codes_from_gguf(const std::uint8_t* split, std::uint8_t* linear) {
    const auto nibble = [&](int j) { return (split[j % 8] >> (j < 8 ? 0 : 4)) & 15; };
    for (int b = 0; b < 8; ++b) linear[b] = static_cast<std::uint8_t>(nibble(2 * b) | nibble(2 * b + 1) << 4);
}

}  // namespace

float largest_magnitude(std::span<const float> weights) {
    // The bits of a magnitude order as the number does, infinity and NaN on top: an integer maximum sees all.
    std::uint32_t most = 0;
    for (const float w : weights) {
        const std::uint32_t a = bits_of(w) & 0x7FFFFFFFu;
        most = a > most ? a : most;
    }
    return float_of(most);
}

float nvfp4_tensor_scale(float amax) {
    const float scale = (amax == 0 ? 1.0f : amax) / (6.0f * kE4m3Max);
    return std::max(scale, std::numeric_limits<float>::min() * 0x1p10f);  // times 2^-9 still a normal number
}

double nvfp4_encode_rows(const float* weights, std::int64_t n_rows, std::int64_t n_cols, float tensor_scale,
                         ScaleChoice choice, std::uint8_t* codes, std::uint8_t* scales) {
    HEARTH_CHECK(n_cols % kNvfp4Group == 0, "rows hold whole groups");
    double squared_error = 0;
    const std::int64_t n_groups = n_rows * (n_cols / kNvfp4Group);
    for (std::int64_t g = 0; g < n_groups; ++g) {
        const float* x = weights + g * kNvfp4Group;
        const float amax = group_amax(x);
        const std::uint8_t scale = choice == ScaleChoice::nearest ? nearest_scale(amax, tensor_scale)
                                                                  : best_scale(x, amax, tensor_scale);
        scales[g] = scale;
        squared_error +=
            static_cast<double>(encode_group(x, e4m3_to_f32(scale) * tensor_scale, codes + g * 8));
    }
    return squared_error;
}

void nvfp4_decode_row(const Nvfp4Tensor& tensor, std::int64_t row, float* out) {
    const std::uint8_t* codes = tensor.codes.data() + row * (tensor.n_cols / 2);
    const std::uint8_t* scales = tensor.scales.data() + row * (tensor.n_cols / kNvfp4Group);
    for (std::int64_t g = 0; g < tensor.n_cols / kNvfp4Group; ++g) {
        const float scale = e4m3_to_f32(scales[g]) * tensor.tensor_scale;
        for (std::int64_t b = 0; b < kNvfp4Group / 2; ++b) {
            const std::uint8_t pair = codes[g * 8 + b];
            out[g * kNvfp4Group + 2 * b] = e2m1_to_f32(pair & 15) * scale;
            out[g * kNvfp4Group + 2 * b + 1] = e2m1_to_f32(pair >> 4) * scale;
        }
    }
}

Status nvfp4_to_gguf(const Nvfp4Tensor& tensor, std::span<std::byte> blocks) {
    if (tensor.n_cols % kNvfp4GgufBlock != 0)
        return fail(Fault::unsupported, "GGUF's NVFP4 needs rows of a multiple of {} weights, saw {}",
                    kNvfp4GgufBlock, tensor.n_cols);
    if (!fits(tensor.n_rows, tensor.n_cols, tensor.codes.size(), tensor.scales.size()) ||
        blocks.size() != tensor.scales.size() / 4 * Format<40>::kBytes)
        return fail(Fault::corrupt, "NVFP4 tensor [{}, {}]: saw {} bytes of codes and {} scales",
                    tensor.n_rows, tensor.n_cols, tensor.codes.size(), tensor.scales.size());
    for (std::size_t i = 0; i < tensor.scales.size(); ++i)
        if (tensor.scales[i] >= 0x7F)
            return fail(Fault::corrupt, "NVFP4 block scale {}: expected a positive number, saw code {:#04x}",
                        i, tensor.scales[i]);
    auto* out = reinterpret_cast<std::uint8_t*>(blocks.data());
    for (std::size_t g = 0; g < tensor.scales.size(); ++g) {
        std::uint8_t* block = out + g / 4 * Format<40>::kBytes;
        block[g % 4] = tensor.scales[g];
        codes_to_gguf(tensor.codes.data() + g * 8, block + 4 + g % 4 * 8);
    }
    return {};
}

Status nvfp4_from_gguf(std::span<const std::byte> blocks, std::int64_t n_rows, std::int64_t n_cols,
                       std::span<std::uint8_t> codes, std::span<std::uint8_t> scales) {
    if (!fits(n_rows, n_cols, codes.size(), scales.size()) ||
        blocks.size() != scales.size() / 4 * Format<40>::kBytes)
        return fail(Fault::corrupt, "NVFP4 tensor [{}, {}]: saw {} bytes of blocks", n_rows, n_cols,
                    blocks.size());
    const auto* in = reinterpret_cast<const std::uint8_t*>(blocks.data());
    for (std::size_t g = 0; g < scales.size(); ++g) {
        const std::uint8_t* block = in + g / 4 * Format<40>::kBytes;
        scales[g] = block[g % 4];
        codes_from_gguf(block + 4 + g % 4 * 8, codes.data() + g * 8);
    }
    return {};
}

}  // namespace hearth::quant
