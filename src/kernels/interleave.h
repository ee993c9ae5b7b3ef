// kernels/interleave.h - how 16 source rows become the blocks of a panel; one function a format.
#pragma once

#include <cstdint>

#include "kernels/table.h"
#include "tensor/dtype.h"

namespace hearth::kernels {

// The panel layout of a file's type. `interleave` turns the blocks at one place of 16 source rows (null: a
// row of padding) into `source_cols / block_cols` blocks of the panel, which is zeroed before.
struct PanelLayout {
    PanelKind kind;
    int block_cols, block_bytes;  // of the panel
    int source_cols, source_bytes;
    void (*interleave)(const std::uint8_t* const* source, std::uint8_t* out);
    int scale_cols = 0, scale_bytes = 0;  // what comes before each so many columns, cut short or not
};

// Null where a type has no panels of its own and becomes float32.
const PanelLayout* panel_layout(DType dtype);
// FP8 whose scales come apart; not made by `interleave`.
const PanelLayout& fp8_scaled_layout();
// The layout of a kind.
const PanelLayout& panel_layout_of(PanelKind kind);

// The same for NVFP4 whose codes (even column in the low nibble) and scales come apart: 32 columns of 16
// rows. Two scales a row; a negative one moves its sign into the codes. `n_groups`: 1 when only 16 columns
// are left.
void interleave_nvfp4_apart(const std::uint8_t* const* codes, const std::uint8_t* const* scales, int n_groups,
                            std::uint8_t* out);

// FP8 whose scales come apart: up to 128 columns of 16 rows, `scales` one a row.
void interleave_fp8_scaled(const std::uint8_t* const* codes, const float* scales, std::int64_t n_cols,
                           std::uint8_t* out);

}  // namespace hearth::kernels
