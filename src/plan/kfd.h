// plan/kfd.h - AMD's compute topology as the kernel lists it: a folder a node, `properties` with a name and a
// number a line. Source: drivers/gpu/drm/amd/amdkfd/kfd_topology.c, node_show and mem_show.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::plan {

struct KfdNode {
    std::string pci;                     // "0000:23:00.0", from domain and location_id
    std::string name;                    // "arcturus"
    std::string architecture;            // "gfx908", from gfx_target_version
    double memory_bytes = 0;             // of the banks on the card itself
    double bus_bits = 0, clock_mhz = 0;  // of the largest of them
};

// Nodes with compute units on cards of AMD; a processor's own node has none. Numbers that do not parse, and
// nodes without the keys, are left out.
std::vector<KfdNode> read_kfd(const std::filesystem::path& root);

// 90008 is gfx908, 90010 gfx90a: two decimal digits of major, minor and stepping, written in hexadecimal.
std::string kfd_architecture(double gfx_target_version);

// Two transfers a clock hold for HBM, known by its width; GDDR's clock means another multiple on each
// generation. Bytes a second.
std::optional<double> kfd_bandwidth(const KfdNode& node);

}  // namespace hearth::plan
