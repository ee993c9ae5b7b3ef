// cli/benchmark_output.cpp - speeds beside their ceilings, and beside those of an earlier run.
#include "cli/benchmark_output.h"

#include <fmt/ranges.h>

#include <boost/json.hpp>

#include "base/terminal.h"

namespace hearth::cli {
namespace {

using engine::Benchmark;
using engine::BenchmarkPoint;
using Phase = BenchmarkPoint::Phase;

std::string sizes_text(const BenchmarkPoint& point) {
    if (point.phase == Phase::prefill) return fmt::format("prompt {}", point.tokens);
    return fmt::format("depth {}, batch {}", point.depth, point.batch);
}

std::string speed_text(double tokens_per_second) {
    return tokens_per_second < 100 ? fmt::format("{:.1f}", tokens_per_second)
                                   : fmt::format("{:.0f}", tokens_per_second);
}

Json point_json(const BenchmarkPoint& point) {
    return {{"phase", std::string(name(point.phase))},
            {"tokens", point.tokens},
            {"depth", point.depth},
            {"batch", point.batch},
            {"tokens_per_second", point.tokens_per_second},
            {"slowest", point.slowest},
            {"fastest", point.fastest},
            {"bytes_per_step", point.bytes_per_step},
            {"operations_per_token", point.operations_per_token},
            {"attention_operations_per_token", point.attention_operations_per_token},
            {"bytes_per_second", point.bytes_per_second},
            {"operations_per_second", point.operations_per_second},
            {"joules_per_token", point.joules_per_token ? Json(*point.joules_per_token) : Json(nullptr)},
            {"watts", point.watts ? Json(*point.watts) : Json(nullptr)},
            {"share_of_bandwidth", point.share_of_bandwidth},
            {"share_of_operations", point.share_of_operations}};
}

}  // namespace

std::string benchmark_text(const Benchmark& b) {
    using enum Table::Align;
    Table table({{"phase"},
                 {"sizes"},
                 {"tokens/s", right},
                 {"of the runs", right},
                 {"GB/s", right},
                 {"share", right},
                 {"GOP/s", right},
                 {"share", right}});
    bool in_cache = false;
    for (const BenchmarkPoint& point : b.points) {
        in_cache = in_cache || (point.phase == Phase::decode && point.share_of_bandwidth > 1.1);
        table.add({std::string(name(point.phase)), sizes_text(point), speed_text(point.tokens_per_second),
                   speed_text(point.slowest) + " to " + speed_text(point.fastest),
                   fmt::format("{:.1f}", point.bytes_per_second / 1e9),
                   fmt::format("{:.0f} %", 100 * point.share_of_bandwidth),
                   fmt::format("{:.0f}", point.operations_per_second / 1e9),
                   fmt::format("{:.0f} %", 100 * point.share_of_operations)});
    }
    std::string out = table.text();
    out += fmt::format(
        "\nCeilings between the runs, {} threads: memory reads {:.1f} GB/s ({:.1f} to {:.1f}); float32 "
        "{:.0f} GFLOP/s",
        b.ceilings.threads, b.ceilings.read_bytes_per_second / 1e9, b.slowest_read / 1e9,
        b.fastest_read / 1e9, b.ceilings.flops_per_second / 1e9);
    if (b.ceilings.int8_ops_per_second > 0)
        out += fmt::format("; int8 {:.0f} GOP/s", b.ceilings.int8_ops_per_second / 1e9);
    if (b.ceilings.bf16_flops_per_second > 0)
        out += fmt::format("; BF16 {:.0f} GFLOP/s", b.ceilings.bf16_flops_per_second / 1e9);
    out += fmt::format(
        ".\nShares are of the ceilings beside each run, of operations the {} rate. A step reads {} of "
        "weights and {} of KV a position.\n",
        b.arithmetic, bytes_text(b.weight_bytes), bytes_text(b.kv_bytes_per_token));
    for (const BenchmarkPoint& point : b.points)
        if (point.joules_per_token)
            out += fmt::format("{}, {}: {:.3g} J a token, {:.3g} W\n", name(point.phase), sizes_text(point),
                               *point.joules_per_token, *point.watts);
    if (!b.energy_counters.empty())
        out += fmt::format("Energy by the counters {}: without supply, fans and disks.\n",
                           fmt::join(b.energy_counters, ", "));
    // A model inside the caches decodes faster than memory reads: the share says so instead of hiding it.
    if (in_cache)
        out += "The weights fit in the processor's caches, so decode is not bound by memory here.\n";
    return out;
}

Json benchmark_json(const Benchmark& b, const std::string& model, const std::string& kernels) {
    boost::json::array points;
    for (const BenchmarkPoint& point : b.points) points.push_back(point_json(point));
    return {{"model", model},
            {"kernels", kernels},
            {"threads", b.ceilings.threads},
            {"prefill_tokens_per_second", b.prefill().tokens_per_second},
            {"decode_tokens_per_second", b.decode().tokens_per_second},
            {"weight_bytes", b.weight_bytes},
            {"kv_bytes_per_token", b.kv_bytes_per_token},
            {"layers", b.layers},
            {"arithmetic", std::string(b.arithmetic)},
            {"energy_counters", boost::json::value_from(b.energy_counters)},
            {"ceilings",
             {{"read_bytes_per_second", b.ceilings.read_bytes_per_second},
              {"slowest_read", b.slowest_read},
              {"fastest_read", b.fastest_read},
              {"flops_per_second", b.ceilings.flops_per_second},
              {"int8_ops_per_second", b.ceilings.int8_ops_per_second},
              {"bf16_flops_per_second", b.ceilings.bf16_flops_per_second}}},
            {"points", std::move(points)}};
}

Result<std::vector<Comparison>> compare(const Benchmark& now, const Json& earlier, const std::string& where) {
    const JsonCursor file(earlier, where);
    HEARTH_TRY(const JsonCursor points, file.at("points"));
    HEARTH_TRY(const std::size_t n, points.array_size());
    std::vector<Comparison> out;
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor row, points.at(i));
        HEARTH_TRY(const std::string phase, row.string_or("phase", ""));
        HEARTH_TRY(const std::int64_t tokens, row.integer_or("tokens", 0, 0, INT32_MAX));
        HEARTH_TRY(const std::int64_t depth, row.integer_or("depth", 0, 0, INT32_MAX));
        HEARTH_TRY(const std::int64_t batch, row.integer_or("batch", 1, 1, INT32_MAX));
        HEARTH_TRY(const double speed, row.number_or("tokens_per_second", 0));
        HEARTH_TRY(const double slowest, row.number_or("slowest", speed));
        HEARTH_TRY(const double fastest, row.number_or("fastest", speed));
        if (!(speed > 0 && slowest > 0 && fastest > 0))
            return fail(Fault::corrupt, "{}: expected speeds above 0, saw {}", row.where(), speed);
        for (const BenchmarkPoint& point : now.points) {
            // A run of more or fewer decoded tokens is the same measurement; a longer prompt is not.
            const bool alike = point.phase == Phase::decode || point.tokens == tokens;
            if (name(point.phase) == phase && alike && point.depth == depth && point.batch == batch)
                out.push_back({point, speed, slowest, fastest});
        }
    }
    if (out.empty())
        return fail(Fault::usage, "{}: expected a point of the same sizes, saw none among {}", where, n);
    return out;
}

std::string comparison_text(const std::vector<Comparison>& comparisons) {
    using enum Table::Align;
    Table table({{"phase"}, {"sizes"}, {"before", right}, {"now", right}, {"ratio", right}, {""}});
    for (const Comparison& c : comparisons)
        table.add({std::string(name(c.now.phase)), sizes_text(c.now), speed_text(c.before),
                   speed_text(c.now.tokens_per_second), fmt::format("{:.3f}", c.ratio()),
                   !c.differs()    ? "within the runs' spread"
                   : c.ratio() > 1 ? "faster"
                                   : "slower"});
    return table.text();
}

Json comparison_json(const std::vector<Comparison>& comparisons) {
    boost::json::array out;
    for (const Comparison& c : comparisons)
        out.push_back({{"phase", std::string(name(c.now.phase))},
                       {"tokens", c.now.tokens},
                       {"depth", c.now.depth},
                       {"batch", c.now.batch},
                       {"before", c.before},
                       {"now", c.now.tokens_per_second},
                       {"ratio", c.ratio()},
                       {"differs", c.differs()}});
    return out;
}

}  // namespace hearth::cli
