// base/energy.h - what the processor and its memory took, by the counters that the kernel shows (RAPL):
// without supply, fans and disks, and only where this process may read them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hearth {

class EnergyMeter {
  public:
    // Packages and, where they have some, their memory. `root` lets a test stand in for the machine.
    static EnergyMeter open(const std::filesystem::path& root = "/");

    [[nodiscard]] bool empty() const { return domains_.empty(); }
    [[nodiscard]] std::vector<std::string> names() const;  // "package-0", "dram"
    // Joules since open. A counter wraps after minutes at full load: ask at least once a minute.
    double joules();

  private:
    struct Domain {
        std::string name;
        std::filesystem::path counter;
        std::uint64_t last = 0, wraps_after = 0;  // microjoules
    };
    std::vector<Domain> domains_;
    double joules_ = 0;
};

}  // namespace hearth
