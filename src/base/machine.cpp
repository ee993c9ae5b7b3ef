// base/machine.cpp - reads /proc, the affinity mask and both cgroup versions.
#include "base/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

namespace hearth {
namespace {

std::string first_line(const char* path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::uint64_t meminfo_bytes(const std::string& key) {
    std::ifstream file("/proc/meminfo");
    std::string name, unit;
    std::uint64_t kib = 0;
    while (file >> name >> kib) {
        std::getline(file, unit);
        if (name == key) return kib * 1024;
    }
    return 0;
}

std::uint64_t cgroup_memory_limit() {
    for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
        std::istringstream line(first_line(path));
        std::uint64_t bytes = 0;
        if (line >> bytes && bytes > 0) return bytes;  // "max" does not read as a number
    }
    return UINT64_MAX;
}

int cgroup_cores() {
    if (const int v2 = cpu_quota_cores(first_line("/sys/fs/cgroup/cpu.max")); v2 > 0) return v2;
    return cpu_quota_cores(first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") + " " +
                           first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
}

void read_cpuinfo(Machine& machine) {
    static const std::set<std::string> kWanted = {
        "sse4_2",      "avx",         "avx2",     "fma",      "f16c",        "avx_vnni",
        "avx512f",     "avx512bw",    "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16",
        "avx512_fp16", "avx512_vbmi", "amx_tile", "amx_int8", "amx_bf16"};
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos || colon + 2 > line.size()) continue;
        if (line.starts_with("model name") && machine.cpu_name.empty())
            machine.cpu_name = line.substr(colon + 2);
        if (line.starts_with("flags") && machine.cpu_flags.empty()) {
            std::istringstream flags(line.substr(colon + 1));
            for (std::string flag; flags >> flag;)
                if (kWanted.contains(flag)) machine.cpu_flags.push_back(flag);
        }
    }
}

}  // namespace

int cpu_quota_cores(const std::string& text) {
    std::istringstream in(text);
    long long quota = 0, period = 0;
    if (!(in >> quota >> period) || quota <= 0 || period <= 0) return 0;
    return static_cast<int>(std::min<long long>((quota + period - 1) / period, 4096));
}

Machine read_machine() {
    Machine machine;
    read_cpuinfo(machine);
    machine.cores_online = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) == 0)
        for (int core = 0; core < CPU_SETSIZE; ++core)
            if (CPU_ISSET(static_cast<std::size_t>(core), &mask)) machine.affinity.push_back(core);
    machine.cores_usable =
        machine.affinity.empty() ? machine.cores_online : static_cast<int>(machine.affinity.size());
    if (const int quota = cgroup_cores(); quota > 0)
        machine.cores_usable = std::min(machine.cores_usable, quota);
    machine.memory_bytes = meminfo_bytes("MemTotal:");
    machine.memory_limit_bytes = std::min(machine.memory_bytes, cgroup_memory_limit());
    machine.memory_available_bytes = std::min(meminfo_bytes("MemAvailable:"), machine.memory_limit_bytes);
    return machine;
}

}  // namespace hearth
