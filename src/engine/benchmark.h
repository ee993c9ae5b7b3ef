// engine/benchmark.h - a model's speeds here, beside the ceilings of the same run: prefill by prompt size,
// decode by depth and batch.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/measure.h"

namespace hearth::engine {

struct BenchmarkOptions {
    std::vector<int> prompts = {512, 32};              // tokens of a prompt, each size measured
    std::vector<int> depths = {0};                     // tokens that sequences hold before they decode
    std::vector<int> batches = {1};                    // sequences decoded together; with every depth
    int decode_tokens = 64;                            // of each sequence in one run
    int repeats = 3;                                   // medians of so many runs
    int chunk_tokens = models::kPromptChunk;           // prompt tokens evaluated together
    std::optional<kernels::KvType> kv = std::nullopt;  // as EngineOptions
    std::filesystem::path energy_root = "/";           // whose counters of energy are read
};

// One speed, the median of the runs, and what it took by arithmetic.
struct BenchmarkPoint {
    enum class Phase { prefill, decode } phase = Phase::prefill;
    int tokens = 0;  // of the prompt; or decoded by each sequence in a run
    int depth = 0, batch = 1;
    double tokens_per_second = 0;     // of all sequences together
    double slowest = 0, fastest = 0;  // of the runs
    // Read: weights once (of experts those that are chosen), and the KV of every sequence at mean depth.
    double bytes_per_step = 0;
    double operations_per_token = 0;  // multiplications and additions
    double attention_operations_per_token =
        0;  // of them, over what tokens see: in float32 whatever the weights
    double bytes_per_second = 0, operations_per_second = 0;
    // Of the ceilings measured just before and after each run, whichever was higher; medians over the runs.
    double share_of_bandwidth = 0, share_of_operations = 0;
    // Of the processor and its memory, over all runs; absent where no counter can be read.
    std::optional<double> joules_per_token, watts;
};
std::string_view name(BenchmarkPoint::Phase phase);

struct Benchmark {
    std::vector<BenchmarkPoint> points;         // prompts in order, then depths with each batch
    double weight_bytes = 0;                    // as packed: what one step reads
    double kv_bytes_per_token = 0;              // of one position, as allocated
    int layers = 0;                             // of the model
    std::string_view arithmetic = "f32";        // what most products are made in: "f32", "int8", "bf16"
    Ceilings ceilings;                          // medians of what was measured between the runs
    double slowest_read = 0, fastest_read = 0;  // bandwidth, of those measurements
    std::vector<std::string> energy_counters;   // "package-0", "dram"; empty: none can be read
    [[nodiscard]] const BenchmarkPoint& prefill() const { return points.front(); }  // the first prompt
    [[nodiscard]] const BenchmarkPoint& decode() const;  // the first depth and batch
};

// What an engine needs to run these sizes: context, batch and room for the KV of all sequences.
EngineOptions benchmark_engine_options(const models::Model& model, const BenchmarkOptions& options);

// Sizes are cut to the engine's context and batch. Errors: as Engine::submit and step, no_memory.
Result<Benchmark> benchmark(Engine& engine, const BenchmarkOptions& options);

}  // namespace hearth::engine
