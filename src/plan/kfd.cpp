// plan/kfd.cpp - /sys/class/kfd, node by node.
#include "plan/kfd.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <map>

#include "plan/sysfs.h"

namespace hearth::plan {
namespace {

namespace fs = std::filesystem;

constexpr int kLinesMax = 256;
constexpr double kAmd = 0x1002;
// HSA_MEM_HEAP_TYPE_FB_PUBLIC and FB_PRIVATE: on the card, seen by the processor or not.
constexpr double kHeapPublic = 1, kHeapPrivate = 2;

std::map<std::string, double> properties_of(const fs::path& path) {
    std::map<std::string, double> out;
    std::ifstream file(path);
    std::string line;
    for (int i = 0; i < kLinesMax && std::getline(file, line); ++i) {
        const std::size_t space = line.find(' ');
        if (space == std::string::npos) continue;
        std::uint64_t value = 0;
        const char* end = line.data() + line.size();
        const auto parsed = std::from_chars(line.data() + space + 1, end, value);
        if (parsed.ec == std::errc() && parsed.ptr == end)
            out[line.substr(0, space)] = static_cast<double>(value);
    }
    return out;
}

double value_of(const std::map<std::string, double>& properties, const char* key) {
    const auto found = properties.find(key);
    return found == properties.end() ? 0 : found->second;
}

// location_id is the bus in the upper and device and function in the lower byte, as PCI numbers them.
std::string pci_of(double domain, double location) {
    if (domain > 0xffff'ffff || location > 0xffff) return {};
    const auto place = static_cast<unsigned>(location);
    return fmt::format("{:04x}:{:02x}:{:02x}.{}", static_cast<unsigned>(domain), place >> 8, place >> 3 & 31,
                       place & 7);
}

void read_banks(const fs::path& folder, KfdNode& node) {
    double largest = 0;
    for (const fs::path& bank : entries(folder / "mem_banks", "")) {
        const auto bank_properties = properties_of(bank / "properties");
        const double heap = value_of(bank_properties, "heap_type"),
                     size = value_of(bank_properties, "size_in_bytes");
        if (heap != kHeapPublic && heap != kHeapPrivate) continue;
        node.memory_bytes += size;
        if (size <= largest) continue;
        largest = size;
        node.bus_bits = value_of(bank_properties, "width");
        node.clock_mhz = value_of(bank_properties, "mem_clk_max");
    }
}

}  // namespace

std::string kfd_architecture(double gfx_target_version) {
    if (!(gfx_target_version >= 10000 && gfx_target_version < 1e6)) return {};
    const auto version = static_cast<unsigned>(gfx_target_version);
    return fmt::format("gfx{}{:x}{:x}", version / 10000, version / 100 % 100, version % 100);
}

std::vector<KfdNode> read_kfd(const fs::path& root) {
    std::vector<KfdNode> out;
    for (const fs::path& folder : entries(root / "sys/class/kfd/kfd/topology/nodes", "")) {
        const auto properties = properties_of(folder / "properties");
        if (value_of(properties, "simd_count") <= 0 || value_of(properties, "vendor_id") != kAmd) continue;
        KfdNode node;
        node.pci = pci_of(value_of(properties, "domain"), value_of(properties, "location_id"));
        node.name = first_line(folder / "name");
        node.architecture = kfd_architecture(value_of(properties, "gfx_target_version"));
        read_banks(folder, node);
        if (!node.pci.empty()) out.push_back(std::move(node));
    }
    return out;
}

std::optional<double> kfd_bandwidth(const KfdNode& node) {
    if (node.bus_bits < 1024 || node.bus_bits > 65536 || node.clock_mhz <= 0 || node.clock_mhz > 1e5)
        return std::nullopt;
    return node.bus_bits / 8 * node.clock_mhz * 1e6 * 2;
}

}  // namespace hearth::plan
