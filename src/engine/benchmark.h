// engine/benchmark.h - a model's speeds here, beside the ceilings of the same run: prefill and decode.
#pragma once

#include "engine/engine.h"
#include "engine/measure.h"

namespace hearth::engine {

struct BenchmarkOptions {
    int prompt_tokens = 512;
    int decode_tokens = 64;
    int repeats = 3;  // medians of so many
};

struct Benchmark {
    int prompt_tokens = 0, decode_tokens = 0;
    double prefill_tokens_per_second = 0, decode_tokens_per_second = 0;
    double weight_bytes_per_token = 0,
           kv_bytes_per_token = 0;  // what decoding one token reads, KV at mean depth
    double flops_per_token = 0;     // two a weight
    double decode_bytes_per_second = 0, prefill_flops_per_second = 0;
    Ceilings ceilings;
    [[nodiscard]] double decode_share() const {
        return decode_bytes_per_second / ceilings.read_bytes_per_second;
    }
    [[nodiscard]] double prefill_share() const {
        return prefill_flops_per_second / ceilings.flops_per_second;
    }
};

// Sizes are cut to the context. Errors: as Engine::score, no_memory.
Result<Benchmark> benchmark(Engine& engine, BenchmarkOptions options);

}  // namespace hearth::engine
