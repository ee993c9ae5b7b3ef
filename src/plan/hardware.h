// plan/hardware.h - what a machine has, read from /sys and /proc without any vendor's toolkit; each field
// says how it was learnt. `root` lets tests (and captures from elsewhere) stand in for the machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hearth::plan {

// How a value was learnt, and how sure that makes it.
enum class Method { sysfs, nvml, table, derived };
enum class Confidence { high, medium, low };
std::string_view name(Method method);
std::string_view name(Confidence confidence);

template <class T>
struct Known {
    T value{};
    Method method = Method::sysfs;
    Confidence confidence = Confidence::high;
};

struct Gpu {
    std::string vendor;  // "NVIDIA", "AMD", "Intel"
    std::string pci;     // "0000:03:00.0"
    Known<std::string> model;
    std::optional<Known<double>> memory_bytes;
    std::optional<Known<double>> shared_bytes;  // of main memory, that the GPU may map (AMD's GTT)
    std::optional<Known<double>> read_bytes_per_second;
    std::optional<Known<double>> power_limit_watts;
    bool has_energy_counter = false;
    bool is_unified = false;  // its memory is the machine's
};

struct Disk {
    std::string device, model;
    double bytes = 0;
    bool rotates = false;
};

struct Hardware {
    int n_numa_nodes = 1;
    std::vector<double> numa_memory_bytes;
    double last_level_cache_bytes = 0;
    std::vector<Gpu> gpus;
    std::vector<Disk> disks;
    std::vector<std::string> energy_counters;  // readable RAPL domains
    std::vector<std::string> notes;            // what could not be read, and why
};

// `nvml`: the library to open; empty: the usual names. Never fails: what cannot be read is left out and
// noted.
Hardware read_hardware(const std::filesystem::path& root = "/", const std::string& nvml = {});

// Reads up to `bytes_max` of a file past the system's cache. Bytes a second. Errors: not_found, io.
Result<double> measure_disk_read(const std::filesystem::path& file, std::uint64_t bytes_max);

std::string hardware_text(const Hardware& hardware);
Json hardware_json(const Hardware& hardware);

}  // namespace hearth::plan
