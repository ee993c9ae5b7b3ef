// bench/quant/encode_bench.cpp - weights encoded and decoded a second on one core, by format; the hot loops
// of quantize.
//
// No ceiling is named: encoders are bound by arithmetic that differs from format to format. "weights/s" is
// what quantize's users wait for; bytes/s counts the float32 that goes in.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "quant/formats.h"
#include "quant/nvfp4_tensor.h"

namespace {

using namespace hearth;

constexpr std::int64_t kRows = 64, kCols = 4096;

std::vector<float> weights() {
    Philox random(1);
    std::vector<float> values(static_cast<std::size_t>(kRows * kCols));
    for (float& x : values) x = static_cast<float>(random.normal() * 0.02);
    return values;
}

void count(benchmark::State& state) {
    state.SetItemsProcessed(state.iterations() * kRows * kCols);
    state.SetBytesProcessed(state.iterations() * kRows * kCols * 4);
}

void encode(benchmark::State& state, const quant::BlockFormat& format) {
    const auto in = weights();
    std::vector<std::byte> out(static_cast<std::size_t>(*bytes_of(format.dtype, kRows * kCols)));
    for (auto _ : state) {
        format.encode_row(in.data(), out.data(), kRows * kCols);
        benchmark::DoNotOptimize(out.data());
    }
    count(state);
}

void decode(benchmark::State& state, const quant::BlockFormat& format) {
    auto values = weights();
    std::vector<std::byte> blocks(static_cast<std::size_t>(*bytes_of(format.dtype, kRows * kCols)));
    format.encode_row(values.data(), blocks.data(), kRows * kCols);
    for (auto _ : state) {
        format.decode_row(blocks.data(), values.data(), kRows * kCols);
        benchmark::DoNotOptimize(values.data());
    }
    count(state);
}

void nvfp4_tensor(benchmark::State& state, quant::ScaleChoice choice) {
    const auto in = weights();
    std::vector<std::uint8_t> codes(in.size() / 2), scales(in.size() / 16);
    const float scale = quant::nvfp4_tensor_scale(quant::largest_magnitude(in));
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            quant::nvfp4_encode_rows(in.data(), kRows, kCols, scale, choice, codes.data(), scales.data()));
    }
    count(state);
}

}  // namespace

int main(int argc, char** argv) {
    for (const quant::BlockFormat& format : quant::block_formats()) {
        const std::string name(info(format.dtype).name);
        benchmark::RegisterBenchmark(("encode/" + name).c_str(), encode, format);
        benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode, format);
    }
    benchmark::RegisterBenchmark("encode/nvfp4_tensor_nearest", nvfp4_tensor, quant::ScaleChoice::nearest);
    benchmark::RegisterBenchmark("encode/nvfp4_tensor_search", nvfp4_tensor,
                                 quant::ScaleChoice::squared_error);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
