// plan/fit.cpp - bytes and operations from the program's tensors.
#include "plan/fit.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/file.h"
#include "base/terminal.h"
#include "models/architecture.h"
#include "models/recipe.h"
#include "plan/memory.h"

namespace hearth::plan {
namespace {

// The engine evaluates prompts in chunks of this size, and its buffers are as long. engine/engine.h,
// chunk_tokens.
constexpr std::int64_t kChunkTokens = 256, kHeadRows = 32;
// Operations of attention, in float32, take as long as so many of linears in 8 bits or BF16: docs/numbers.md
// has 1,000 GOP/s reached by linears, and 145 as float32's ceiling.
constexpr double kAttentionWeight = 8;

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
            std::int64_t context_max, const models::Program& program) {
    const FitInputs& in = fit.inputs;
    const auto kept = [&](std::int64_t context) {
        return kept_bytes(
            pools,
            {.context = context, .sequences = in.sequences, .kv = in.kv, .chunk_tokens = kChunkTokens});
    };
    row.kv_bytes = static_cast<std::uint64_t>(kept(in.context));
    row.fits = row.total_bytes() <= in.memory_bytes;
    const std::uint64_t fixed = row.weight_bytes + row.activation_bytes;
    std::int64_t too_long = context_max + 1;
    while (too_long - row.context_max > 1) {
        const std::int64_t middle = row.context_max + (too_long - row.context_max) / 2;
        const bool ok = static_cast<double>(fixed) + kept(middle) <= static_cast<double>(in.memory_bytes);
        (ok ? row.context_max : too_long) = middle;
    }
    row.decode_ceiling = in.read_bytes_per_second / static_cast<double>(row.bytes_per_token);
    // Of a prompt as long as the run's, or as `hearth bench` has it by default.
    const double operations = program.operations(0, in.prompt_tokens, 1) / in.prompt_tokens;
    const double attention =
        (program.operations(1, in.prompt_tokens, 1) - program.operations(0, in.prompt_tokens, 1)) /
        in.prompt_tokens * (in.prompt_tokens + 1) / 2;
    const double weighed = operations + (kAttentionWeight - 1) * attention;
    row.prefill_ceiling = in.flops_per_second / operations;
    row.decode_expected = in.run_bytes_per_second / static_cast<double>(row.bytes_per_token);
    row.prefill_expected = in.run_operations_per_second / (in.run_is_exact ? operations : weighed);
}

}  // namespace

Status read_local_run(const std::string& path, FitInputs& inputs) {
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(const Json json, parse_json(text, path));
    HEARTH_TRY(const JsonCursor points, JsonCursor(json, path).at("points"));
    HEARTH_TRY(const std::size_t n, points.array_size());
    HEARTH_TRY(const std::string arithmetic, JsonCursor(json, path).string_or("arithmetic", "f32"));
    const bool exact = arithmetic == "f32";
    inputs.run_is_exact = exact;
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor point, points.at(i));
        HEARTH_TRY(const std::string phase, point.string_or("phase", ""));
        HEARTH_TRY(const std::int64_t batch, point.integer_or("batch", 1, 1, 1 << 20));
        HEARTH_TRY(const double bytes, point.number_or("bytes_per_second", 0));
        HEARTH_TRY(double operations, point.number_or("operations_per_second", 0));
        HEARTH_TRY(const double attention, point.number_or("attention_operations_per_token", 0));
        HEARTH_TRY(const double speed, point.number_or("tokens_per_second", 0));
        if (!exact) operations += (kAttentionWeight - 1) * attention * speed;
        if (phase == "decode" && batch == 1 && inputs.run_bytes_per_second == 0)
            inputs.run_bytes_per_second = bytes;
        if (phase == "prefill" && inputs.run_operations_per_second == 0) {
            HEARTH_TRY(const std::int64_t tokens, point.integer_or("tokens", 512, 1, 1 << 20));
            inputs.run_operations_per_second = operations;
            inputs.prompt_tokens = static_cast<double>(tokens);
        }
    }
    if (!(inputs.run_bytes_per_second > 0 && inputs.run_operations_per_second > 0))
        return fail(Fault::usage, "{}: expected a prefill and a decode of one sequence, saw none", path);
    return {};
}

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
            // Of experts, a token reads those it chose.
            stored.bytes_per_token += static_cast<std::uint64_t>(static_cast<double>(bytes) * spec.used);
            nvfp4.bytes_per_token += static_cast<std::uint64_t>(static_cast<double>(as_nvfp4) * spec.used);
        }
    }
    stored.activation_bytes = nvfp4.activation_bytes = activation_bytes(program);
    finish(stored, out, pools, config.context_max, program);
    out.rows.push_back(stored);
    if (!quantized) {
        finish(nvfp4, out, pools, config.context_max, program);
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
    if (fit.inputs.run_bytes_per_second > 0)
        for (const FitRow& row : fit.rows)
            expected += fmt::format(
                "{}: decode {:.3g} tokens/s, prefill {:.3g}, at the rates of the local run{}; how far that "
                "is off "
                "has not been measured\n",
                row.weights, row.decode_expected, row.prefill_expected,
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
            {"rows", rows}};
}

}  // namespace hearth::plan
