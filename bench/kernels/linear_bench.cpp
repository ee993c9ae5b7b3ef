// bench/kernels/linear_bench.cpp - y = x W^T in every format, exact and fast: decode against read bandwidth,
// prefill against the rate of the instruction that does the work.
//
// The arithmetic: decoding one token reads each packed byte once, so GB/s over the measured read bandwidth is
// the share reached; a matrix inside the caches can exceed it, hence the large size. A chunk of 64 tokens
// does 2 * rows * cols * 64 operations, so GOP/s over the measured rate of multiply-adds or dot products is
// the share.
#include <benchmark/benchmark.h>

#include <map>
#include <vector>

#include "base/rng.h"
#include "engine/measure.h"
#include "kernels/linear.h"
#include "kernels/select.h"
#include "quant/formats.h"

namespace {

using namespace hearth;

ThreadPool& pool() {
    static ThreadPool instance;
    return instance;
}

const engine::Ceilings& ceilings() {
    static const engine::Ceilings measured = engine::measure_ceilings(pool()).value();
    return measured;
}

// The same gaussian rows over and over: speed does not depend on the values, and encoding them all would take
// minutes.
kernels::PackedMatrix random_matrix(DType dtype, bool of_blocks, std::int64_t rows, std::int64_t cols,
                                    Arena& arena) {
    constexpr std::int64_t kDistinct = 16;
    Philox random(1);
    std::vector<float> values(static_cast<std::size_t>(kDistinct * cols));
    for (float& x : values) x = static_cast<float>(random.normal());
    std::vector<std::byte> distinct(static_cast<std::size_t>(*bytes_of(dtype, kDistinct * cols)));
    quant::block_format(dtype)->encode_row(values.data(), distinct.data(), kDistinct * cols);
    std::vector<std::byte> bytes;
    for (std::int64_t row = 0; row < rows; row += kDistinct)
        bytes.insert(bytes.end(), distinct.begin(), distinct.end());
    if (of_blocks) {  // FP8 as DeepSeek and Qwen publish it
        const std::vector<float> scales(static_cast<std::size_t>((rows + 127) / 128 * ((cols + 127) / 128)),
                                        0.5f);
        return kernels::pack_fp8({dtype, Shape{rows, cols}, bytes}, {scales, 128, 128}, {}, arena, pool())
            .value();
    }
    return kernels::pack({dtype, Shape{rows, cols}, bytes}, 1.0f, {}, arena, pool()).value();
}

void run_linear(benchmark::State& state, DType dtype, bool of_blocks, std::int64_t rows, std::int64_t cols,
                std::int64_t n_tokens, bool exact) {
    Arena arena;
    const kernels::PackedMatrix matrix = random_matrix(dtype, of_blocks, rows, cols, arena);
    const std::int64_t x_stride = matrix.cols_padded, y_stride = matrix.n_panels * kernels::kLanes;
    const auto take = [&](std::int64_t n) {  // whole cache lines, as in the engine
        return arena.take<float>(static_cast<std::uint64_t>(n), "a benchmark").value();
    };
    const std::span<float> x = take(n_tokens * x_stride), y = take(n_tokens * y_stride);
    std::fill(x.begin(), x.end(), 0.5f);
    const std::int64_t scratch_floats = kernels::linear_scratch_floats(matrix.cols_padded);
    const std::span<float> scratch = take(scratch_floats * pool().size());
    const kernels::CpuKernels& cpu = kernels::best();
    const kernels::ActivationKind kind = kernels::activation_kind(cpu, matrix, exact);
    if (!exact && kind == kernels::kActivationF32) {
        state.SkipWithError("no dot products for this format here");
        return;
    }
    const std::span<float> blocks = take(n_tokens * kernels::activation_row_bytes(kind, matrix.cols) / 4);
    if (kind != kernels::kActivationF32)
        kernels::quantize_rows(cpu, kind, x.data(), x_stride, cols, 0, n_tokens, blocks.data());
    const kernels::Activations rows_in =
        kind == kernels::kActivationF32
            ? kernels::Activations{kind, x.data(), x_stride}
            : kernels::Activations{kind, blocks.data(), cols / kernels::kActivationCols};
    const kernels::LinearJob job{&matrix, rows_in, y.data(), y_stride};
    for (auto _ : state) kernels::linear(cpu, {&job, 1}, n_tokens, scratch.data(), scratch_floats, pool());
    const auto runs = static_cast<double>(state.iterations());
    const double bytes = static_cast<double>(matrix.bytes()) * runs;
    const double operations = 2.0 * static_cast<double>(rows * cols * n_tokens) * runs;
    using benchmark::Counter;
    state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsRate);
    state.counters["GOP/s"] = Counter(operations / 1e9, Counter::kIsRate);
    const double ceiling = kind == kernels::kActivationInt8   ? ceilings().int8_ops_per_second
                           : kind == kernels::kActivationBf16 ? ceilings().bf16_flops_per_second
                                                              : ceilings().flops_per_second;
    const bool memory_bound = n_tokens == 1;
    state.counters["share"] = Counter(
        memory_bound ? bytes / ceilings().read_bytes_per_second : operations / ceiling, Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
    struct Size {
        std::int64_t rows, cols, n;
    };
    struct Weights {
        DType dtype;
        bool of_blocks;
    };
    std::vector<Weights> all = {{DType::f8_e4m3, true}};
    for (const DType dtype :
         {DType::f32, DType::bf16, DType::f16, DType::f8_e4m3, DType::q8_0, DType::q4_0, DType::q4_k,
          DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs, DType::mxfp4, DType::nvfp4})
        all.push_back({dtype, false});
    for (const Weights weights : all)
        for (const Size size :
             {Size{768, 768, 1}, Size{32768, 4096, 1}, Size{32768, 4096, 8}, Size{4096, 4096, 512}})
            for (const bool exact : {false, true})
                benchmark::RegisterBenchmark(
                    fmt::format("linear/{}{}/{}/{}/{}/tokens:{}", info(weights.dtype).name,
                                weights.of_blocks ? "-blocks" : "", exact ? "exact" : "fast", size.rows,
                                size.cols, size.n)
                        .c_str(),
                    [=](benchmark::State& state) {
                        run_linear(state, weights.dtype, weights.of_blocks, size.rows, size.cols, size.n,
                                   exact);
                    })
                    ->UseRealTime();
    benchmark::Initialize(&argc, argv);
    fmt::print(
        "kernels {}, {} threads; ceilings: {:.1f} GB/s read, {:.0f} GFLOP/s float32, {:.0f} GOP/s int8, "
        "{:.0f} GFLOP/s BF16\n",
        kernels::best().isa, pool().size(), ceilings().read_bytes_per_second / 1e9,
        ceilings().flops_per_second / 1e9, ceilings().int8_ops_per_second / 1e9,
        ceilings().bf16_flops_per_second / 1e9);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
