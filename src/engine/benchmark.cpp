// engine/benchmark.cpp - times Engine::step as the server calls it: a prompt in chunks, then sequences that
// decode together.
#include "engine/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/check.h"
#include "base/energy.h"
#include "base/rng.h"
#include "engine/kv_blocks.h"
#include "models/model.h"

namespace hearth::engine {
namespace {

using Clock = std::chrono::steady_clock;
using Phase = BenchmarkPoint::Phase;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double kv_bytes_of_position(const models::Program& program, kernels::KvType kv) {
    double bytes = 0;
    for (const models::StatePool& pool : models::state_pools(program, kv))
        if (pool.kind != models::StatePool::Kind::recurrent) bytes += static_cast<double>(pool.block_bytes());
    return bytes / kernels::kKvBlockTokens;
}

// Most products decide: a model has one type for its linears, some have another for the head.
std::string_view arithmetic_of(const models::Model& model, const EngineOptions& options,
                               const Ceilings& ceilings) {
    if (options.exact) return "f32";
    double narrow = 0, half = 0, rest = 0;
    for (const auto& tensor : model.tensors) {
        const auto n = static_cast<double>(tensor.matrix.rows * tensor.matrix.cols);
        const DType type = tensor.matrix.source;
        (type == DType::bf16 || type == DType::f16 || type == DType::f8_e4m3 ? half
         : type == DType::f32                                                ? rest
                                                                             : narrow) += n;
    }
    if (narrow > half && narrow > rest && ceilings.int8_ops_per_second > 0) return "int8";
    if (half > narrow && half > rest && ceilings.bf16_flops_per_second > 0) return "bf16";
    return "f32";
}

// Steps until every prompt is in, and one more: beside sequences that decode, prompts come in half chunks.
int steps_of_prefill(int depth, int batch, int chunk) {
    const std::int64_t tokens = std::int64_t{depth} * batch, room = chunk_beside_decoding(chunk);
    return static_cast<int>(tokens / room) + batch + 2;
}

// Joules and seconds of the runs of one point.
class Consumption {
  public:
    explicit Consumption(EnergyMeter& meter) : meter_(meter) {}
    void begin() {
        joules_at_ = meter_.joules();
        start_ = Clock::now();
    }
    void end(double tokens) {
        joules_ += meter_.joules() - joules_at_;
        seconds_ += seconds_since(start_);
        tokens_ += tokens;
    }
    void into(BenchmarkPoint& point) const {
        if (meter_.empty() || tokens_ <= 0 || joules_ <= 0) return;
        point.joules_per_token = joules_ / tokens_;
        point.watts = joules_ / seconds_;
    }

  private:
    EnergyMeter& meter_;
    Clock::time_point start_;
    double joules_at_ = 0, joules_ = 0, seconds_ = 0, tokens_ = 0;
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t n = values.size(), half = n / 2;
    return n % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// What is measured between the runs: shared machines change within seconds.
class Surroundings {
  public:
    Surroundings(int threads, std::string_view arithmetic, CeilingProbe& probe)
        : threads_(threads), arithmetic_(arithmetic), probe_(&probe) {}
    // A pool of the same size: the engine's own is not for lending, and this one goes before the next run.
    const Ceilings& measure() {
        ThreadPool pool({.threads = threads_});
        all_.push_back(probe_->measure(pool));
        return all_.back();
    }
    [[nodiscard]] double operations(const Ceilings& c) const {
        return arithmetic_ == "int8"   ? c.int8_ops_per_second
               : arithmetic_ == "bf16" ? c.bf16_flops_per_second
                                       : c.flops_per_second;
    }
    void into(Benchmark& out) const {
        const auto of = [&](double Ceilings::*field) {
            std::vector<double> values;
            for (const Ceilings& c : all_) values.push_back(c.*field);
            return values;
        };
        const std::vector<double> reads = of(&Ceilings::read_bytes_per_second);
        out.slowest_read = *std::min_element(reads.begin(), reads.end());
        out.fastest_read = *std::max_element(reads.begin(), reads.end());
        out.ceilings = all_.front();
        for (double Ceilings::*field : {&Ceilings::read_bytes_per_second, &Ceilings::flops_per_second,
                                        &Ceilings::int8_ops_per_second, &Ceilings::bf16_flops_per_second})
            out.ceilings.*field = median(of(field));
    }

