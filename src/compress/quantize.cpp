// compress/quantize.cpp - checks the request, decides about each tensor, and hands over to the output.
#include "compress/quantize.h"

#include <signal.h>

#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>

#include "compress/recipe.h"
#include "compress/work.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

std::string_view name_of(OutFormat format) { return format == OutFormat::hf ? "hf" : "gguf"; }

// Weights that share a scale, and so the number that a row must be a multiple of.
std::int64_t group_of(const Options& options) {
    if (options.type != DType::nvfp4) return info(options.type).block_elems;
    return options.out_format == OutFormat::hf ? quant::kNvfp4Group : quant::kNvfp4GgufBlock;
}

// A run that was killed leaves "<target>.partial-<pid>" behind; those whose process is gone are taken away.
void remove_stale_partials(const fs::path& target) {
    std::error_code error;
    const fs::path folder = target.parent_path().empty() ? fs::path(".") : target.parent_path();
    const std::string prefix = target.filename().string() + ".partial-";
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(prefix)) continue;
        int pid = 0;
        const char* end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + prefix.size(), end, pid);
        if (parsed.ec != std::errc() || parsed.ptr != end || pid <= 0) continue;
        if (::kill(pid, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), error);
    }
}

Status check(const Options& options) {
    if (options.type != DType::nvfp4 && options.type != DType::q8_0 && options.type != DType::q4_0)
        return fail(Fault::usage, "--type: expected nvfp4, q8_0 or q4_0, saw {}", info(options.type).name);
    if (options.out_format == OutFormat::hf && options.type != DType::nvfp4)
        return fail(Fault::usage,
                    "--type {}: Hugging Face folders have no such format; use --out-format gguf",
                    info(options.type).name);
    std::error_code error;
    if (fs::exists(options.target, error) && fs::equivalent(options.source, options.target, error))
        return fail(Fault::usage, "{}: expected a target other than the source", options.target.string());
    if (!options.replace && fs::exists(options.target, error))
        return fail(Fault::usage, "{}: the target exists already; name another or pass --force",
                    options.target.string());
    if (options.out_format == OutFormat::gguf && fs::is_directory(options.target, error))
        return fail(Fault::usage, "{}: expected a file name for GGUF output, saw a folder",
                    options.target.string());
    return {};
}

}  // namespace

double Report::bits_per_weight() const {
    double weights = 0;
    for (const TensorRecord& tensor : tensors) weights += static_cast<double>(tensor.shape.n_elems());
    return weights > 0 ? static_cast<double>(bytes_after) * 8 / weights : 0;
}

double Report::bits_per_quantized_weight() const {
    double weights = 0, bytes = 0;
    for (const TensorRecord& tensor : tensors) {
        if (!tensor.kept_because.empty()) continue;
        weights += static_cast<double>(tensor.shape.n_elems());
        bytes += static_cast<double>(tensor.bytes_after);
    }
    return weights > 0 ? bytes * 8 / weights : 0;
}

double relative_rmse(const Encoded& encoded) {
    return encoded.squared_sum > 0 ? std::sqrt(encoded.squared_error / encoded.squared_sum) : 0;
}

Work::Work(const Options& options, const Source& source)
    : options_(options), pool_(ThreadPool::Options{.threads = options.threads}) {
    for (const SourceTensor& tensor : source.tensors()) {
        total_ += tensor.bytes;
        const bool repack = tensor.dtype == DType::nvfp4;
        decisions_.push_back({&tensor, repack ? std::string()
                                              : kept_because(tensor.hf_name, tensor.dtype, tensor.shape,
                                                             group_of(options), options.keep)});
        if (decisions_.back().kept_because.empty() && !repack)
            groups_[fused_group(tensor.hf_name)].push_back(&tensor);
    }
}

Result<float> Work::tensor_scale(const SourceTensor& tensor) {
    if (tensor.dtype == DType::nvfp4) return tensor.tensor_scale;
    const std::string group = fused_group(tensor.hf_name);
    const auto known = scales_.find(group);
    if (known != scales_.end()) return known->second;
    float amax = 0;
    for (const SourceTensor* member : groups_.at(group)) {
        HEARTH_TRY(const float own, largest_magnitude(pool_, *member));
        amax = std::max(amax, own);
    }
    const float scale = quant::nvfp4_tensor_scale(amax);
    scales_.emplace(group, scale);
    return scale;
}

void Work::advance(const SourceTensor& tensor) {
    done_ += tensor.bytes;
    if (options_.on_progress) options_.on_progress(done_, total_, tensor.name);
}

Result<Report> quantize(const Options& given) {
    Options options = given;
    if (!options.target.has_filename()) options.target = options.target.parent_path();  // "out/" is "out"
    const auto start = std::chrono::steady_clock::now();
    HEARTH_TRY_STATUS(check(options));
    HEARTH_TRY(const Source source, Source::open(options.source));
    remove_stale_partials(options.target);
    Work work(options, source);
    if (options.type != DType::nvfp4)
        for (const SourceTensor& tensor : source.tensors())
            if (tensor.dtype == DType::nvfp4)
                return fail(Fault::unsupported, "{}: {}: expected unquantized weights for {}, saw nvfp4",
                            options.source.string(), tensor.name, info(options.type).name);
    work.report.source = options.source.string();
    work.report.target = options.target.string();
    work.report.type = options.type;
    work.report.out_format = options.out_format;
    HEARTH_TRY_STATUS(options.out_format == OutFormat::hf ? write_hf(options, source, work)
                                                          : write_gguf(options, source, work));
    work.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(work.report);
}

Json to_json_value(const Report& report) {
    boost::json::array tensors;
    for (const TensorRecord& tensor : report.tensors) {
        boost::json::array shape;
        for (const std::int64_t dim : tensor.shape.dims()) shape.emplace_back(dim);
        boost::json::object row = {{"name", tensor.name},
                                   {"shape", std::move(shape)},
                                   {"from", info(tensor.from).name},
                                   {"to", info(tensor.to).name},
                                   {"bytes_before", tensor.bytes_before},
                                   {"bytes_after", tensor.bytes_after},
                                   {"relative_rmse", tensor.relative_rmse}};
        if (!tensor.kept_because.empty()) row["kept_because"] = tensor.kept_because;
        tensors.push_back(std::move(row));
    }
    boost::json::array left_out;
    for (const std::string& name : report.left_out) left_out.emplace_back(name);
    return boost::json::object{{"program", "hearth " HEARTH_VERSION},
                               {"source", report.source},
                               {"target", report.target},
                               {"type", info(report.type).name},
                               {"out_format", name_of(report.out_format)},
                               {"bytes_before", report.bytes_before},
                               {"bytes_after", report.bytes_after},
                               {"bits_per_weight", report.bits_per_weight()},
                               {"bits_per_quantized_weight", report.bits_per_quantized_weight()},
                               {"left_out", std::move(left_out)},
                               {"tensors", std::move(tensors)}};
}

}  // namespace hearth::compress
