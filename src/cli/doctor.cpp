// cli/doctor.cpp - hearth doctor: what this machine has, what was measured, which kernels will run.
#include <boost/json.hpp>

#include "base/machine.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "engine/measure.h"
#include "kernels/select.h"

namespace hearth::cli {
namespace {

Result<int> run(const GlobalOptions& global) {
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
        HEARTH_TRY_STATUS(print_json({{"cpu", machine.cpu_name},
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
                                      {"flops_per_second", ceilings.flops_per_second}}));
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
    HEARTH_TRY_STATUS(print(table.text()));
    return 0;
}

Action setup(CLI::App&, const GlobalOptions& global) {
    return [&global] { return run(global); };
}

}  // namespace

const Command kDoctor = {
    "doctor", "what this machine has: CPU features, memory, measured speeds, chosen kernels", setup};

}  // namespace hearth::cli
