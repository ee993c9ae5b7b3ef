// quant/format.h - what a block format is: a layout and a reference encode and decode, forced inline.
// The headers in formats/ include C headers alone, so that kernels compiled for one instruction set can use
// them.
#pragma once

#include <stdint.h>

#define HEARTH_FN static inline __attribute__((always_inline))

namespace hearth::quant {

// Specialised by formats/*.h for GGUF type numbers (and kFp8E4M3 for FP8, which GGUF lacks):
//   template <> struct Format<8> {                     // 8 = Q8_0
//       static constexpr int kElems = 32;              // elements a block
//       static constexpr int kBytes = 34;
//       HEARTH_FN-like static members, always inline:
//       static void decode(const uint8_t* block, float* out);            // kElems values
//       static void encode(const float* in, uint8_t* block);             // the reference encoder, no
//       calibration
//   };
template <int Id>
struct Format;

inline constexpr int kFp8E4M3 = 1000;

}  // namespace hearth::quant
