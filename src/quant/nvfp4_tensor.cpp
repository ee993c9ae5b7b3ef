// quant/nvfp4_tensor.cpp - the encoder's hot loops (plain, so that any compiler vectorises them) and the
// repack.
#include "quant/nvfp4_tensor.h"

#include <algorithm>
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

// ModelOpt: amax / (6 * tensor scale), zero becomes 1, clamped to E4M3's positive range, rounded.
std::uint8_t nearest_scale(float amax, float tensor_scale) {
    if (amax == 0) return e4m3_from_f32(1.0f);
    return e4m3_from_f32(std::clamp(amax / (6.0f * tensor_scale), kE4m3Min, kE4m3Max));
}

// Groups side by side, a lane each: x[j][g] is element j of group g. Inner loops run over lanes, so that
// compilers make vectors of them and nothing is added across lanes; sums of a group run over j in order.
// Sixty-four is the least that GCC does not unroll first.
constexpr int kLanes = 64;
struct Tile {
    float x[kGroup][kLanes];
    float amax[kLanes];
    int nearest[kLanes], best[kLanes];  // E4M3 codes
    float best_error[kLanes];
};

// Lanes past n_groups are zeros.
void load(Tile& tile, const float* weights, int n_groups) {
    if (n_groups < kLanes) tile = Tile{};
    for (int g = 0; g < n_groups; ++g)
        for (int j = 0; j < kGroup; ++j) tile.x[j][g] = weights[g * kGroup + j];
    for (int g = 0; g < kLanes; ++g) tile.amax[g] = 0;
    for (int j = 0; j < kGroup; ++j)
        for (int g = 0; g < kLanes; ++g) {
            const float a = __builtin_fabsf(tile.x[j][g]);
            tile.amax[g] = a > tile.amax[g] ? a : tile.amax[g];
        }
}

// One candidate for every lane: the code that lies `offset` from the nearest, kept where the error is
// smaller.
void try_codes(Tile& tile, int offset, float tensor_scale) {
    int codes[kLanes];
    float inverse[kLanes], unit[kLanes], error[kLanes];
    for (int g = 0; g < kLanes; ++g) {
        codes[g] = std::clamp<int>(tile.nearest[g] + offset, 1, kE4m3MaxCode);
        unit[g] = e4m3_to_f32(static_cast<std::uint8_t>(codes[g]));
        inverse[g] = 1.0f / (unit[g] * tensor_scale);
        error[g] = 0;
    }
    for (int j = 0; j < kGroup; ++j)
        for (int g = 0; g < kLanes; ++g) {
            const float a = __builtin_fabsf(tile.x[j][g]) * inverse[g];
            const float d = a - e2m1_nearest(a);
            error[g] += d * d;
        }
    for (int g = 0; g < kLanes; ++g) {
        // Compared in units of the tensor scale: squares of small weights would vanish.
        const float scaled = error[g] * (unit[g] * unit[g]);
        const bool better = scaled < tile.best_error[g];
        tile.best_error[g] = better ? scaled : tile.best_error[g];
        tile.best[g] = better ? codes[g] : tile.best[g];
    }
}

void choose_scales(Tile& tile, float tensor_scale, ScaleChoice choice) {
    for (int g = 0; g < kLanes; ++g) {
        tile.nearest[g] = tile.best[g] = nearest_scale(tile.amax[g], tensor_scale);
        // A group of zeros keeps the scale that ModelOpt writes: nothing is smaller than nothing.
        tile.best_error[g] = tile.amax[g] == 0 ? 0 : std::numeric_limits<float>::infinity();
    }
    if (choice == ScaleChoice::nearest) return;
    for (int offset = -kCodesBelow; offset <= kCodesAbove; ++offset) try_codes(tile, offset, tensor_scale);
}

// Codes by dividing by the rounded scale: a product with the reciprocal would differ from ModelOpt on some
// ties. Returns the squared error of the first n_groups.
double encode_tile(const Tile& tile, int n_groups, float tensor_scale, std::uint8_t* codes) {
    float scale[kLanes], error[kLanes];
    for (int g = 0; g < kLanes; ++g) {
        scale[g] = e4m3_to_f32(static_cast<std::uint8_t>(tile.best[g])) * tensor_scale;
        error[g] = 0;
    }
    std::uint8_t q[kGroup][kLanes];
    for (int j = 0; j < kGroup; ++j)
        for (int g = 0; g < kLanes; ++g) {
            const float scaled = tile.x[j][g] / scale[g];
            const float a = __builtin_fabsf(scaled);
            const float d = (a - e2m1_nearest(a)) * scale[g];
            error[g] += d * d;
            q[j][g] = e2m1_from_f32(scaled);
        }
    double squared_error = 0;
    for (int g = 0; g < n_groups; ++g) {
        for (int b = 0; b < kGroup / 2; ++b)
            codes[g * (kGroup / 2) + b] = static_cast<std::uint8_t>(q[2 * b][g] | q[2 * b + 1][g] << 4);
        squared_error += static_cast<double>(error[g]);
    }
    return squared_error;
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
    Tile tile;
    for (std::int64_t first = 0; first < n_groups; first += kLanes) {
        const int n = static_cast<int>(std::min<std::int64_t>(kLanes, n_groups - first));
        load(tile, weights + first * kNvfp4Group, n);
        choose_scales(tile, tensor_scale, choice);
        for (int g = 0; g < n; ++g) scales[first + g] = static_cast<std::uint8_t>(tile.best[g]);
        squared_error += encode_tile(tile, n, tensor_scale, codes + first * (kNvfp4Group / 2));
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
