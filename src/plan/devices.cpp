// plan/devices.cpp - the table is text in the program, read once.
#include "plan/devices.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "plan/csv.h"

namespace hearth::plan {
namespace {

constexpr std::string_view kTable =
#include "plan/tables/devices.inc"
    ;
constexpr int kDevicesMax = 1024;  // of one kind in a plan

std::vector<Device> read_table() {
    const auto table = CsvTable::parse(kTable, "devices.inc");
    HEARTH_CHECK(table.has_value(), "the table in the program is well-formed");
    std::vector<Device> out;
    for (std::size_t i = 0; i < table->n_rows(); ++i) {
        const auto text = [&](std::string_view column) { return std::string(table->cell(i, column)); };
        const auto number = [&](std::string_view column) {
            const auto value = table->number(i, column);
            HEARTH_CHECK(value.has_value(), "the table in the program holds numbers");
            return value->value_or(0);
        };
        Device d;
        d.name = text("device");
        const std::string maker = text("vendor");
        d.maker = maker == "NVIDIA"  ? Maker::nvidia
                  : maker == "AMD"   ? Maker::amd
                  : maker == "Apple" ? Maker::apple
                  : maker == "Intel" ? Maker::intel
                                     : Maker::other;
        d.kind = text("class");
        d.memory = text("mem_type");
        d.chip = text("arch");
        d.memory_bytes = number("mem_gb") * 0x1p30;  // modules are powers of two
        d.read_bytes_per_second = number("bw_gbs") * 1e9;
        d.flops = number("fp16_tflops_fp32acc") * 1e12;
        d.load_watts = number("tdp_w");
        d.idle_watts = number("idle_w_typ");
        d.link = text("link");
        d.price = text("street_usd_2026");
        d.source = text("spec_source");
        d.confidence = text("confidence");
        out.push_back(std::move(d));
    }
    return out;
}

// Lower case, letters and digits alone.
std::string plain(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
    }
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

}  // namespace

bool Device::is_recent_nvidia() const {
    if (maker != Maker::nvidia) return false;
    for (const char* family : {"GB20", "AD10", "Blackwell"})
        if (chip.find(family) != std::string::npos) return true;
    return false;
}

std::span<const Device> devices() {
    static const std::vector<Device> table = read_table();
    return table;
}

Result<Device> find_device(std::string_view name) {
    const std::string wanted = plain(name);
    if (wanted.empty()) return fail(Fault::usage, "expected the name of a device, saw \"{}\"", name);
    std::vector<const Device*> part;
    for (const Device& device : devices()) {
        const std::string own = plain(device.name);
        if (own == wanted) return device;
        if (own.find(wanted) != std::string::npos) part.push_back(&device);
    }
    if (part.size() == 1) return *part[0];
    std::string near;
    for (const Device* device : part) near += (near.empty() ? "" : ", ") + device->name;
    // Nothing holds the name: those that share its last word's digits may be meant.
    if (part.empty())
        for (const Device& device : devices()) {
            const std::string own = plain(device.name);
            const std::string digits = wanted.substr(wanted.find_first_of("0123456789") == std::string::npos
                                                         ? 0
                                                         : wanted.find_first_of("0123456789"));
            if (!digits.empty() && own.find(digits.substr(0, 2)) != std::string::npos && near.size() < 200)
                near += (near.empty() ? "" : ", ") + device.name;
        }
    return fail(Fault::not_found,
                "device \"{}\": expected one of the table (hearth doctor --devices), saw {}{}",
                name.substr(0, 80), part.empty() ? "none" : "several",
                near.empty() ? "" : "; did you mean " + near + "?");
}

const Device* device_of_driver(std::string_view name) {
    std::string wanted = plain(name);
    for (const std::string_view word : {"nvidia", "geforce", "amd", "instinct", "intel", "graphics"})
        if (const std::size_t at = wanted.find(word); at != std::string::npos) wanted.erase(at, word.size());
    if (wanted.size() < 4) return nullptr;
    if (wanted == "gb10") wanted = "dgxsparkgb10";  // what the driver calls the chip, and people the box
    if (wanted == "thor") wanted = "jetsonagxthor";
    for (const Device& device : devices()) {
        const std::string own = plain(device.name);
        if (own == wanted) return &device;
        // The table may add how much memory: "MI100 32GB".
        if (own.starts_with(wanted) && own.ends_with("gb") &&
            own.find_first_not_of("0123456789", wanted.size()) == own.size() - 2)
            return &device;
    }
    return nullptr;
}

Result<std::vector<DeviceGroup>> parse_devices(std::string_view text) {
    std::vector<DeviceGroup> out;
    while (!text.empty()) {
        const std::size_t plus = text.find('+');
        std::string_view part = trimmed(text.substr(0, plus));
        text = plus == std::string_view::npos ? std::string_view() : text.substr(plus + 1);
        DeviceGroup group;
        int n = 0;
        const auto parsed = std::from_chars(part.data(), part.data() + part.size(), n);
        const auto used = static_cast<std::size_t>(parsed.ptr - part.data());
        if (parsed.ec == std::errc() && used < part.size() && part[used] == 'x') {
            if (n < 1 || n > kDevicesMax)
                return fail(Fault::usage, "{}: expected 1 to {} devices, saw {}", part, kDevicesMax, n);
            group.n = n;
            part = trimmed(part.substr(used + 1));
        }
        HEARTH_TRY(group.device, find_device(part));
        out.push_back(std::move(group));
    }
    if (out.empty())
        return fail(Fault::usage, "expected devices as \"RTX 5090\" or \"4x MI100\", saw nothing");
    return out;
}

}  // namespace hearth::plan
