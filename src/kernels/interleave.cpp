// kernels/interleave.cpp - from the block layouts of files (quant/formats) to panels (panel_layout.h), by
// 32-bit words: a word is what one lane of a line holds.
#include "kernels/interleave.h"

#include <cstring>

#include "base/check.h"
#include "kernels/panel_layout.h"

namespace hearth::kernels {
namespace {

using Byte = std::uint8_t;
using Word = std::uint32_t;

constexpr Word kNibbles = 0x0f0f0f0f;

Word load(const Byte* p, int i = 0) {
    Word word;
    std::memcpy(&word, p + 4 * i, 4);
    return word;
}
void store(Byte* lines, int line, int row, Word word) {
    std::memcpy(lines + line * kLineBytes + 4 * row, &word, 4);
}

// Two quads of nibbles as one word of a line.
Word low_nibbles(Word quad, Word next) { return (quad & kNibbles) | (next & kNibbles) << 4; }
Word high_nibbles(Word quad, Word next) { return (quad >> 4 & kNibbles) | (next & ~kNibbles); }

// 4 * n bytes whose low nibbles are 4 n columns and whose high nibbles are the 4 n columns after them.
void store_nibbles(const Byte* codes, int n, Byte* lines, int line, int row) {
    for (int i = 0; i < n; i += 2) {
        store(lines, line + i / 2, row, low_nibbles(load(codes, i), load(codes, i + 1)));
        store(lines, line + n / 2 + i / 2, row, high_nibbles(load(codes, i), load(codes, i + 1)));
    }
}

template <int kSize>
void interleave_plain(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row)
        for (int k = 0; k < kPlainCols && source[row] != nullptr; ++k)
            std::memcpy(out + (k * kLanes + row) * kSize, source[row] + k * kSize, kSize);
}

void interleave_bf16(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row)
        for (int pair = 0; pair < 2 && source[row] != nullptr; ++pair)
            store(out, pair, row, load(source[row], pair));
}

void interleave_fp8(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        const Word quad = load(source[row]);
        store(out, 0, row, (quad & 0xff0000ff) | (quad & 0x0000ff00) << 8 | (quad & 0x00ff0000) >> 8);
    }
}

void interleave_q8_0(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        std::memcpy(out + 2 * row, source[row], 2);
        for (int quad = 0; quad < 8; ++quad)
            store(out + 32, quad, row, load(source[row] + 2, quad) ^ 0x80808080);
    }
}

// 32 columns of nibbles, low ones first, after kScale bytes of scale (Q4_0, IQ4_NL, MXFP4).
template <int kScale>
void interleave_nibbles32(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        std::memcpy(out + kScale * row, source[row], kScale);
        store_nibbles(source[row] + kScale, 4, out + kScale * kLanes, 0, row);
    }
}

// GGUF's NVFP4: 64 columns, two blocks here. Its scales are unsigned, and 0x7f means 0.
void interleave_nvfp4(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        for (int group = 0; group < 4; ++group) {
            Byte* block = out + group / 2 * kNvfp4Bytes;
            const int scale = source[row][group] & 0x7f;
            block[group % 2 * kLanes + row] = static_cast<Byte>(scale == 0x7f ? 0 : scale);
            store_nibbles(source[row] + 4 + 8 * group, 2, block + kNvfp4Scale, group % 2 * 2, row);
        }
    }
}

// The twelve bytes of Q4_K and Q5_K that hold eight 6-bit scales and eight 6-bit minima.
void interleave_k_scales(const Byte* block, int row, Byte* out) {
    std::memcpy(out + 2 * row, block, 2);
    std::memcpy(out + 32 + 2 * row, block + 2, 2);
    const Byte* s = block + 4;
    for (int j = 0; j < 8; ++j) {
        const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        const int min = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
        out[kKScales + j * kLanes + row] = static_cast<Byte>(scale);
        out[kKMins + j * kLanes + row] = static_cast<Byte>(min);
    }
}

