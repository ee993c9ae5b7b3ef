// plan/nvml.cpp - the few calls that a plan needs. Source of the signatures: NVML API reference, nvml.h.
#include "plan/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <memory>

namespace hearth::plan {
namespace {

using Handle = void*;
constexpr int kSuccess = 0;
constexpr unsigned kCardsMax = 256;

struct Memory {
    unsigned long long total, free, used;
};
struct PciInfo {  // nvmlPciInfo_t, version 3
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct Library {
    void* handle = nullptr;
    ~Library() {
        if (handle != nullptr) dlclose(handle);
    }
    template <class Function>
    [[nodiscard]] Function* find(const char* name) const {
        return reinterpret_cast<Function*>(dlsym(handle, name));
    }
};

NvmlCard read_card(const Library& library, Handle card) {
    NvmlCard out;
    char name[96] = {};
    if (auto* get = library.find<int(Handle, char*, unsigned)>("nvmlDeviceGetName");
        get != nullptr && get(card, name, sizeof name - 1) == kSuccess)
        out.name = name;
    PciInfo pci = {};
    if (auto* get = library.find<int(Handle, PciInfo*)>("nvmlDeviceGetPciInfo_v3");
        get != nullptr && get(card, &pci) == kSuccess) {
        pci.bus_id[sizeof pci.bus_id - 1] = '\0';
        out.pci = pci.bus_id;
    }
    Memory memory = {};
    // Success with nothing in it is as good as "not supported".
    if (auto* get = library.find<int(Handle, Memory*)>("nvmlDeviceGetMemoryInfo");
        get != nullptr && get(card, &memory) == kSuccess && memory.total > (1ull << 20) &&
        memory.total < (1ull << 50))
        out.memory_bytes = static_cast<double>(memory.total);
    unsigned milliwatts = 0;
    if (auto* get = library.find<int(Handle, unsigned*)>("nvmlDeviceGetEnforcedPowerLimit");
        get != nullptr && get(card, &milliwatts) == kSuccess)
        out.power_limit_watts = milliwatts / 1e3;
    unsigned long long millijoules = 0;
    if (auto* get = library.find<int(Handle, unsigned long long*)>("nvmlDeviceGetTotalEnergyConsumption");
        get != nullptr && get(card, &millijoules) == kSuccess)
        out.joules = static_cast<double>(millijoules) / 1e3;
    return out;
}

}  // namespace

NvmlReading read_nvml(const std::string& path) {
    NvmlReading out;
    Library library;
    std::vector<std::string> names = {"libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"};
    if (!path.empty()) names = {path};
    for (const std::string& name : names)
        if (library.handle == nullptr) library.handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library.handle == nullptr) {
        out.why = names[0] + " cannot be opened";
        return out;
    }
    auto* init = library.find<int()>("nvmlInit_v2");
    auto* shutdown = library.find<int()>("nvmlShutdown");
    auto* count = library.find<int(unsigned*)>("nvmlDeviceGetCount_v2");
    auto* at = library.find<int(unsigned, Handle*)>("nvmlDeviceGetHandleByIndex_v2");
    if (init == nullptr || count == nullptr || at == nullptr || init() != kSuccess) {
        out.why = "its library does not start";
        return out;
    }
    unsigned n = 0;
    if (count(&n) != kSuccess) n = 0;
    for (unsigned i = 0; i < std::min(n, kCardsMax); ++i) {
        Handle card = nullptr;
        if (at(i, &card) == kSuccess) out.cards.push_back(read_card(library, card));
    }
    if (out.cards.empty()) out.why = "its library names no card";
    if (shutdown != nullptr) shutdown();
    return out;
}

}  // namespace hearth::plan
