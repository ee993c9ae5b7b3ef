// base/energy.cpp - /sys/class/powercap/intel-rapl:*, which AMD's processors have too. Source: the kernel's
// Documentation/power/powercap/powercap.rst.
#include "base/energy.h"

#include <algorithm>
#include <fstream>
#include <optional>

namespace hearth {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const fs::path& path) {
    std::ifstream file(path);
    std::uint64_t value = 0;
    if (!(file >> value)) return std::nullopt;
    return value;
}

}  // namespace

EnergyMeter EnergyMeter::open(const fs::path& root) {
    constexpr std::size_t kDomainsMax = 256;
    EnergyMeter meter;
    std::error_code error;
    for (fs::directory_iterator it(root / "sys/class/powercap", error), end; !error && it != end;
         it.increment(error)) {
        if (!it->path().filename().string().starts_with("intel-rapl:") ||
            meter.domains_.size() == kDomainsMax)
            continue;
        std::string name;
        std::ifstream(it->path() / "name") >> name;
        // Cores and graphics are parts of their package; "psys" holds the packages.
        if (!name.starts_with("package") && name != "dram") continue;
        const auto now = number_in(it->path() / "energy_uj"),
                   range = number_in(it->path() / "max_energy_range_uj");
        if (now) meter.domains_.push_back({name, it->path() / "energy_uj", *now, range.value_or(0)});
    }
    std::sort(meter.domains_.begin(), meter.domains_.end(),
              [](const Domain& a, const Domain& b) { return a.counter < b.counter; });
    return meter;
}

std::vector<std::string> EnergyMeter::names() const {
    std::vector<std::string> out;
    for (const Domain& domain : domains_) out.push_back(domain.name);
    return out;
}

double EnergyMeter::joules() {
    for (Domain& domain : domains_) {
        const auto now = number_in(domain.counter);
        if (!now) continue;
        if (*now >= domain.last)
            joules_ += static_cast<double>(*now - domain.last) / 1e6;
        else if (domain.wraps_after > domain.last)
            joules_ += static_cast<double>(domain.wraps_after - domain.last + *now) / 1e6;
        domain.last = *now;
    }
    return joules_;
}

}  // namespace hearth
