// cli/benchmark_output.cpp - speeds beside their ceilings.
#include "cli/benchmark_output.h"

#include <boost/json.hpp>

#include "base/terminal.h"

namespace hearth::cli {

std::string benchmark_text(const engine::Benchmark& b) {
    using enum Table::Align;
    Table table({{"phase"},
                 {"tokens", right},
                 {"tokens/s", right},
                 {"reached", right},
                 {"ceiling here", right},
                 {"share", right}});
    table.add({"prefill", fmt::format("{}", b.prompt_tokens),
               fmt::format("{:.0f}", b.prefill_tokens_per_second),
               fmt::format("{:.1f} GFLOP/s", b.prefill_flops_per_second / 1e9),
               fmt::format("{:.1f} GFLOP/s", b.ceilings.flops_per_second / 1e9),
               fmt::format("{:.0f} %", 100 * b.prefill_share())});
    table.add({"decode", fmt::format("{}", b.decode_tokens),
               fmt::format("{:.0f}", b.decode_tokens_per_second),
               fmt::format("{:.1f} GB/s", b.decode_bytes_per_second / 1e9),
               fmt::format("{:.1f} GB/s", b.ceilings.read_bytes_per_second / 1e9),
               fmt::format("{:.0f} %", 100 * b.decode_share())});
    std::string out = table.text();
    out += fmt::format(
        "\nA decoded token reads {} of weights and {} of KV, and takes {:.3g} operations; {} threads.\n",
        bytes_text(b.weight_bytes_per_token), bytes_text(b.kv_bytes_per_token), b.flops_per_token,
        b.ceilings.threads);
    // A model inside the caches decodes faster than memory reads: the share says so instead of hiding it.
    if (b.decode_share() > 1)
        out += "The weights fit in the processor's caches, so decode is not bound by memory here.\n";
    return out;
}

Json benchmark_json(const engine::Benchmark& b, const std::string& model, const std::string& kernels) {
    return {{"model", model},
            {"kernels", kernels},
            {"threads", b.ceilings.threads},
            {"prompt_tokens", b.prompt_tokens},
            {"decode_tokens", b.decode_tokens},
            {"prefill_tokens_per_second", b.prefill_tokens_per_second},
            {"decode_tokens_per_second", b.decode_tokens_per_second},
            {"weight_bytes_per_token", b.weight_bytes_per_token},
            {"kv_bytes_per_token", b.kv_bytes_per_token},
            {"flops_per_token", b.flops_per_token},
            {"decode_bytes_per_second", b.decode_bytes_per_second},
            {"prefill_flops_per_second", b.prefill_flops_per_second},
            {"ceiling_read_bytes_per_second", b.ceilings.read_bytes_per_second},
            {"ceiling_flops_per_second", b.ceilings.flops_per_second},
            {"decode_share_of_bandwidth", b.decode_share()},
            {"prefill_share_of_flops", b.prefill_share()}};
}

}  // namespace hearth::cli
