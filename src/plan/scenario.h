// plan/scenario.h - the question of a plan as a TOML file: a model, a type, devices with what is known of
// them, the host's memory, a cluster's nodes and network. docs/plan.md lists the keys.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "plan/outlook.h"

namespace hearth::plan {

// What people know better than the table: fields of the first device and of its host.
struct HardwareOverrides {
    std::optional<double> vram_gb = {}, bandwidth_gbs = {}, tflops = {}, load_watts = {};
    std::optional<double> ram_gb = {}, ram_bandwidth_gbs = {}, disk_gbs = {};
};

struct Scenario {
    std::string title;
    OutlookRequest request;
};
// Paths in the file are relative to it. Errors: usage, with the line and the key; not_found (a device, a
// model).
Result<Scenario> read_scenario(const std::filesystem::path& path);
Result<Scenario> scenario_of(std::string_view text, const std::filesystem::path& path);

// A cluster file: [[node]] and [network], which a scenario may hold itself. Sets devices, nodes, host and
// network.
Status read_cluster(const std::filesystem::path& path, OutlookRequest& request);

void override_hardware(const HardwareOverrides& overrides, OutlookRequest& request);

}  // namespace hearth::plan
