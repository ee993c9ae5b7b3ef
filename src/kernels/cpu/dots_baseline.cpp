// kernels/cpu/dots_baseline.cpp - the shell that compiles the dot products for baseline. Exports one symbol.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/panel_layout.h"
#include "kernels/table.h"

namespace hearth::kernels {
namespace {
#include "kernels/cpu/code_tables.h"

#include "kernels/cpu/activation.inl"

#include "kernels/cpu/row_baseline.h"

#include "kernels/cpu/quads_baseline.h"

#include "kernels/cpu/panels.inl"

#include "kernels/cpu/dot.inl"
}  // namespace

#define HEARTH_DOTS hearth_dots_baseline
#define HEARTH_ISA "baseline"
#include "kernels/cpu/fill_dots.inl"
}  // namespace hearth::kernels
