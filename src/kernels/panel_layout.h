// kernels/panel_layout.h - sizes of the panels' blocks, for those who write them (interleave.cpp) and those
// who read them (cpu/panels.inl). Plain constants: objects of one instruction set include this.
//
// A panel holds 16 output rows. Its unit is the quad: four neighbouring columns of one row, in the four bytes
// of one 32-bit lane, so that a 64-byte line of quads is what one dot-product instruction multiplies. A line
// of 4-bit codes holds eight columns: quad 2c in the low nibbles, quad 2c + 1 in the high ones.
#pragma once

namespace hearth::kernels {

inline constexpr int kLineBytes = 64;
// f32, f16: one column of 16 rows after another; bf16: lines of column pairs; fp8: lines of quads whose
// inner two columns are swapped, so that the even 16-bit halves hold one pair.
inline constexpr int kPlainCols = 4;
inline constexpr int kF32Bytes = 4 * 64;
inline constexpr int kF16Bytes = 4 * 32;
inline constexpr int kBf16Bytes = 2 * kLineBytes;
inline constexpr int kFp8Bytes = kLineBytes;
// f32 scale[16], then lines of fp8 as above for 128 columns, which share a scale in files. Rows of
// activations are padded to 32 columns and no more, so the last block is cut short there.
inline constexpr int kFp8ScaledCols = 128, kFp8ScaledPart = 32, kFp8Scale = 64;
inline constexpr int kFp8ScaledBytes = kFp8Scale + kFp8ScaledCols / 4 * kLineBytes;
// f16 scale[16], then 8 lines of codes + 128.
inline constexpr int kQ8_0Bytes = 32 + 8 * kLineBytes;
// f16 scale[16], then 4 lines of nibbles (Q4_0, IQ4_NL).
inline constexpr int kNibbles32Scale = 32;
inline constexpr int kNibbles32Bytes = kNibbles32Scale + 4 * kLineBytes;
// E8M0 scale[16], then 4 lines of nibbles.
inline constexpr int kMxfp4Scale = 16;
inline constexpr int kMxfp4Bytes = kMxfp4Scale + 4 * kLineBytes;
// E4M3 scale[2][16] of 16 columns each, then 4 lines of nibbles.
inline constexpr int kNvfp4Scale = 32;
inline constexpr int kNvfp4Bytes = kNvfp4Scale + 4 * kLineBytes;
// f16 d[16], f16 dmin[16], u8 scale[8][16], u8 min[8][16], then 32 lines of nibbles.
inline constexpr int kKScales = 64;
inline constexpr int kKMins = kKScales + 8 * 16;
inline constexpr int kQ4_KCodes = kKMins + 8 * 16;
inline constexpr int kQ4_KBytes = kQ4_KCodes + 32 * kLineBytes;
// As Q4_K, then 8 lines of fifth bits: in line i, bit q of each byte belongs to quad 8 i + q.
inline constexpr int kQ5_KHigh = kQ4_KBytes;
inline constexpr int kQ5_KBytes = kQ5_KHigh + 8 * kLineBytes;
// f16 d[16], i8 scale[16][16] of 16 columns each, 32 lines of low nibbles, then 16 lines of upper bits: in
// line i, bits 2q and 2q + 1 of each byte belong to quad 4 i + q. Codes count from -32.
inline constexpr int kQ6_KScales = 32;
inline constexpr int kQ6_KCodes = kQ6_KScales + 16 * 16;
inline constexpr int kQ6_KHigh = kQ6_KCodes + 32 * kLineBytes;
inline constexpr int kQ6_KBytes = kQ6_KHigh + 16 * kLineBytes;
// f16 d[16], i8 scale[8][16] (counted from 0 here), then 32 lines of nibbles.
inline constexpr int kIq4XsScales = 32;
inline constexpr int kIq4XsCodes = kIq4XsScales + 8 * 16;
inline constexpr int kIq4XsBytes = kIq4XsCodes + 32 * kLineBytes;

}  // namespace hearth::kernels