void interleave_q4_k(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        interleave_k_scales(source[row], row, out);
        for (int part = 0; part < 4; ++part)
            store_nibbles(source[row] + 16 + 32 * part, 8, out + kQ4_KCodes, 8 * part, row);
    }
}

void interleave_q5_k(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        interleave_k_scales(source[row], row, out);
        const Byte *high = source[row] + 16, *low = high + 32;
        for (int part = 0; part < 4; ++part)
            store_nibbles(low + 32 * part, 8, out + kQ4_KCodes, 8 * part, row);
        for (int line = 0; line < 8; ++line) {
            Word bits = 0;
            for (int quad = 0; quad < 8; ++quad) bits |= (load(high, quad) >> line & 0x01010101) << quad;
            store(out + kQ5_KHigh, line, row, bits);
        }
    }
}

void interleave_q6_k(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        const Byte *low = source[row], *high = low + 128, *scales = high + 64;
        std::memcpy(out + 2 * row, scales + 16, 2);
        for (int j = 0; j < 16; ++j) out[kQ6_KScales + j * kLanes + row] = scales[j];
        for (int half = 0; half < 2; ++half)
            for (int quarter = 0; quarter < 4; ++quarter) {  // 32 columns
                const Byte* fours = low + 64 * half + quarter % 2 * 32;
                const int first = 16 * half + 4 * quarter;
                for (int i = 0; i < 8; i += 2) {
                    const Word a = load(fours, i), b = load(fours, i + 1);
                    store(out + kQ6_KCodes, first + i / 2, row,
                          quarter < 2 ? low_nibbles(a, b) : high_nibbles(a, b));
                }
                for (int i = 0; i < 2; ++i) {
                    Word bits = 0;
                    for (int quad = 0; quad < 4; ++quad)
                        bits |= (load(high + 32 * half, 4 * i + quad) >> (2 * quarter) & 0x03030303)
                                << (2 * quad);
                    store(out + kQ6_KHigh, 8 * half + 2 * quarter + i, row, bits);
                }
            }
    }
}

void interleave_iq4_xs(const Byte* const* source, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (source[row] == nullptr) continue;
        const Byte *block = source[row], *low = block + 4;
        std::memcpy(out + 2 * row, block, 2);
        const int high = block[2] | block[3] << 8;
        for (int j = 0; j < 8; ++j) {
            const int scale = (low[j / 2] >> (4 * (j % 2)) & 15) | (high >> (2 * j) & 3) << 4;
            out[kIq4XsScales + j * kLanes + row] = static_cast<Byte>(scale - 32);
            store_nibbles(block + 8 + 16 * j, 4, out + kIq4XsCodes, 4 * j, row);
        }
    }
}

// Eight nibbles in column order as a word of a line: the first four into low nibbles, the others into high.
Word spread(Word half) {
    half = (half | half << 8) & 0x00ff00ff;
    return (half | half << 4) & kNibbles;
}
Word line_of_pairs(Word codes) { return spread(codes & 0xffff) | spread(codes >> 16) << 4; }

}  // namespace

