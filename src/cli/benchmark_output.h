// cli/benchmark_output.h - one benchmark as a table and as JSON, for bench and up.
#pragma once

#include <string>

#include "base/json.h"
#include "engine/benchmark.h"

namespace hearth::cli {

std::string benchmark_text(const engine::Benchmark& benchmark);
Json benchmark_json(const engine::Benchmark& benchmark, const std::string& model, const std::string& kernels);

}  // namespace hearth::cli
