// cli/benchmark_output.h - a benchmark as a table and as JSON, and beside an earlier one.
#pragma once

#include <string>

#include "base/json.h"
#include "engine/benchmark.h"

namespace hearth::cli {

std::string benchmark_text(const engine::Benchmark& benchmark);
Json benchmark_json(const engine::Benchmark& benchmark, const std::string& model, const std::string& kernels);

// One point beside the same point of an earlier run.
struct Comparison {
    engine::BenchmarkPoint now;
    double before = 0, before_slowest = 0, before_fastest = 0;  // tokens per second
    [[nodiscard]] double ratio() const { return now.tokens_per_second / before; }
    // The runs of one lie wholly beyond those of the other: more than either's own spread.
    [[nodiscard]] bool differs() const {
        return now.slowest > before_fastest || now.fastest < before_slowest;
    }
};
// Points that both have (phase, sizes and batch alike). `earlier`: what benchmark_json gave. Errors: corrupt,
// with the place; usage when nothing is alike.
Result<std::vector<Comparison>> compare(const engine::Benchmark& now, const Json& earlier,
                                        const std::string& where);
std::string comparison_text(const std::vector<Comparison>& comparisons);
Json comparison_json(const std::vector<Comparison>& comparisons);

}  // namespace hearth::cli
