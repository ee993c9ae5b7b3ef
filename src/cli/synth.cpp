// cli/synth.cpp - hearth synth: a model of any shape and type with random weights, to measure speed with.
#include <boost/json.hpp>
#include <charconv>

#include "base/terminal.h"
#include "cli/command.h"
#include "compress/synthesize.h"
#include "models/shapes.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string arch = "qwen3", like = "1.7B", config, type = "nvfp4", embedding = "bf16", head = "bf16", out;
    std::string scales = "tensor";
    int layers = 0;
    std::uint64_t seed = 0;
    bool force = false;
};

Result<DType> type_of(const char* flag, const std::string& name) {
    if (name == "fp8") return DType::f8_e4m3;
    if (const auto type = dtype_from_name(name)) return *type;
    return fail(Fault::usage, "{}: expected a type as nvfp4, q4_k or bf16, saw {}", flag, name);
}

// "tensor", "rows" or "128x128".
Result<std::optional<models::ScaleBlock>> scale_block_of(const std::string& text) {
    using Block = std::optional<models::ScaleBlock>;
    if (text == "tensor") return Block();
    if (text == "rows") return Block({1, 0});
    models::ScaleBlock block;
    const char *begin = text.data(), *end = text.data() + text.size();
    const auto rows = std::from_chars(begin, end, block.rows);
    const bool crossed = rows.ec == std::errc() && rows.ptr != end && *rows.ptr == 'x';
    const auto cols = crossed ? std::from_chars(rows.ptr + 1, end, block.cols) : rows;
    if (!crossed || cols.ec != std::errc() || cols.ptr != end || block.rows < 1 || block.cols < 1)
        return fail(Fault::usage, "--scales: expected tensor, rows or a block as 128x128, saw {}", text);
    return Block(block);
}

Result<Json> config_of(const Options& options) {
    if (options.config.empty()) return models::published_shape(options.arch, options.like, options.layers);
    HEARTH_TRY(const std::string text, read_text(options.config, kTextFileBytesMax));
    HEARTH_TRY(Json config, parse_json(text, options.config));
    if (!config.is_object()) return fail(JsonCursor(config, options.config).wrong("an object"));
    if (options.layers > 0) config.get_object()["num_hidden_layers"] = options.layers;
    return config;
}

Result<int> run(const Options& options, const GlobalOptions& global) {
    compress::SynthesisOptions request;
    HEARTH_TRY(request.config, config_of(options));
    request.target = options.out;
    request.out_format =
        request.target.extension() == ".gguf" ? compress::OutFormat::gguf : compress::OutFormat::hf;
    request.name = options.config.empty() ? fmt::format("synthetic {} {}", options.arch, options.like)
                                          : std::string("synthetic");
    HEARTH_TRY(request.type, type_of("--type", options.type));
    HEARTH_TRY(request.embedding_type, type_of("--embedding", options.embedding));
    HEARTH_TRY(request.head_type, type_of("--head", options.head));
    HEARTH_TRY(request.scale_block, scale_block_of(options.scales));
    request.seed = options.seed;
    request.replace = options.force;
    request.threads = global.threads;
    std::unique_ptr<Progress> progress;
    std::uint64_t shown = 0;
    request.on_progress = [&](std::uint64_t done, std::uint64_t total, std::string_view name) {
        if (!progress) progress = std::make_unique<Progress>("synth", total, "B");
        progress->advance(done - shown, name);
        shown = done;
    };
    HEARTH_TRY(const compress::Synthesis made, compress::synthesize(request));
    progress.reset();
    if (global.json) {
        HEARTH_TRY_STATUS(print_json({{"target", made.target},
                                      {"architecture", made.architecture},
                                      {"type", std::string(info(request.type).name)},
                                      {"seed", options.seed},
                                      {"parameters", made.parameters},
                                      {"tensors", made.tensors},
                                      {"bytes", made.bytes},
                                      {"bits_per_weight", made.bits_per_weight()},
                                      {"seconds", made.seconds}}));
        return 0;
    }
    HEARTH_TRY_STATUS(print(fmt::format(
        "{}: {}, {:.2f} billion random weights, {}, {:.2f} bits each, in {}\n", made.target,
        made.architecture, static_cast<double>(made.parameters) / 1e9,
        bytes_text(static_cast<double>(made.bytes)), made.bits_per_weight(), seconds_text(made.seconds))));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("--arch", options->arch, "family: qwen3 (mixtures too) or llama")->capture_default_str();
    app.add_option("--like", options->like,
                   fmt::format("the published model whose shape it has; qwen3: {}; llama: {}",
                               models::published_sizes("qwen3"), models::published_sizes("llama")))
        ->capture_default_str();
    app.add_option("--config", options->config, "a config.json, in place of --arch and --like");
    app.add_option("--layers", options->layers, "layers, in place of the model's own")
        ->check(CLI::Range(1, 4096));
    app.add_option("--type", options->type, "of the linears: nvfp4, mxfp4, q4_0, q4_k, q8_0, fp8, bf16, ...")
        ->capture_default_str();
    app.add_option("--scales", options->scales,
                   "of fp8 in a folder: one a tensor, of rows, or of blocks as 128x128")
        ->capture_default_str();
    app.add_option("--embedding", options->embedding, "type of the embedding, and of a head tied to it")
        ->capture_default_str();
    app.add_option("--head", options->head, "type of a head of its own")->capture_default_str();
    app.add_option("--seed", options->seed, "of the random weights")->capture_default_str();
    app.add_option("--out", options->out, "FILE.gguf, or a folder for safetensors")->required();
    app.add_flag("--force", options->force, "replace what is there");
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kSynth = {"synth", "write a model of any shape and type with random weights, to measure with",
                        setup};

}  // namespace hearth::cli
