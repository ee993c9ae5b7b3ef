// kernels/select.h - which table this machine runs: chosen once by cpuid. HEARTH_CPU forces one of baseline,
// avx2, avxvnni, avx512, avx512vnni, avx512bf16.
#pragma once

#include <vector>

#include "kernels/table.h"

namespace hearth::kernels {

// The best table that this machine can run, or the one that HEARTH_CPU names. A forced name that cannot run
// here is logged and ignored: the program must not die of an illegal instruction.
const CpuKernels& best();
// Every table that this machine can run, the baseline first.
std::vector<const CpuKernels*> runnable();

}  // namespace hearth::kernels
