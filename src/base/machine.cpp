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

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::uint64_t meminfo_bytes(const fs::path& root, const std::string& key) {
    std::ifstream file(root / "proc/meminfo");
    std::string name, unit;
    std::uint64_t kib = 0;
    while (file >> name >> kib) {
        std::getline(file, unit);
        if (name == key) return kib * 1024;
    }
    return 0;
}

// The folders of this process's control group and of those above it, each of which may set a limit. Version 2
// has one tree ("0::/a/b" in /proc/self/cgroup), version 1 one a controller ("9:memory:/a/b"). A container
// sees its own group as the root.
std::vector<fs::path> cgroup_folders(const fs::path& root, std::string_view controller) {
    const fs::path base = root / "sys/fs/cgroup";
    std::vector<fs::path> out;
    std::ifstream file(root / "proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string names = line.substr(first + 1, second - first - 1);
        const bool v2 = names.empty();
        if (!v2 && ("," + names + ",").find("," + std::string(controller) + ",") == std::string::npos)
            continue;
        const fs::path tree = v2 ? base : base / controller;
        fs::path group = fs::path(line.substr(second + 1)).relative_path().lexically_normal();
        for (int depth = 0; depth < 64 && !group.empty() && group != "." && *group.begin() != ".."; ++depth) {
            out.push_back(tree / group);
            group = group.parent_path();
        }
    }
    out.push_back(base);
    out.push_back(base / controller);
    return out;
}

std::uint64_t cgroup_memory_limit(const fs::path& root) {
    std::uint64_t limit = UINT64_MAX;
    for (const fs::path& folder : cgroup_folders(root, "memory"))
        for (const char* name : {"memory.max", "memory.high", "memory.limit_in_bytes"}) {
            std::istringstream line(first_line(folder / name));
            std::uint64_t bytes = 0;
            if (line >> bytes && bytes > 0)
                limit = std::min(limit, bytes);  // "max" does not read as a number
        }
    return limit;
}

int cgroup_cores(const fs::path& root) {
    int cores = 0;
    const auto take = [&](int quota) {
        if (quota > 0) cores = cores > 0 ? std::min(cores, quota) : quota;
    };
    for (const fs::path& folder : cgroup_folders(root, "cpu")) {
        take(cpu_quota_cores(first_line(folder / "cpu.max")));
        take(cpu_quota_cores(first_line(folder / "cpu.cfs_quota_us") + " " +
                             first_line(folder / "cpu.cfs_period_us")));
    }
    return cores;
}

void read_cpuinfo(const fs::path& root, Machine& machine) {
    static const std::set<std::string> kWanted = {
        "sse4_2",      "avx",         "avx2",     "fma",      "f16c",        "avx_vnni",
        "avx512f",     "avx512bw",    "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16",
        "avx512_fp16", "avx512_vbmi", "amx_tile", "amx_int8", "amx_bf16"};
    std::ifstream file(root / "proc/cpuinfo");
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

Machine read_machine(const fs::path& root) {
    Machine machine;
    read_cpuinfo(root, machine);
    machine.cores_online = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) == 0)
        for (int core = 0; core < CPU_SETSIZE; ++core)
            if (CPU_ISSET(static_cast<std::size_t>(core), &mask)) machine.affinity.push_back(core);
    machine.cores_usable =
        machine.affinity.empty() ? machine.cores_online : static_cast<int>(machine.affinity.size());
    if (const int quota = cgroup_cores(root); quota > 0)
        machine.cores_usable = std::min(machine.cores_usable, quota);
    machine.memory_bytes = meminfo_bytes(root, "MemTotal:");
    machine.memory_limit_bytes = std::min(machine.memory_bytes, cgroup_memory_limit(root));
    machine.memory_available_bytes =
        std::min(meminfo_bytes(root, "MemAvailable:"), machine.memory_limit_bytes);
    return machine;
}

}  // namespace hearth
