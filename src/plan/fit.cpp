// plan/fit.cpp - bytes and operations from the program's tensors.
#include "plan/fit.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/terminal.h"
#include "models/architecture.h"
#include "models/recipe.h"
#include "plan/memory.h"

namespace hearth::plan {
namespace {

constexpr std::int64_t kChunkTokens = models::kPromptChunk, kHeadRows = 32;
// Medians of predictions by a local run lay within, where the machine stood still (docs/plan.md). Of a
// mixture, an expert gets few tokens of a prompt, and unpacking its weights counts as no long prompt of a
// dense model shows: a short one beside it does.
constexpr double kLocalSpread = 1.15, kMixturePromptSpread = 1.4;

double prompt_spread(const Fit& fit) {
    const bool guesses = fit.is_mixture && fit.inputs.run && !fit.inputs.run->knows_chunks;
    return guesses ? kMixturePromptSpread : kLocalSpread;
}

std::uint64_t activation_bytes(const models::Program& program) {
    std::int64_t floats = 0;
    bool in_head = false;
    std::vector<bool> head(program.values.size());
    for (const models::Op& op : program.ops) {
        in_head |= op.kind == models::OpKind::select_rows;
        if (in_head) head[static_cast<std::size_t>(op.out)] = true;
    }
    for (std::size_t i = 0; i < program.values.size(); ++i)
        if (program.values[i].of == models::kNone)
            floats += program.values[i].width * (head[i] ? kHeadRows : kChunkTokens);
    return static_cast<std::uint64_t>(floats) * sizeof(float);
}

void finish(FitRow& row, const Fit& fit, const std::vector<models::StatePool>& pools,
            const models::ModelConfig& config, const models::Program& program) {
    const FitInputs& in = fit.inputs;
    const auto kept = [&](std::int64_t context) {
        return kept_bytes(
            pools,
            {.context = context, .sequences = in.sequences, .kv = in.kv, .chunk_tokens = kChunkTokens});
    };
    row.kv_bytes = static_cast<std::uint64_t>(kept(in.context));
    row.fits = row.total_bytes() <= in.memory_bytes;
    const std::uint64_t fixed = row.weight_bytes + row.activation_bytes;
    std::int64_t too_long = config.context_max + 1;
    while (too_long - row.context_max > 1) {
        const std::int64_t middle = row.context_max + (too_long - row.context_max) / 2;
        const bool ok = static_cast<double>(fixed) + kept(middle) <= static_cast<double>(in.memory_bytes);
        (ok ? row.context_max : too_long) = middle;
    }
    row.decode_ceiling = in.read_bytes_per_second / static_cast<double>(row.bytes_per_token);
    // Of a prompt as long as the run's, or as `hearth bench` has it by default.
    const double tokens = in.run ? in.run->prompt_tokens : 512;
    const double operations = program.operations(0, tokens, 1) / tokens;
    row.prefill_ceiling = in.flops_per_second / operations;
    if (!in.run) return;
    const double seen = program.operations(1, tokens, 1) - program.operations(0, tokens, 1);
    const double chunk = std::min<double>(tokens, kChunkTokens);
    row.decode_expected = in.run->decode_speed(static_cast<double>(row.bytes_per_token), config.n_layers);
    row.prefill_expected = in.run->prefill_speed(operations, seen / tokens * (tokens + 1) / 2,
                                                 static_cast<double>(row.bytes_per_chunk) / chunk);
}

}  // namespace

Result<Fit> fit(const models::Checkpoint& checkpoint, FitInputs inputs) {
    const models::ModelConfig& config = checkpoint.config();
    const models::Program program = models::find_architecture(config.architecture)->build(config);
    if (inputs.context == 0) inputs.context = config.context_max;
    Fit out;
    out.inputs = inputs;
    out.model = checkpoint.path().filename().string();
    out.architecture = config.architecture;
    const std::vector<models::StatePool> pools = models::state_pools(program, inputs.kv);
    for (const models::StatePool& pool : pools)
        if (pool.kind == models::StatePool::Kind::paged)
            out.kv_bytes_per_token += static_cast<std::int64_t>(pool.block_bytes()) / models::kBlockTokens;
    const std::vector<bool> multiplied = program.multiplied();

    FitRow stored, nvfp4;
    stored.weights = "as stored";
    nvfp4.weights = "nvfp4";
    bool quantized = false;
    for (std::size_t i = 0; i < program.tensors.size(); ++i) {
        const models::TensorSpec& spec = program.tensors[i];
        const std::int64_t n = spec.shape.n_elems();
        out.parameters += n;
        out.is_mixture = out.is_mixture || spec.used < 1;
        std::uint64_t bytes = 0;
        if (spec.shape.rank() == 2) {
            HEARTH_TRY(const models::LinearSource source, checkpoint.linear(spec.name, spec.shape));
            bytes = source.bytes();
            quantized |= source.scales.has_value() || info(source.weight.dtype).block_elems > 1;
        } else {
            HEARTH_TRY(const models::LinearSource source, checkpoint.vector(spec.name, spec.shape));
            bytes = source.bytes();
        }
        const bool shrinks = models::kept_because(spec.name, DType::bf16, spec.shape, 16, {}).empty();
        const std::uint64_t as_nvfp4 = shrinks ? static_cast<std::uint64_t>(n / 2 + n / 16 + 4) : bytes;
        // A tied embedding is read twice over: rows from its file, and packed for the head.
        const std::uint64_t copies = spec.role == models::Role::embedding && multiplied[i] ? 2 : 1;
        stored.weight_bytes += copies * bytes;
        nvfp4.weight_bytes += copies * as_nvfp4;
        if (multiplied[i]) {
            // Of experts, a token reads those it chose; a chunk those that some token chose, as chance has
            // it.
            const double chunk = 1 - std::pow(1 - spec.used, static_cast<double>(kChunkTokens));
            for (const auto& [row, size] : {std::pair{&stored, bytes}, std::pair{&nvfp4, as_nvfp4}}) {
                row->bytes_per_token += static_cast<std::uint64_t>(static_cast<double>(size) * spec.used);
                row->bytes_per_chunk += static_cast<std::uint64_t>(static_cast<double>(size) * chunk);
            }
        }
    }
    stored.activation_bytes = nvfp4.activation_bytes = activation_bytes(program);
    finish(stored, out, pools, config, program);
    out.rows.push_back(stored);
    if (!quantized) {
        finish(nvfp4, out, pools, config, program);
        out.rows.push_back(nvfp4);
    }
    return out;
}

std::string fit_text(const Fit& fit) {
    using enum Table::Align;
    const auto bytes = [](std::uint64_t n) { return bytes_text(static_cast<double>(n)); };
    Table table({{"weights"},
                 {"in memory", right},
                 {"KV cache", right},
                 {"buffers", right},
                 {"total", right},
                 {"fits"},
                 {"context that fits", right},
                 {"decode <=", right},
                 {"prefill <=", right}});
    for (const FitRow& row : fit.rows)
        table.add(
            {row.weights, bytes(row.weight_bytes), bytes(row.kv_bytes), bytes(row.activation_bytes),
             bytes(row.total_bytes()), row.fits ? tinted("yes", Tint::green) : tinted("no", Tint::red),
             fmt::format("{}", row.context_max),
             fit.inputs.read_bytes_per_second > 0 ? fmt::format("{:.3g} tok/s", row.decode_ceiling) : "-",
             fit.inputs.flops_per_second > 0 ? fmt::format("{:.3g} tok/s", row.prefill_ceiling) : "-"});
    std::string expected;
    if (fit.inputs.run)
        for (const FitRow& row : fit.rows)
            expected += fmt::format(
                "{}: decode {:.3g} tokens/s ({:.3g} to {:.3g}), prefill {:.3g} ({:.3g} to {:.3g}), by the "
                "local run{}\n",
                row.weights, row.decode_expected, row.decode_expected / kLocalSpread,
                row.decode_expected * kLocalSpread, row.prefill_expected,
                row.prefill_expected / prompt_spread(fit), row.prefill_expected * prompt_spread(fit),
                &row == &fit.rows[0] ? ", which holds for weights of its type" : "");
    if (!expected.empty()) expected = "\n" + expected;
    return fmt::format(
        "{}: {} with {:.3g} M parameters; {} tokens of context, {} sequence{}, {} of memory\n\n{}{}",
        fit.model, fit.architecture, static_cast<double>(fit.parameters) / 1e6, fit.inputs.context,
        fit.inputs.sequences, fit.inputs.sequences == 1 ? "" : "s", bytes(fit.inputs.memory_bytes),
        table.text(), expected);
}

Json fit_json(const Fit& fit) {
    boost::json::array rows;
    for (const FitRow& row : fit.rows)
        rows.push_back({{"weights", row.weights},
                        {"weight_bytes", row.weight_bytes},
                        {"bytes_per_token", row.bytes_per_token},
                        {"bytes_per_chunk", row.bytes_per_chunk},
                        {"kv_bytes", row.kv_bytes},
                        {"activation_bytes", row.activation_bytes},
                        {"total_bytes", row.total_bytes()},
                        {"fits", row.fits},
                        {"context_max", row.context_max},
                        {"decode_tokens_per_second_ceiling", row.decode_ceiling},
                        {"prefill_tokens_per_second_ceiling", row.prefill_ceiling},
                        {"decode_tokens_per_second_expected", row.decode_expected},
                        {"prefill_tokens_per_second_expected", row.prefill_expected}});
    return {{"model", fit.model},
            {"architecture", fit.architecture},
            {"parameters", fit.parameters},
            {"kv_bytes_per_token", fit.kv_bytes_per_token},
            {"context", fit.inputs.context},
            {"sequences", fit.inputs.sequences},
            {"memory_bytes", fit.inputs.memory_bytes},
            {"read_bytes_per_second", fit.inputs.read_bytes_per_second},
            {"flops_per_second", fit.inputs.flops_per_second},
            {"decode_expected_within_factor", kLocalSpread},
            {"prefill_expected_within_factor", prompt_spread(fit)},
            {"rows", rows}};
}

}  // namespace hearth::plan