const PanelLayout* panel_layout(DType dtype) {
    static constexpr PanelLayout kF32{kPanelF32, 4, kF32Bytes, 4, 16, interleave_plain<4>};
    static constexpr PanelLayout kF16{kPanelF16, 4, kF16Bytes, 4, 8, interleave_plain<2>};
    static constexpr PanelLayout kBf16{kPanelBf16, 4, kBf16Bytes, 4, 8, interleave_bf16};
    static constexpr PanelLayout kFp8{kPanelFp8, 4, kFp8Bytes, 4, 4, interleave_fp8};
    static constexpr PanelLayout kQ8_0{kPanelQ8_0, 32, kQ8_0Bytes, 32, 34, interleave_q8_0};
    static constexpr PanelLayout kQ4_0{kPanelQ4_0, 32, kNibbles32Bytes, 32, 18, interleave_nibbles32<2>};
    static constexpr PanelLayout kIq4Nl{kPanelIq4Nl, 32, kNibbles32Bytes, 32, 18, interleave_nibbles32<2>};
    static constexpr PanelLayout kMxfp4{kPanelMxfp4, 32, kMxfp4Bytes, 32, 17, interleave_nibbles32<1>};
    static constexpr PanelLayout kNvfp4{kPanelNvfp4, 32, kNvfp4Bytes, 64, 36, interleave_nvfp4};
    static constexpr PanelLayout kQ4_K{kPanelQ4_K, 256, kQ4_KBytes, 256, 144, interleave_q4_k};
    static constexpr PanelLayout kQ5_K{kPanelQ5_K, 256, kQ5_KBytes, 256, 176, interleave_q5_k};
    static constexpr PanelLayout kQ6_K{kPanelQ6_K, 256, kQ6_KBytes, 256, 210, interleave_q6_k};
    static constexpr PanelLayout kIq4Xs{kPanelIq4Xs, 256, kIq4XsBytes, 256, 136, interleave_iq4_xs};
    switch (dtype) {
        case DType::f32:
            return &kF32;
        case DType::bf16:
            return &kBf16;
        case DType::f16:
            return &kF16;
        case DType::f8_e4m3:
            return &kFp8;
        case DType::q8_0:
            return &kQ8_0;
        case DType::q4_0:
            return &kQ4_0;
        case DType::iq4_nl:
            return &kIq4Nl;
        case DType::mxfp4:
            return &kMxfp4;
        case DType::nvfp4:
            return &kNvfp4;
        case DType::q4_k:
            return &kQ4_K;
        case DType::q5_k:
            return &kQ5_K;
        case DType::q6_k:
            return &kQ6_K;
        case DType::iq4_xs:
            return &kIq4Xs;
        default:
            return nullptr;
    }
}

void interleave_nvfp4_apart(const Byte* const* codes, const Byte* const* scales, int n_groups, Byte* out) {
    for (int row = 0; row < kLanes; ++row) {
        if (codes[row] == nullptr) continue;
        for (int group = 0; group < n_groups; ++group) {
            const Byte scale = scales[row][group];
            const Word flip = scale & 0x80 ? 0x88888888 : 0;
            out[group * kLanes + row] = scale & 0x7f;
            for (int i = 0; i < 2; ++i)
                store(out + kNvfp4Scale, 2 * group + i, row,
                      line_of_pairs(load(codes[row] + 8 * group, i) ^ flip));
        }
    }
}

void interleave_fp8_scaled(const Byte* const* codes, const float* scales, std::int64_t n_cols, Byte* out) {
    std::memcpy(out, scales, kFp8Scale);
    for (std::int64_t at = 0; at < n_cols; at += kPlainCols) {
        const Byte* quads[kLanes];
        Byte rest[kLanes][kPlainCols] = {};
        for (int row = 0; row < kLanes; ++row) {
            quads[row] = codes[row] == nullptr ? nullptr : codes[row] + at;
            if (quads[row] == nullptr || at + kPlainCols <= n_cols) continue;
            std::memcpy(rest[row], quads[row], static_cast<std::size_t>(n_cols - at));
            quads[row] = rest[row];
        }
        interleave_fp8(quads, out + kFp8Scale + at / kPlainCols * kFp8Bytes);
    }
}

const PanelLayout& fp8_scaled_layout() {
    static constexpr PanelLayout kLayout{
        kPanelFp8Scaled, kFp8ScaledPart, kFp8ScaledPart / kPlainCols * kFp8Bytes, 0, 0, nullptr,
        kFp8ScaledCols,  kFp8Scale};
    return kLayout;
}

const PanelLayout& panel_layout_of(PanelKind kind) {
    for (int i = 0; i < kDTypeCount; ++i)
        if (const PanelLayout* layout = panel_layout(static_cast<DType>(i)); layout && layout->kind == kind)
            return *layout;
    HEARTH_CHECK(kind == kPanelFp8Scaled, "every other kind is some type's");
    return fp8_scaled_layout();
}

}  // namespace hearth::kernels
