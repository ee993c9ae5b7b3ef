// plan/hardware.cpp - /sys and /proc, file by file; NVIDIA's cards through nvml.cpp.
#include "plan/hardware.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "base/file.h"
#include "base/terminal.h"
#include "plan/devices.h"
#include "plan/kfd.h"
#include "plan/nvml.h"
#include "plan/sysfs.h"

namespace hearth::plan {
namespace {

bool is_digits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void read_numa(const fs::path& root, Hardware& out) {
    int n = 0;
    for (const fs::path& node : entries(root / "sys/devices/system/node", "node")) {
        if (!is_digits(node.filename().string().substr(4))) continue;
        ++n;
        std::ifstream file(node / "meminfo");
        for (std::string line; std::getline(file, line);) {
            const std::size_t at = line.find("MemTotal:");
            if (at == std::string::npos) continue;
            out.numa_memory_bytes.push_back(std::strtod(line.c_str() + at + 9, nullptr) * 1024);
        }
    }
    out.n_numa_nodes = std::max(1, n);
}

void read_caches(const fs::path& root, Hardware& out) {
    for (const fs::path& index : entries(root / "sys/devices/system/cpu/cpu0/cache", "index"))
        if (const auto kib = number_in(index / "size"))
            out.last_level_cache_bytes = std::max(out.last_level_cache_bytes, *kib * 1024);
}

void read_disks(const fs::path& root, Hardware& out) {
    for (const fs::path& block : entries(root / "sys/block", "")) {
        const std::string device = block.filename().string();
        if (device.starts_with("loop") || device.starts_with("zram") || device.starts_with("ram")) continue;
        const auto sectors = number_in(block / "size");
        if (!sectors || *sectors == 0) continue;
        out.disks.push_back({device, first_line(block / "device/model"), *sectors * 512,
                             number_in(block / "queue/rotational").value_or(0) > 0});
    }
}

// Takes the card's own node out of the list; else, where the machine hides where cards sit, one with as much
// memory.
std::optional<KfdNode> take_node(std::vector<KfdNode>& nodes, const Gpu& gpu) {
    auto at = std::find_if(nodes.begin(), nodes.end(), [&](const KfdNode& n) { return n.pci == gpu.pci; });
    const double bytes = gpu.memory_bytes ? gpu.memory_bytes->value : 0;
    if (at == nodes.end())
        at = std::find_if(nodes.begin(), nodes.end(), [&](const KfdNode& n) {
            return n.memory_bytes > 0.9 * bytes && n.memory_bytes < 1.1 * bytes;
        });
    if (at == nodes.end()) return std::nullopt;
    KfdNode node = std::move(*at);
    nodes.erase(at);
    return node;
}

// A card whose whole memory the processor can map shows its size as the largest prefetchable window of its
// PCI resources (begin, end, flags a line; flag 0x2000: prefetchable). 256 MiB or less is the old, small
// window.
std::optional<double> largest_window(const fs::path& path) {
    std::ifstream file(path);
    double largest = 0;
    std::string begin, end, flags;
    for (int line = 0; line < 16 && file >> begin >> end >> flags; ++line) {
        char* stop = nullptr;
        const unsigned long long first = std::strtoull(begin.c_str(), &stop, 16),
                                 last = std::strtoull(end.c_str(), nullptr, 16),
                                 bits = std::strtoull(flags.c_str(), nullptr, 16);
        if ((bits & 0x2000) != 0 && last > first && last - first < (1ull << 50))
            largest = std::max(largest, static_cast<double>(last - first + 1));
    }
    return largest > 0x1p28 ? std::optional(largest) : std::nullopt;
}

void add_from_table(Gpu& gpu) {
    const Device* device = device_of_driver(gpu.model.value);
    if (device == nullptr || gpu.read_bytes_per_second) return;
    gpu.read_bytes_per_second = {device->read_bytes_per_second, Method::table,
                                 device->confidence == "A" ? Confidence::medium : Confidence::low};
    gpu.is_unified = gpu.is_unified || device->is_unified();
}

void use_kfd(const KfdNode& node, Gpu& gpu) {
    if (const auto bandwidth = kfd_bandwidth(node))
        gpu.read_bytes_per_second = {*bandwidth, Method::derived, Confidence::high};
    if (!gpu.memory_bytes && node.memory_bytes > 0)
        gpu.memory_bytes = {node.memory_bytes, Method::sysfs, Confidence::high};
    if (gpu.model.confidence == Confidence::high && !gpu.model.value.empty()) return;
    if (!node.architecture.empty() || !node.name.empty())
        gpu.model = {node.name.empty()           ? node.architecture
                     : node.architecture.empty() ? node.name
                                                 : node.name + ", " + node.architecture,
                     Method::sysfs, Confidence::medium};
}

Gpu read_drm(std::vector<KfdNode>& nodes, const fs::path& device, std::string_view vendor) {
    Gpu gpu;
    gpu.vendor = vendor;
    std::error_code error;
    gpu.pci = fs::weakly_canonical(device, error).filename().string();
    const std::string product = first_line(device / "product_name");
    gpu.model = product.empty()
                    ? Known<std::string>{first_line(device / "device"), Method::sysfs, Confidence::low}
                    : Known<std::string>{product, Method::sysfs, Confidence::high};
    for (const char* file : {"mem_info_vram_total", "lmem_total_bytes"})
        if (const auto bytes = number_in(device / file); bytes && !gpu.memory_bytes)
            gpu.memory_bytes = {*bytes, Method::sysfs, Confidence::high};
    if (const auto bytes = number_in(device / "mem_info_gtt_total"))
        gpu.shared_bytes = {*bytes, Method::sysfs, Confidence::high};
    // A carve-out far below what may be mapped: an APU.
    gpu.is_unified =
        gpu.memory_bytes && gpu.shared_bytes && gpu.memory_bytes->value < gpu.shared_bytes->value / 4;
    if (!gpu.memory_bytes && vendor == "Intel")
        if (const auto bytes = largest_window(device / "resource"))
            gpu.memory_bytes = {*bytes, Method::derived, Confidence::medium};
    for (const fs::path& sensor : entries(device / "hwmon", "hwmon")) {
        for (const char* limit : {"power1_cap", "power1_max", "power1_rated_max"})  // amdgpu; i915 and xe
            if (const auto microwatts = number_in(sensor / limit);
                microwatts && *microwatts > 0 && !gpu.power_limit_watts)
                gpu.power_limit_watts = {*microwatts / 1e6, Method::sysfs, Confidence::high};
        gpu.has_energy_counter = gpu.has_energy_counter || number_in(sensor / "energy1_input").has_value();
    }
    if (const auto node = vendor == "AMD" ? take_node(nodes, gpu) : std::nullopt) use_kfd(*node, gpu);
    add_from_table(gpu);
    return gpu;
}

// Cards that only the compute topology shows: containers are often given /dev/kfd and no display nodes.
void add_kfd_alone(const std::vector<KfdNode>& nodes, Hardware& out) {
    for (const KfdNode& node : nodes) {
        if (node.memory_bytes <= 0) continue;
        Gpu gpu;
        gpu.vendor = "AMD";
        gpu.pci = node.pci;
        use_kfd(node, gpu);
        add_from_table(gpu);
        out.gpus.push_back(std::move(gpu));
        out.notes.push_back(node.pci + ": known from the compute topology alone");
    }
}

void read_gpus(const fs::path& root, const std::string& nvml, Hardware& out) {
    bool nvidia_seen = false;
    std::vector<KfdNode> nodes = read_kfd(root);  // those left over at the end have no display node
    for (const fs::path& card : entries(root / "sys/class/drm", "card")) {
        if (!is_digits(card.filename().string().substr(4))) continue;  // card0-HDMI-A-1 is a plug
        const std::string vendor = first_line(card / "device/vendor");
        nvidia_seen = nvidia_seen || vendor == "0x10de";
        if (vendor == "0x1002" || vendor == "0x8086")
            out.gpus.push_back(read_drm(nodes, card / "device", vendor == "0x1002" ? "AMD" : "Intel"));
    }
    add_kfd_alone(nodes, out);
    for (const fs::path& card : entries(root / "proc/driver/nvidia/gpus", "")) nvidia_seen = !card.empty();
    const NvmlReading reading = read_nvml(nvml);
    for (const NvmlCard& card : reading.cards) {
        Gpu gpu;
        gpu.vendor = "NVIDIA";
        gpu.pci = card.pci;
        gpu.model = {card.name, Method::nvml, Confidence::high};
        if (card.memory_bytes) gpu.memory_bytes = {*card.memory_bytes, Method::nvml, Confidence::high};
        if (card.power_limit_watts)
            gpu.power_limit_watts = {*card.power_limit_watts, Method::nvml, Confidence::high};
        gpu.has_energy_counter = card.joules.has_value();
        // A card whose driver gives no memory of its own shares the machine's.
        gpu.is_unified = !card.memory_bytes;
        add_from_table(gpu);
        if (gpu.is_unified &&
            gpu.memory_bytes) {  // some drivers answer with the machine's, or with odd numbers
            out.notes.push_back(fmt::format("{}: its driver's {} of memory are the machine's, shared",
                                            card.name, bytes_text(gpu.memory_bytes->value)));
            gpu.memory_bytes.reset();
        }
        out.gpus.push_back(std::move(gpu));
    }
    if (reading.cards.empty() && nvidia_seen)
        out.notes.push_back("an NVIDIA card is here, and " + reading.why);
}

void read_energy(const fs::path& root, Hardware& out) {
    for (const fs::path& domain : entries(root / "sys/class/powercap", "intel-rapl:")) {
        if (number_in(domain / "energy_uj"))
            out.energy_counters.push_back(first_line(domain / "name"));
        else
            out.notes.push_back(fmt::format("{}: energy_uj cannot be read; an administrator can allow it",
                                            domain.filename().string()));
    }
}

template <class T>
std::string how(const Known<T>& known) {
    return fmt::format(" ({}, {})", name(known.method), name(known.confidence));
}

template <class T>
Json known_json(const std::optional<Known<T>>& known) {
    if (!known) return nullptr;
    return {{"value", known->value},
            {"method", std::string(name(known->method))},
            {"confidence", std::string(name(known->confidence))}};
}

}  // namespace

std::string_view name(Method method) {
    switch (method) {
        case Method::sysfs:
            return "sysfs";
        case Method::nvml:
            return "nvml";
        case Method::table:
            return "table";
        case Method::derived:
            break;
    }
    return "derived";
}
std::string_view name(Confidence confidence) {
    return confidence == Confidence::high ? "high" : confidence == Confidence::medium ? "medium" : "low";
}

Hardware read_hardware(const fs::path& root, const std::string& nvml) {
    Hardware out;
    read_numa(root, out);
    read_caches(root, out);
    read_disks(root, out);
    read_gpus(root, nvml, out);
    read_energy(root, out);
    return out;
}

Result<double> measure_disk_read(const fs::path& file, std::uint64_t bytes_max) {
    constexpr std::size_t kBlock = 8u << 20;
    int fd = ::open(file.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    const bool direct = fd >= 0;
    if (!direct) fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);  // some file systems refuse O_DIRECT
    if (fd < 0) return fail(io_error(file, "cannot open", errno));
    if (!direct) ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    const std::unique_ptr<void, void (*)(void*)> buffer(std::aligned_alloc(4096, kBlock), &std::free);
    std::uint64_t read = 0;
    const auto start = std::chrono::steady_clock::now();
    while (read < bytes_max) {
        const ssize_t n = ::pread(fd, buffer.get(), kBlock, static_cast<off_t>(read));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            const int error = errno;
            ::close(fd);
            return fail(io_error(file, "cannot read", error));
        }
        if (n == 0) break;
        read += static_cast<std::uint64_t>(n);
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ::close(fd);
    if (read == 0) return fail(Fault::usage, "{}: expected a file to read, saw an empty one", file.string());
    return static_cast<double>(read) / seconds;
}

std::string hardware_text(const Hardware& h) {
    Table table({{"also"}, {"seen"}});
    table.add({"NUMA nodes", fmt::format("{}", h.n_numa_nodes)});
    if (h.last_level_cache_bytes > 0) table.add({"last-level cache", bytes_text(h.last_level_cache_bytes)});
    for (const Gpu& gpu : h.gpus) {
        std::string seen = gpu.model.value + how(gpu.model);
        if (gpu.memory_bytes)
            seen += fmt::format(", {}{}", bytes_text(gpu.memory_bytes->value), how(*gpu.memory_bytes));
        if (gpu.is_unified) seen += ", memory shared with the machine";
        if (gpu.read_bytes_per_second)
            seen += fmt::format(", {}/s{}", bytes_text(gpu.read_bytes_per_second->value),
                                how(*gpu.read_bytes_per_second));
        if (gpu.has_energy_counter) seen += ", counts its energy";
        if (gpu.power_limit_watts) seen += fmt::format(", up to {:.0f} W", gpu.power_limit_watts->value);
        table.add({gpu.vendor + " " + gpu.pci, seen});
    }
    if (h.gpus.empty()) table.add({"GPUs", "none"});
    for (const Disk& disk : h.disks)
        table.add({"disk " + disk.device,
                   fmt::format("{}{}{}", bytes_text(disk.bytes), disk.rotates ? ", rotates" : "",
                               disk.model.empty() ? "" : ", " + disk.model)});
    for (const std::string& counter : h.energy_counters) table.add({"energy counter", counter});
    for (const std::string& note : h.notes) table.add({"note", note});
    return table.text();
}

Json hardware_json(const Hardware& h) {
    boost::json::array gpus, disks, notes, counters, numa;
    for (const Gpu& gpu : h.gpus)
        gpus.push_back({{"vendor", gpu.vendor},
                        {"pci", gpu.pci},
                        {"model", known_json(std::optional(gpu.model))},
                        {"memory_bytes", known_json(gpu.memory_bytes)},
                        {"shared_bytes", known_json(gpu.shared_bytes)},
                        {"read_bytes_per_second", known_json(gpu.read_bytes_per_second)},
                        {"power_limit_watts", known_json(gpu.power_limit_watts)},
                        {"energy_counter", gpu.has_energy_counter},
                        {"unified", gpu.is_unified}});
    for (const Disk& disk : h.disks)
        disks.push_back({{"device", disk.device},
                         {"model", disk.model},
                         {"bytes", disk.bytes},
                         {"rotates", disk.rotates}});
    for (const std::string& note : h.notes) notes.emplace_back(note);
    for (const std::string& counter : h.energy_counters) counters.emplace_back(counter);
    for (const double bytes : h.numa_memory_bytes) numa.emplace_back(bytes);
    return {{"numa_nodes", h.n_numa_nodes},
            {"numa_memory_bytes", std::move(numa)},
            {"last_level_cache_bytes", h.last_level_cache_bytes},
            {"gpus", std::move(gpus)},
            {"disks", std::move(disks)},
            {"energy_counters", std::move(counters)},
            {"notes", std::move(notes)}};
}

}  // namespace hearth::plan
