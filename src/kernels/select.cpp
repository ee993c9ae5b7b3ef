// kernels/select.cpp - the priority list and the one cpuid question per entry.
#include "kernels/select.h"

#include <cstdlib>
#include <string_view>

#include "base/log.h"

namespace hearth::kernels {
namespace {

// F16C is older than AVX2 and in every processor that has it; clang 14 cannot ask for it by name.
[[maybe_unused]] bool has_avx2() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

[[maybe_unused]] bool has_avx512() {
#if defined(__x86_64__)
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
    return false;
#endif
}

const CpuKernels& choose() {
    const auto tables = runnable();
    const char* forced = std::getenv("HEARTH_CPU");
    if (forced == nullptr || *forced == '\0') return *tables.back();
    for (const CpuKernels* table : tables)
        if (std::string_view(table->isa) == forced) return *table;
    log::warning("HEARTH_CPU={}: this build or machine has no such kernels; using {}", forced,
                 tables.back()->isa);
    return *tables.back();
}

}  // namespace

std::vector<const CpuKernels*> runnable() {
    std::vector<const CpuKernels*> tables = {&hearth_kernels_baseline};
#if defined(HEARTH_HAS_AVX2)
    if (has_avx2()) tables.push_back(&hearth_kernels_avx2);
#endif
#if defined(HEARTH_HAS_AVX512)
    if (has_avx512()) tables.push_back(&hearth_kernels_avx512);
#endif
    return tables;
}

const CpuKernels& best() {
    static const CpuKernels& chosen = choose();
    return chosen;
}

}  // namespace hearth::kernels
