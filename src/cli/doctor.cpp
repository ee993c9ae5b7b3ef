// cli/doctor.cpp - hearth doctor: what this machine has, what was measured, which kernels will run.
#include <boost/json.hpp>

#include "base/machine.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "engine/measure.h"
#include "kernels/select.h"
#include "plan/devices.h"
#include "plan/hardware.h"

namespace hearth::cli {
namespace {

struct Options {
    bool devices = false;
    std::string disk;
};

constexpr std::uint64_t kDiskBytesMax = std::uint64_t{2} << 30;

// The table that plans can name.
Result<int> list_devices(const GlobalOptions& global) {
    using enum Table::Align;
    Table table(
        {{"device"}, {"memory", right}, {"reads", right}, {"FP16", right}, {"watts", right}, {"sure"}});
    boost::json::array rows;
    for (const plan::Device& d : plan::devices()) {
        table.add({d.name, bytes_text(d.memory_bytes), bytes_text(d.read_bytes_per_second) + "/s",
                   d.flops > 0 ? fmt::format("{:.0f} TFLOP/s", d.flops / 1e12) : "-",
                   fmt::format("{:.0f}", d.load_watts), d.confidence});
        rows.push_back({{"name", d.name},
                        {"memory_bytes", d.memory_bytes},
                        {"read_bytes_per_second", d.read_bytes_per_second},
                        {"flops", d.flops},
                        {"load_watts", d.load_watts},
                        {"idle_watts", d.idle_watts},
                        {"price", d.price},
                        {"source", d.source},
                        {"confidence", d.confidence}});
    }
    HEARTH_TRY_STATUS(global.json ? print_json(rows) : print(table.text()));
    return 0;
}

Result<int> run(const Options& options, const GlobalOptions& global) {
    if (options.devices) return list_devices(global);
    const plan::Hardware hardware = plan::read_hardware();
    std::optional<double> disk_rate;
    if (!options.disk.empty()) {
        HEARTH_TRY(disk_rate, plan::measure_disk_read(options.disk, kDiskBytesMax));
    }
    const Machine machine = read_machine();
    ThreadPool pool({.threads = global.threads});
    // A small machine must not be asked for half a gigabyte to measure itself.
    const std::uint64_t buffer =
        std::min<std::uint64_t>(std::uint64_t{512} << 20, machine.memory_available_bytes / 4);
    HEARTH_TRY(const engine::Ceilings ceilings, engine::measure_ceilings(pool, buffer));
    std::string runnable;
    for (const auto* table : kernels::runnable())
        runnable += (runnable.empty() ? "" : " ") + std::string(table->isa);
    if (global.json) {
        boost::json::array flags;
        for (const auto& flag : machine.cpu_flags) flags.emplace_back(flag);
        HEARTH_TRY_STATUS(
            print_json({{"cpu", machine.cpu_name},
                        {"cpu_flags", flags},
                        {"cores_online", machine.cores_online},
                        {"cores_usable", machine.cores_usable},
                        {"threads", pool.size()},
                        {"memory_bytes", machine.memory_bytes},
                        {"memory_limit_bytes", machine.memory_limit_bytes},
                        {"memory_available_bytes", machine.memory_available_bytes},
                        {"kernels", std::string(kernels::best().isa)},
                        {"kernels_runnable", runnable},
                        {"read_bytes_per_second", ceilings.read_bytes_per_second},
                        {"flops_per_second", ceilings.flops_per_second},
                        {"int8_ops_per_second", ceilings.int8_ops_per_second},
                        {"bf16_flops_per_second", ceilings.bf16_flops_per_second},
                        {"disk_read_bytes_per_second", disk_rate ? Json(*disk_rate) : Json(nullptr)},
                        {"hardware", plan::hardware_json(hardware)}}));
        return 0;
    }
    std::string flags;
    for (const auto& flag : machine.cpu_flags) flags += (flags.empty() ? "" : " ") + flag;
    Table table({{"what"}, {"seen"}});
    table.add({"processor", machine.cpu_name.empty() ? "unknown" : machine.cpu_name});
    table.add({"features", flags});
    table.add({"cores", fmt::format("{} online, {} usable by this process", machine.cores_online,
                                    machine.cores_usable)});
    table.add({"memory", fmt::format("{} in all, {} allowed, {} available",
                                     bytes_text(static_cast<double>(machine.memory_bytes)),
                                     bytes_text(static_cast<double>(machine.memory_limit_bytes)),
                                     bytes_text(static_cast<double>(machine.memory_available_bytes)))});
    table.add(
        {"kernels", fmt::format("{} (can run: {}; HEARTH_CPU forces one)", kernels::best().isa, runnable)});
    table.add({"read bandwidth", fmt::format("{}/s measured with {} threads",
                                             bytes_text(ceilings.read_bytes_per_second), ceilings.threads)});
    table.add({"multiply-add", fmt::format("{:.0f} GFLOP/s measured, float32, {} threads",
                                           ceilings.flops_per_second / 1e9, ceilings.threads)});
    if (ceilings.int8_ops_per_second > 0)
        table.add(
            {"8-bit products", fmt::format("{:.0f} GOP/s measured", ceilings.int8_ops_per_second / 1e9)});
    if (disk_rate)
        table.add({"disk", fmt::format("{}/s measured, {}", bytes_text(*disk_rate), options.disk)});
    HEARTH_TRY_STATUS(print(table.text() + "\n" + plan::hardware_text(hardware)));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_flag("--devices", options->devices, "list the devices that `hearth plan --on` knows");
    app.add_option("--disk", options->disk, "measure how fast this file's disk reads (up to 2 GiB of it)");
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kDoctor = {
    "doctor", "what this machine has: CPU features, memory, measured speeds, chosen kernels", setup};

}  // namespace hearth::cli
