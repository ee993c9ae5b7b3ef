// kernels/select.cpp - the priority list and the cpuid questions of each entry.
#include "kernels/select.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdlib>
#include <string_view>

#include "base/log.h"

namespace hearth::kernels {
namespace {

#if defined(HEARTH_HAS_X86_KERNELS)
// F16C is older than AVX2 and in every processor that has it; clang 14 cannot ask for it by name.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

// Leaf 7, subleaf 1, register eax: what g++ 12 cannot ask for by name.
bool has_leaf7_1(unsigned bit) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> bit & 1u) != 0;
}
constexpr unsigned kAvxVnniBit = 4, kAvx512Bf16Bit = 5;
#endif

struct Entry {
    const char* name;
    bool runs;
    const CpuKernels* exact;
    const DotKernels* dots;
};

// Best last.
std::vector<CpuKernels> tables() {
    std::vector<Entry> entries = {{"baseline", true, &hearth_kernels_baseline, &hearth_dots_baseline}};
#if defined(HEARTH_HAS_X86_KERNELS)
    const bool vnni = has_avx512() && __builtin_cpu_supports("avx512vnni");
    entries.push_back({"avx2", has_avx2(), &hearth_kernels_avx2, &hearth_dots_avx2});
    entries.push_back(
        {"avxvnni", has_avx2() && has_leaf7_1(kAvxVnniBit), &hearth_kernels_avx2, &hearth_dots_avxvnni});
    entries.push_back({"avx512", has_avx512(), &hearth_kernels_avx512, &hearth_dots_avx512});
    entries.push_back({"avx512vnni", vnni, &hearth_kernels_avx512, &hearth_dots_avx512vnni});
    entries.push_back(
        {"avx512bf16", vnni && has_leaf7_1(kAvx512Bf16Bit), &hearth_kernels_avx512, &hearth_dots_avx512bf16});
#endif
    std::vector<CpuKernels> out;
    for (const Entry& entry : entries) {
        if (!entry.runs) continue;
        out.push_back(*entry.exact);
        out.back().isa = entry.name;
        out.back().dots = entry.dots;
    }
    return out;
}

const std::vector<CpuKernels>& all() {
    static const std::vector<CpuKernels> built = tables();
    return built;
}

const CpuKernels& choose() {
    const char* forced = std::getenv("HEARTH_CPU");
    if (forced == nullptr || *forced == '\0') return all().back();
    for (const CpuKernels& table : all())
        if (std::string_view(table.isa) == forced) return table;
    log::warning("HEARTH_CPU={}: this build or machine has no such kernels; using {}", forced,
                 all().back().isa);
    return all().back();
}

}  // namespace

std::vector<const CpuKernels*> runnable() {
    std::vector<const CpuKernels*> out;
    for (const CpuKernels& table : all()) out.push_back(&table);
    return out;
}

const CpuKernels& best() {
    static const CpuKernels& chosen = choose();
    return chosen;
}

}  // namespace hearth::kernels
