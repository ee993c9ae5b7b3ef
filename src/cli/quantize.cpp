// cli/quantize.cpp - hearth quantize SRC DST: a smaller model, and what it cost in accuracy tensor by tensor.
#include <algorithm>
#include <map>

#include "base/terminal.h"
#include "cli/command.h"
#include "cli/quantizing.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string source, target, type = "nvfp4", out_format;
    std::vector<std::string> keep;
    bool force = false;
};

constexpr std::size_t kWorstShown = 5;

struct Sum {
    std::size_t tensors = 0;
    std::uint64_t before = 0, after = 0;
};

void add_row(Table& table, const std::string& from, const std::string& to, const Sum& sum) {
    const double ratio = sum.after > 0 ? static_cast<double>(sum.before) / static_cast<double>(sum.after) : 0;
    table.add({from, to, fmt::format("{}", sum.tensors), bytes_text(static_cast<double>(sum.before)),
               bytes_text(static_cast<double>(sum.after)), fmt::format("{:.2f}x", ratio)});
}

std::string by_type(const compress::Report& report) {
    using enum Table::Align;
    std::map<std::pair<std::string, std::string>, Sum> sums;
    Sum all;
    for (const auto& tensor : report.tensors)
        for (Sum* sum :
             {&sums[{std::string(info(tensor.from).name), std::string(info(tensor.to).name)}], &all}) {
            sum->tensors += 1;
            sum->before += tensor.bytes_before;
            sum->after += tensor.bytes_after;
        }
    Table table(
        {{"from"}, {"to"}, {"tensors", right}, {"before", right}, {"after", right}, {"ratio", right}});
    for (const auto& [types, sum] : sums) add_row(table, types.first, types.second, sum);
    add_row(table, "all", "", all);
    return table.text();
}

std::string worst(const compress::Report& report) {
    std::vector<const compress::TensorRecord*> order;
    for (const auto& tensor : report.tensors)
        if (tensor.kept_because.empty() && tensor.relative_rmse > 0) order.push_back(&tensor);
    std::sort(order.begin(), order.end(),
              [](const auto* a, const auto* b) { return a->relative_rmse > b->relative_rmse; });
    if (order.empty()) return {};
    Table table({{"largest errors"}, {"shape"}, {"relative error", Table::Align::right}});
    for (std::size_t i = 0; i < std::min(order.size(), kWorstShown); ++i)
        table.add(
            {order[i]->name, order[i]->shape.text(), fmt::format("{:.2f} %", 100 * order[i]->relative_rmse)});
    return "\n" + table.text();
}

std::string kept(const compress::Report& report) {
    std::map<std::string, Sum> reasons;
    for (const auto& tensor : report.tensors) {
        if (tensor.kept_because.empty()) continue;
        reasons[tensor.kept_because].tensors += 1;
        reasons[tensor.kept_because].after += tensor.bytes_after;
    }
    if (reasons.empty()) return {};
    using enum Table::Align;
    Table table({{"kept because"}, {"tensors", right}, {"bytes", right}});
    for (const auto& [why, sum] : reasons)
        table.add({why, fmt::format("{}", sum.tensors), bytes_text(static_cast<double>(sum.after))});
    return "\n" + table.text();
}

Result<int> run(const Options& options, const GlobalOptions& global) {
    compress::Options request;
    request.source = options.source;
    request.target = options.target;
    const auto type = compress::target_type_from_name(options.type);
    if (!type)
        return fail(Fault::usage, "--type: expected {}, saw {}", compress::target_type_names(), options.type);
    request.type = type->dtype;
    request.mix = type->mix;
    // A name that ends in .gguf says it; otherwise a folder.
    const bool gguf =
        options.out_format.empty() ? request.target.extension() == ".gguf" : options.out_format == "gguf";
    request.out_format = gguf ? compress::OutFormat::gguf : compress::OutFormat::hf;
    request.replace = options.force;
    request.threads = global.threads;
    request.keep = options.keep;
    HEARTH_TRY(const compress::Report report, quantize_with_progress(std::move(request)));
    if (global.json) {
        HEARTH_TRY_STATUS(print_json(compress::to_json_value(report)));
        return 0;
    }
    HEARTH_TRY_STATUS(print(fmt::format(
        "{} -> {}: {} in {}, {:.2f} bits per weight ({:.2f} of what was quantized)\n\n{}{}{}", report.source,
        report.target, report.type, seconds_text(report.seconds), report.bits_per_weight(),
        report.bits_per_quantized_weight(), by_type(report), kept(report), worst(report))));
    if (report.resumed_tensors > 0)
        HEARTH_TRY_STATUS(print(fmt::format(
            "\nwent on with an interrupted run: {} tensors were done already\n", report.resumed_tensors)));
    if (!report.left_out.empty())
        HEARTH_TRY_STATUS(print(fmt::format("\nleft out, no place in GGUF: {} tensors, the first {}\n",
                                            report.left_out.size(), report.left_out[0])));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("SRC", options->source, "a model folder (safetensors) or a .gguf file")->required();
    app.add_option("DST", options->target, "the folder or .gguf file to write")->required();
    std::vector<std::string> types;
    for (const compress::TargetType& type : compress::target_types()) types.emplace_back(type.name);
    app.add_option("--type", options->type,
                   "what the weights become; q4_k_m mixes Q4_K and Q6_K as llama.cpp does, head included")
        ->check(CLI::IsMember(types))
        ->capture_default_str();
    app.add_option("--out-format", options->out_format,
                   "hf: a folder in ModelOpt's layout (nvfp4); gguf: one file (default: as DST's name says)")
        ->check(CLI::IsMember({"hf", "gguf"}));
    app.add_option("--keep", options->keep,
                   "leave tensors as they are whose name matches this glob; may repeat")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_flag("--force", options->force, "replace DST when it exists");
    return [options, &global] { return run(*options, global); };
}

}  // namespace

Result<compress::Report> quantize_with_progress(compress::Options request) {
    std::unique_ptr<Progress> progress;
    std::uint64_t shown = 0;
    request.on_progress = [&](std::uint64_t done, std::uint64_t total, std::string_view name) {
        if (!progress) progress = std::make_unique<Progress>("quantize", total, "B");
        progress->advance(done - shown, name);
        shown = done;
    };
    return compress::quantize(request);
}

const Command kQuantize = {"quantize",
                           "make a model smaller: NVFP4, MXFP4, Q4_K and other types of 4 to 8 bits", setup};

}  // namespace hearth::cli