  private:
    int threads_;
    std::string_view arithmetic_;
    CeilingProbe* probe_;
    std::vector<Ceilings> all_;
};

// The runs of one point, each between two measurements of the ceilings.
class Runs {
  public:
    explicit Runs(Surroundings& around) : around_(around), before_(around.measure()) {}
    void add(double tokens_per_second) {
        const Ceilings after = around_.measure();
        speeds_.push_back(tokens_per_second);
        reads_.push_back(std::max(before_.read_bytes_per_second, after.read_bytes_per_second));
        operations_.push_back(std::max(around_.operations(before_), around_.operations(after)));
        before_ = after;
    }
    [[nodiscard]] bool empty() const { return speeds_.empty(); }
    [[nodiscard]] double speed() const { return median(speeds_); }
    // After bytes and operations a token are known.
    void into(BenchmarkPoint& point, double bytes_per_token) const {
        point.slowest = *std::min_element(speeds_.begin(), speeds_.end());
        point.fastest = *std::max_element(speeds_.begin(), speeds_.end());
        point.tokens_per_second = speed();
        point.bytes_per_second = bytes_per_token * point.tokens_per_second;
        point.operations_per_second = point.operations_per_token * point.tokens_per_second;
        std::vector<double> of_bandwidth, of_operations;
        for (std::size_t i = 0; i < speeds_.size(); ++i) {
            of_bandwidth.push_back(bytes_per_token * speeds_[i] / reads_[i]);
            of_operations.push_back(point.operations_per_token * speeds_[i] / operations_[i]);
        }
        point.share_of_bandwidth = median(of_bandwidth);
        point.share_of_operations = median(of_operations);
    }

  private:
    Surroundings& around_;
    Ceilings before_;
    std::vector<double> speeds_, reads_, operations_;
};

class Bench {
  public:
    Bench(Engine& engine, const BenchmarkOptions& options, Surroundings& around)
        : engine_(engine),
          options_(options),
          around_(around),
          meter_(EnergyMeter::open(options.energy_root)) {}
    [[nodiscard]] std::vector<std::string> energy_counters() const { return meter_.names(); }

    Result<BenchmarkPoint> prefill(int tokens) {
        BenchmarkPoint point;
        point.tokens = tokens;
        Runs runs(around_);
        Consumption consumption(meter_);
        for (int run = 0; run < options_.repeats; ++run) {
            arrived_ = 0;
            HEARTH_TRY_STATUS(submit(tokens, 1));
            consumption.begin();
            const auto start = Clock::now();
            while (arrived_ == 0) HEARTH_TRY_STATUS(step());
            const double speed = tokens / seconds_since(start);
            consumption.end(tokens);
            HEARTH_TRY_STATUS(drain());
            runs.add(speed);
        }
        consumption.into(point);
        const auto n = static_cast<double>(tokens);
        point.operations_per_token = program().operations(0, n, 1) / n;
        // What a token sees grows by one for each position before it.
        point.attention_operations_per_token =
            (program().operations(1, n, 1) - program().operations(0, n, 1)) / n * (n + 1) / 2;
        // Each chunk reads the weights once; its tokens share them.
        const double steps = (n + engine_.options().chunk_tokens - 1) / engine_.options().chunk_tokens;
        point.bytes_per_step =
            weight_bytes(std::min<double>(n, engine_.options().chunk_tokens)) + kv_bytes() * n / 2;
        runs.into(point, point.bytes_per_step * std::max(1.0, steps) / n);
        return point;
    }

