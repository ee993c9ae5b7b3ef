// kernels/cpu/isa_avx512.cpp - the shell that compiles the kernels for avx512. Exports one symbol.
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kv_layout.h"
#include "kernels/panel_layout.h"
#include "kernels/table.h"
#include "quant/formats/bf16.h"
#include "quant/formats/fp8_e4m3.h"

namespace hearth::kernels {
namespace {
#include "kernels/cpu/code_tables.h"

#include "kernels/cpu/activation.inl"

#include "kernels/cpu/row_avx512.h"

#include "kernels/cpu/quads_avx512.h"

#include "kernels/cpu/panels.inl"

#include "kernels/cpu/linear.inl"

#include "kernels/cpu/attention.inl"

#include "kernels/cpu/kv_store.inl"

#include "kernels/cpu/elementwise.inl"

#include "kernels/cpu/activations.inl"

#include "kernels/cpu/convolve.inl"

#include "kernels/cpu/delta_rule.inl"

#include "kernels/cpu/latent.inl"
}  // namespace

#define HEARTH_TABLE hearth_kernels_avx512
#define HEARTH_ISA "avx512"
#include "kernels/cpu/fill_table.inl"
}  // namespace hearth::kernels
