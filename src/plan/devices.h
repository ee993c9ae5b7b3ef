// plan/devices.h - the table of devices that plans can name: memory, bandwidth, arithmetic, watts, prices.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::plan {

enum class Maker { nvidia, amd, apple, intel, other };

struct Device {
    std::string name;
    Maker maker = Maker::other;
    std::string kind;    // "consumer", "workstation", "datacenter", "apu", "soc", "cpu", "sbc"
    std::string memory;  // "GDDR6X", "HBM2e", "LPDDR5X", "DDR5"
    std::string chip;    // "Ampere GA102"
    double memory_bytes = 0;
    double read_bytes_per_second = 0;  // of the datasheet, or measured on this machine
    double flops = 0;                  // FP16 with FP32 accumulation; 0: unknown
    double load_watts = 0, idle_watts = 0;
    std::string link, price, source, confidence;  // A: read at the source; B: datasheet from memory; C: weak
    [[nodiscard]] bool is_cpu() const { return kind == "cpu" || kind == "sbc"; }
    [[nodiscard]] bool is_unified() const { return kind == "apu" || kind == "soc"; }
    [[nodiscard]] bool is_recent_nvidia() const;  // Ada and Blackwell
};

std::span<const Device> devices();

// By name; case does not matter, and part of a name will do when only one device has it. Errors: not_found,
// with names that are near.
Result<Device> find_device(std::string_view name);

// The table's device for what a driver calls its card: "NVIDIA GeForce RTX 5090". Nothing when none is just
// that.
const Device* device_of_driver(std::string_view name);

struct DeviceGroup {
    Device device;
    int n = 1;
};
// "RTX 5090", "4x MI100", "2x RTX 3090 + Raspberry Pi 5". Errors: not_found, usage (0x, 5000x).
Result<std::vector<DeviceGroup>> parse_devices(std::string_view text);

}  // namespace hearth::plan