    // One prefill serves all runs: a run is a stretch of decoded tokens.
    Result<BenchmarkPoint> decode(int depth, int batch) {
        BenchmarkPoint point;
        point.phase = Phase::decode;
        point.depth = depth;
        point.batch = batch;
        const int start_depth = std::max(depth, 1);
        // The first sequences decode while the last still prefill.
        const int head_start = steps_of_prefill(start_depth, batch, engine_.options().chunk_tokens);
        const int room = engine_.options().context_max - start_depth - head_start;
        point.tokens = std::clamp(options_.decode_tokens, 1, std::max(1, room / options_.repeats));
        for (int i = 0; i < batch; ++i)
            HEARTH_TRY_STATUS(submit(start_depth, point.tokens * options_.repeats + head_start));
        int together = 0;
        while (together != batch) {
            HEARTH_TRY(together, counted_step());
            if (together == 0 && idle_) return fail(Fault::internal, "the benchmark's sequences ended early");
        }
        Runs runs(around_);
        Consumption consumption(meter_);
        for (int run = 0; run < options_.repeats; ++run) {
            consumption.begin();
            const auto start = Clock::now();
            int made = 0;
            for (int i = 0; i < point.tokens && !idle_; ++i) {
                HEARTH_TRY(const int n, counted_step());
                made += n;
            }
            const double seconds = seconds_since(start);
            consumption.end(made);
            if (made > 0) runs.add(made / seconds);
        }
        HEARTH_TRY_STATUS(drain());
        if (runs.empty()) return fail(Fault::internal, "no token was decoded");
        consumption.into(point);
        const double mean_depth =
            start_depth + (batch > 1 ? head_start / 2.0 : 0) + point.tokens * options_.repeats / 2.0;
        point.bytes_per_step = weight_bytes(batch) + kv_bytes() * mean_depth * batch;
        point.operations_per_token = program().operations(mean_depth, 1, 1);
        runs.into(point, point.bytes_per_step / batch);
        return point;
    }

  private:
    [[nodiscard]] const models::Program& program() const { return engine_.model().program; }
    // Read by a step of n tokens: of experts, those that some token chose, as chance has it. The model's
    // figure is that of one token.
    [[nodiscard]] double weight_bytes(double n_tokens) const {
        auto bytes = static_cast<double>(engine_.model().weight_bytes);
        for (std::size_t i = 0; i < program().tensors.size(); ++i)
            if (const double used = program().tensors[i].used; used < 1)
                bytes += static_cast<double>(engine_.model().tensors[i].matrix.bytes()) *
                         (1 - std::pow(1 - used, n_tokens) - used);
        return bytes;
    }
    [[nodiscard]] double kv_bytes() const { return kv_bytes_of_position(program(), *engine_.options().kv); }
    Status submit(int prompt_tokens, int new_tokens) {
        Request request;
        for (int i = 0; i < prompt_tokens; ++i)
            request.prompt.push_back(
                static_cast<int>(random_.below(static_cast<std::uint64_t>(engine_.model().config().vocab))));
        request.new_tokens_max = new_tokens;
        request.ignore_eos = true;
        request.on_token = [this](const TokenOut&) {
            ++arrived_;
            return true;
        };
        HEARTH_TRY(const auto handle, engine_.submit(std::move(request), [this](Result<Completion> done) {
            if (!done) failed_ = done.error();
        }));
        (void)handle;
        idle_ = false;
        return {};
    }
    Status step() {
        HEARTH_TRY(const bool more, engine_.step());
        idle_ = !more;
        if (failed_) return fail(*failed_);
        return {};
    }
    Result<int> counted_step() {  // tokens that the step gave
        const int before = arrived_;
        HEARTH_TRY_STATUS(step());
        return arrived_ - before;
    }
    Status drain() {
        while (!idle_) HEARTH_TRY_STATUS(step());
        return {};
    }

