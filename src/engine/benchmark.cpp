// engine/benchmark.cpp - times Engine::score: one prompt in chunks, then tokens one by one.
#include "engine/benchmark.h"

#include <algorithm>
#include <chrono>

#include "base/rng.h"
#include "models/model.h"

namespace hearth::engine {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                     values.end());
    return values[values.size() / 2];
}

double weights_multiplied(const models::Model& model) {
    double n = 0;
    for (const auto& tensor : model.tensors)
        n += static_cast<double>(tensor.matrix.rows * tensor.matrix.cols);
    return n;
}

}  // namespace

Result<Benchmark> benchmark(Engine& engine, BenchmarkOptions options) {
    const models::Model& model = engine.model();
    const int context = engine.options().context_max;
    Benchmark out;
    out.decode_tokens = std::clamp(options.decode_tokens, 1, std::max(1, context / 2));
    out.prompt_tokens = std::clamp(options.prompt_tokens, 1, std::max(1, context - out.decode_tokens));
    ThreadPool pool({.threads = engine.options().threads});
    HEARTH_TRY(out.ceilings, measure_ceilings(pool));
    Philox random(1);
    std::vector<int> ids(static_cast<std::size_t>(out.prompt_tokens + out.decode_tokens));
    for (int& id : ids) id = static_cast<int>(random.below(static_cast<std::uint64_t>(model.config().vocab)));
    std::vector<double> prefill, decode;
    for (int run = 0; run < std::max(1, options.repeats); ++run) {
        const auto start = Clock::now();
        Clock::time_point prompt_done = start, done = start;
        const auto sink = [&](std::int64_t position, std::span<const float>) {
            done = Clock::now();
            if (position == out.prompt_tokens - 1) prompt_done = done;
        };
        HEARTH_TRY_STATUS(engine.score(
            ids, sink, {.first_position = out.prompt_tokens - 1, .prefill_tokens = out.prompt_tokens}));
        prefill.push_back(std::chrono::duration<double>(prompt_done - start).count());
        decode.push_back(std::chrono::duration<double>(done - prompt_done).count());
    }
    out.prefill_tokens_per_second = out.prompt_tokens / median(prefill);
    out.decode_tokens_per_second = out.decode_tokens / median(decode);
    out.weight_bytes_per_token = static_cast<double>(model.weight_bytes);
    const double mean_depth = out.prompt_tokens + out.decode_tokens / 2.0;
    out.kv_bytes_per_token =
        static_cast<double>(model.program.kv_bytes_per_token(sizeof(float))) * mean_depth;
    out.flops_per_token = 2 * weights_multiplied(model);
    out.decode_bytes_per_second =
        (out.weight_bytes_per_token + out.kv_bytes_per_token) * out.decode_tokens_per_second;
    out.prefill_flops_per_second = out.flops_per_token * out.prefill_tokens_per_second;
    return out;
}

}  // namespace hearth::engine
