// plan/scenario.cpp - one function a table.
#include "plan/scenario.h"

#include "base/file.h"
#include "kernels/kv_type.h"
#include "plan/toml_table.h"

namespace hearth::plan {
namespace {

constexpr double kGbMax = 1e6, kWattsMax = 1e5;
constexpr double kNodesMax = 1024, kDevicesMax = 1024;

// A device of the table, of which fields may differ, or one that the file describes.
Result<DeviceGroup> read_device(const TomlTable& t) {
    DeviceGroup group;
    Device& d = group.device;
    HEARTH_TRY(const std::string name, t.text("name"));
    HEARTH_TRY(const double count, t.number_or("count", 1, 1, kDevicesMax));
    group.n = static_cast<int>(count);
    const auto known = find_device(name);
    const bool described = t.has("bandwidth_gbs") && (t.has("vram_gb") || t.has("kind"));
    if (known)
        d = *known;
    else if (!described)
        return t.fault("name",
                       known.error().message + ", or a device described by kind, vram_gb and bandwidth_gbs");
    else
        d.name = name;
    HEARTH_TRY(d.memory_bytes, t.number_or("vram_gb", d.memory_bytes / 0x1p30, 0, kGbMax));
    d.memory_bytes *= 0x1p30;
    HEARTH_TRY(d.read_bytes_per_second,
               t.number_or("bandwidth_gbs", d.read_bytes_per_second / 1e9, 1e-3, kGbMax));
    d.read_bytes_per_second *= 1e9;
    HEARTH_TRY(d.flops, t.number_or("tflops", d.flops / 1e12, 0, 1e6));
    d.flops *= 1e12;
    HEARTH_TRY(d.load_watts, t.number_or("load_watts", d.load_watts, 0, kWattsMax));
    HEARTH_TRY(const std::string kind, t.text_or("kind", ""));
    HEARTH_TRY(const std::string maker, t.text_or("maker", ""));
    if (!kind.empty() && kind != "gpu" && kind != "cpu" && kind != "unified")
        return t.fault("kind", fmt::format("expected gpu, cpu or unified, saw \"{}\"", kind));
    if (!kind.empty()) d.kind = kind == "unified" ? "soc" : kind == "gpu" ? "consumer" : kind;
    if (kind == "unified") d.memory = "LPDDR5X";
    if (!maker.empty()) {
        struct Row {
            std::string_view name;
            Maker maker;
        };
        constexpr Row kMakers[] = {{"nvidia", Maker::nvidia},
                                   {"amd", Maker::amd},
                                   {"apple", Maker::apple},
                                   {"intel", Maker::intel},
                                   {"other", Maker::other}};
        const Row* row = std::find_if(std::begin(kMakers), std::end(kMakers),
                                      [&](const Row& r) { return r.name == maker; });
        if (row == std::end(kMakers))
            return t.fault("maker",
                           fmt::format("expected nvidia, amd, apple, intel or other, saw \"{}\"", maker));
        d.maker = row->maker;
    }
    HEARTH_TRY_STATUS(t.finish());
    return group;
}

Status read_nodes(const TomlTable& file, OutlookRequest& request) {
    HEARTH_TRY(const auto nodes, file.tables("node"));
    if (nodes.empty()) return {};
    request.devices.clear();
    request.nodes = 0;
    double ram = 0;
    for (const TomlTable& t : nodes) {
        HEARTH_TRY(const double count, t.number_or("count", 1, 1, kNodesMax));
        HEARTH_TRY(const std::string on, t.text("devices"));
        HEARTH_TRY(const double ram_gb, t.number_or("ram_gb", 0, 0, kGbMax));
        if (const auto name = t.text_or("name", ""); !name) return fail(name.error());
        const auto groups = parse_devices(on);
        if (!groups) return t.fault("devices", groups.error().message);
        for (DeviceGroup group : *groups) {
            group.n *= static_cast<int>(count);
            if (group.n > kDevicesMax) return t.fault("count", "expected at most 1024 devices in all");
            request.devices.push_back(std::move(group));
        }
        HEARTH_TRY_STATUS(t.finish());
        request.nodes += static_cast<int>(count);
        ram += count * ram_gb * 1e9;
    }
    request.host_bytes = ram / request.nodes;
    if (!file.has("network")) return {};
    HEARTH_TRY(const TomlTable network, file.table("network"));
    HEARTH_TRY(const double gbits, network.number("gbits", 1e-3, 1e5));
    HEARTH_TRY(const double latency, network.number_or("latency_us", 50, 0, 1e6));
    HEARTH_TRY_STATUS(network.finish());
    request.link_bytes_per_second = gbits * 1e9 / 8;
    request.link_seconds = latency * 1e-6;
    return {};
}

Status read_all(const TomlTable& t, const fs::path& folder, Scenario& out) {
    OutlookRequest& r = out.request;
    HEARTH_TRY(out.title, t.text_or("title", ""));
    HEARTH_TRY(const std::string model, t.text("model"));
    HEARTH_TRY(const std::string type, t.text_or("type", ""));
    HEARTH_TRY(const double context, t.number_or("context", 0, 0, 1 << 26));
    HEARTH_TRY(const double sequences, t.number_or("sequences", 1, 1, 4096));
    HEARTH_TRY(const std::string kv, t.text_or("kv", "bf16"));
    HEARTH_TRY(r.tensor_parallel, t.flag_or("tensor_parallel", false));
    const bool is_path =
        model.find('/') != std::string::npos || model.ends_with(".json") || model.ends_with(".gguf");
    auto shape = find_shape(is_path ? (folder / model).string() : model);
    if (!shape) return t.fault("model", shape.error().message);
    r.shape = std::move(*shape);
    if (!type.empty()) {
        const auto found = find_weight_type(type);
        if (!found) return t.fault("type", found.error().message);
        r.type = *found;
    }
    r.use.context = static_cast<std::int64_t>(context);
    r.use.sequences = static_cast<int>(sequences);
    const auto kv_type = kernels::kv_type_named(kv);
    if (!kv_type) return t.fault("kv", fmt::format("expected f32, bf16, fp8 or q8, saw \"{}\"", kv));
    r.use.kv = *kv_type;
    HEARTH_TRY(const auto devices, t.tables("device"));
    for (const TomlTable& device : devices) {
        HEARTH_TRY(DeviceGroup group, read_device(device));
        r.devices.push_back(std::move(group));
    }
    if (t.has("node") && !devices.empty())
        return t.fault("node", "expected either [[device]] or [[node]], saw both");
    HEARTH_TRY_STATUS(read_nodes(t, r));
    if (t.has("node") && t.has("ram_gb")) return t.fault("ram_gb", "expected it in each [[node]]");
    if (r.devices.empty()) return t.fault("device", "expected tables [[device]] or [[node]], saw none");
    HEARTH_TRY(const double ram, t.number_or("ram_gb", r.host_bytes / 1e9, 0, kGbMax));
    HEARTH_TRY(const double speed,
               t.number_or("ram_bandwidth_gbs", r.host_read_bytes_per_second / 1e9, 1e-3, kGbMax));
    HEARTH_TRY(const double disk, t.number_or("disk_gbs", 0, 0, kGbMax));
    r.host_bytes = ram * 1e9;
    r.host_read_bytes_per_second = speed * 1e9;
    r.disk_read_bytes_per_second = disk * 1e9;
    return t.finish();
}

}  // namespace

Result<Scenario> scenario_of(std::string_view text, const std::filesystem::path& path) {
    Scenario out;
    HEARTH_TRY_STATUS(read_toml(text, path.string(), [&](const TomlTable& table) {
        return read_all(table, path.parent_path(), out);
    }));
    return out;
}

Result<Scenario> read_scenario(const std::filesystem::path& path) {
    HEARTH_TRY(const std::string text, read_text(path, std::uint64_t{1} << 20));
    return scenario_of(text, path);
}

Status read_cluster(const std::filesystem::path& path, OutlookRequest& request) {
    HEARTH_TRY(const std::string text, read_text(path, std::uint64_t{1} << 20));
    return read_toml(text, path.string(), [&](const TomlTable& table) -> Status {
        if (const auto title = table.text_or("title", ""); !title) return fail(title.error());
        if (!table.has("node")) return table.fault("node", "expected tables [[node]], saw none");
        HEARTH_TRY_STATUS(read_nodes(table, request));
        return table.finish();
    });
}

void override_hardware(const HardwareOverrides& o, OutlookRequest& request) {
    for (DeviceGroup& group : request.devices) {
        Device& d = group.device;
        if (o.vram_gb) d.memory_bytes = *o.vram_gb * 0x1p30;
        if (o.bandwidth_gbs) d.read_bytes_per_second = *o.bandwidth_gbs * 1e9;
        if (o.tflops) d.flops = *o.tflops * 1e12;
        if (o.load_watts) d.load_watts = *o.load_watts;
    }
    if (o.ram_gb) request.host_bytes = *o.ram_gb * 1e9;
    if (o.ram_bandwidth_gbs) request.host_read_bytes_per_second = *o.ram_bandwidth_gbs * 1e9;
    if (o.disk_gbs) request.disk_read_bytes_per_second = *o.disk_gbs * 1e9;
}

}  // namespace hearth::plan
