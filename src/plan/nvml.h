// plan/nvml.h - NVIDIA's management library, opened at run time: neither headers nor the library are needed
// to build.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hearth::plan {

struct NvmlCard {
    std::string name, pci;
    std::optional<double> memory_bytes;  // absent: the driver gives none, as on boards with unified memory
    std::optional<double> power_limit_watts;
    std::optional<double> joules;  // since its driver was loaded
};
struct NvmlReading {
    std::vector<NvmlCard> cards;
    std::string why;  // why there are none: "libnvidia-ml.so.1 cannot be opened"
};
// `library`: a path; empty: the names that drivers install. Each call of it is optional.
NvmlReading read_nvml(const std::string& library);

}  // namespace hearth::plan
