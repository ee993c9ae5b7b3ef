// bench/kernels/delta_bench.cpp - gated delta rules of Qwen3-Next's shape: decode against read bandwidth,
// prefill against the rate of multiply-adds.
//
// The arithmetic: a token of a value head reads its state once, half a chunk of changes and of keys, and
// reads and writes the state once a chunk. It multiplies the state with a query and a key, joins it with one
// row, and goes twice over half a chunk of changes; a key head goes twice over half a chunk of keys.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "engine/measure.h"
#include "kernels/select.h"
#include "models/program.h"

namespace {

using namespace hearth;
using kernels::kDeltaChunk;

constexpr int kKeyHeads = 16, kValueHeads = 32, kDim = 128;
constexpr std::int64_t kLayers = 36;  // together larger than caches, as in the model
const std::int64_t kValueHeadFloats =
    models::DeltaSpec{.k_heads = kKeyHeads, .v_heads = kValueHeads, .k_dim = kDim, .v_dim = kDim}
        .v_head_floats();

ThreadPool& pool() {
    static ThreadPool instance;
    return instance;
}

const engine::Ceilings& ceilings() {
    static const engine::Ceilings measured = engine::measure_ceilings(pool()).value();
    return measured;
}

// What a worker writes, and what all read: a chunk of random rows, used for every head.
struct Rows {
    std::vector<float> q, k, query_scores, key_scores, v, out, log_decays, rates, in;
    explicit Rows(std::uint64_t seed)
        : q(kDeltaChunk * kDim),
          k(q),
          query_scores(kDeltaChunk * kDeltaChunk),
          key_scores(query_scores),
          v(q),
          out(q),
          log_decays(kDeltaChunk, -0.01f),
          rates(kDeltaChunk, 0.5f),
          in(2 * kDeltaChunk * kDim) {
        Philox random(seed);
        for (float& x : v) x = static_cast<float>(random.normal());
        for (float& x : in) x = static_cast<float>(random.normal());
    }
};

// Tokens [position, position + n) of one key head and its value heads.
void run_head(Rows& rows, float* keys, float* values, std::int64_t position, std::int64_t n) {
    const kernels::CpuKernels& cpu = kernels::best();
    for (const std::int64_t end = position + n; position < end;) {
        const std::int64_t first = position % kDeltaChunk,
                           count = std::min(kDeltaChunk - first, end - position);
        const kernels::DeltaKeysArgs of_keys{rows.in.data(),
                                             rows.in.data() + kDim,
                                             2 * kDim,
                                             first,
                                             count,
                                             kDim,
                                             keys,
                                             rows.q.data(),
                                             rows.k.data(),
                                             rows.query_scores.data(),
                                             rows.key_scores.data()};
        cpu.delta_keys(&of_keys);
        for (std::int64_t head = 0; head < kValueHeads / kKeyHeads; ++head) {
            float* state = values + head * kValueHeadFloats;
            float *changes = state + kDim * kDim, *ages = changes + kDeltaChunk * kDim;
            const kernels::DeltaArgs args{state,
                                          changes,
                                          ages,
                                          keys,
                                          rows.q.data(),
                                          rows.k.data(),
                                          rows.query_scores.data(),
                                          rows.key_scores.data(),
                                          rows.v.data(),
                                          rows.out.data(),
                                          rows.log_decays.data(),
                                          rows.rates.data(),
                                          first,
                                          count,
                                          kDim,
                                          kDim};
            cpu.delta_rule(&args);
        }
        position += count;
    }
}

void run_layers(benchmark::State& state, std::int64_t n_tokens) {
    std::vector<float> keys(static_cast<std::size_t>(kLayers * kKeyHeads * kDeltaChunk * kDim));
    std::vector<float> values(static_cast<std::size_t>(kLayers * kValueHeads * kValueHeadFloats));
    std::vector<Rows> rows;
    for (int worker = 0; worker < pool().size(); ++worker)
        rows.emplace_back(static_cast<std::uint64_t>(worker));
    std::int64_t position = 0;
    for (auto _ : state) {
        for (std::int64_t layer = 0; layer < kLayers; ++layer)
            pool().claim(kKeyHeads, 1, [&](int worker, std::int64_t head, std::int64_t) {
                const std::int64_t at = layer * kKeyHeads + head;
                run_head(rows[static_cast<std::size_t>(worker)], keys.data() + at * kDeltaChunk * kDim,
                         values.data() + at * (kValueHeads / kKeyHeads) * kValueHeadFloats, position,
                         n_tokens);
            });
        position += n_tokens;
    }
    using benchmark::Counter;
    const double square = static_cast<double>(kDim * kDim), chunk = kDeltaChunk;
    const double bytes_a_token =
        4 * kLayers *
        (kValueHeads * (square + chunk / 2 * kDim + 2 * square / chunk) + kKeyHeads * chunk / 2 * kDim);
    const double operations_a_token =
        kLayers * (kValueHeads * (6 * square + 2 * chunk * kDim) + kKeyHeads * 2 * chunk * kDim);
    const double tokens = static_cast<double>(state.iterations() * n_tokens);
    state.counters["tokens/s"] = Counter(tokens, Counter::kIsRate);
    state.counters["GFLOP/s"] = Counter(operations_a_token * tokens / 1e9, Counter::kIsRate);
    if (n_tokens == 1) {
        state.counters["GB/s"] = Counter(bytes_a_token * tokens / 1e9, Counter::kIsRate);
        state.counters["share"] =
            Counter(bytes_a_token * tokens / ceilings().read_bytes_per_second, Counter::kIsRate);
    } else {
        state.counters["share"] =
            Counter(operations_a_token * tokens / ceilings().flops_per_second, Counter::kIsRate);
    }
}

void decode(benchmark::State& state) { run_layers(state, 1); }
void prefill(benchmark::State& state) { run_layers(state, state.range(0)); }
BENCHMARK(decode)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(prefill)->Arg(16)->Arg(100)->Arg(512)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
