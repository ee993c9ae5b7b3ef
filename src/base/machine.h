// base/machine.h - what this machine lends this process: cores and memory, cgroup limits respected.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hearth {

struct Machine {
    std::string cpu_name;                  // "AMD EPYC", from /proc/cpuinfo
    std::vector<std::string> cpu_flags;    // the features that the kernels care about
    int cores_online = 1;                  // of the machine
    int cores_usable = 1;                  // min of the affinity mask and the cgroup's cpu quota
    std::vector<int> affinity;             // the cores this process may run on
    std::uint64_t memory_bytes = 0;        // of the machine
    std::uint64_t memory_limit_bytes = 0;  // min of the machine and the cgroup's limit
    std::uint64_t memory_available_bytes = 0;
};
// `root` lets captured trees stand in for the machine; cores are of this machine whatever the root.
Machine read_machine(const std::filesystem::path& root = "/");

// The cgroup's cpu quota in cores, rounded up ("150000 100000" is 2); 0 when there is none. `text` is
// cpu.max.
int cpu_quota_cores(const std::string& text);

}  // namespace hearth