    Engine& engine_;
    const BenchmarkOptions& options_;
    Surroundings& around_;
    EnergyMeter meter_;
    Philox random_{1};
    int arrived_ = 0;
    bool idle_ = true;
    std::optional<Error> failed_;
};

int most(const std::vector<int>& values) { return *std::max_element(values.begin(), values.end()); }

}  // namespace

std::string_view name(Phase phase) { return phase == Phase::prefill ? "prefill" : "decode"; }

const BenchmarkPoint& Benchmark::decode() const {
    const auto at = std::find_if(points.begin(), points.end(),
                                 [](const BenchmarkPoint& point) { return point.phase == Phase::decode; });
    HEARTH_CHECK(at != points.end(), "a benchmark decodes");
    return *at;
}

EngineOptions benchmark_engine_options(const models::Model& model, const BenchmarkOptions& options) {
    EngineOptions out;
    out.batch_max = most(options.batches);
    out.chunk_tokens = options.chunk_tokens;
    const int depth = std::max(1, most(options.depths));
    const std::int64_t decoded = std::int64_t{options.decode_tokens} * options.repeats +
                                 steps_of_prefill(depth, out.batch_max, out.chunk_tokens);
    const std::int64_t wanted = std::max<std::int64_t>(most(options.prompts) + 2, depth + decoded);
    out.context_max = static_cast<int>(std::min(wanted, model.config().context_max));
    out.kv = options.kv;
    const std::int64_t step = std::max(out.chunk_tokens, out.batch_max);
    const kernels::KvType kv = options.kv.value_or(kernels::kKvF32);  // the widest
    for (const models::StatePool& pool : models::state_pools(model.program, kv))
        out.kv_bytes_max += pool.block_bytes() *
                            static_cast<std::uint64_t>(pool.blocks_needed(out.context_max, step) + 2) *
                            static_cast<std::uint64_t>(out.batch_max);
    return out;
}

Result<Benchmark> benchmark(Engine& engine, const BenchmarkOptions& options) {
    HEARTH_CHECK(!options.prompts.empty() && !options.depths.empty() && !options.batches.empty(),
                 "there is something to measure");
    const models::Model& model = engine.model();
    BenchmarkOptions sizes = options;
    sizes.repeats = std::max(1, sizes.repeats);
    const int context = engine.options().context_max;
    for (int& prompt : sizes.prompts) prompt = std::clamp(prompt, 1, std::max(1, context - 1));
    for (int& depth : sizes.depths)
        depth = std::clamp(depth, 0, std::max(0, context - sizes.decode_tokens * sizes.repeats - 2));
    for (int& batch : sizes.batches) batch = std::clamp(batch, 1, engine.options().batch_max);

    Benchmark out;
    const auto first = [&]() -> Result<std::pair<CeilingProbe, Ceilings>> {
        ThreadPool pool({.threads = engine.options().threads});
        HEARTH_TRY(CeilingProbe probe, CeilingProbe::make(pool));
        const Ceilings ceilings = probe.measure(pool);
        return std::pair(std::move(probe), ceilings);
    };
    HEARTH_TRY(auto probe, first());
    out.arithmetic = arithmetic_of(model, engine.options(), probe.second);
    Surroundings around(engine.options().threads, out.arithmetic, probe.first);
    out.weight_bytes = static_cast<double>(model.weight_bytes);
    out.kv_bytes_per_token = kv_bytes_of_position(model.program, *engine.options().kv);
    out.layers = model.config().n_layers;
    Bench bench(engine, sizes, around);
    out.energy_counters = bench.energy_counters();
    for (const int prompt : sizes.prompts) {
        HEARTH_TRY(auto point, bench.prefill(prompt));
        out.points.push_back(point);
    }
    for (const int depth : sizes.depths)
        for (const int batch : sizes.batches) {
            HEARTH_TRY(auto point, bench.decode(depth, batch));
            out.points.push_back(point);
        }
    around.into(out);
    return out;
}

}  // namespace hearth::engine
