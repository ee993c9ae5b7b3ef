// compress/quantize.cpp - checks the request, decides about each tensor, and hands over to the output.
#include "compress/quantize.h"

#include <signal.h>

#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>

#include "base/log.h"
#include "compress/work.h"
#include "models/recipe.h"
#include "models/tensor_names.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

std::string_view name_of(OutFormat format) { return format == OutFormat::hf ? "hf" : "gguf"; }

std::string name_of(DType type, bool mix) {
    for (const TargetType& target : target_types())
        if (target.dtype == type && target.mix == mix) return std::string(target.name);
    return std::string(info(type).name);
}

// Weights that share a scale, and so the number that a row must be a multiple of.
std::int64_t group_size(const Options& options, std::int64_t n_cols) {
    if (options.type != DType::nvfp4) return info(fallback_for_rows(options.type, n_cols)).block_elems;
    return options.out_format == OutFormat::hf ? quant::kNvfp4Group : quant::kNvfp4GgufBlock;
}

constexpr std::string_view kPartialMark = ".partial-";

// A run that was killed leaves "<target>.partial-<pid>" behind; those whose process is gone are taken away.
void remove_stale_partials(const fs::path& folder, const std::string& prefix) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        const std::size_t dot = name.rfind(kPartialMark);
        if (!name.starts_with(prefix) || dot == std::string::npos) continue;
        int pid = 0;
        const char* end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + dot + kPartialMark.size(), end, pid);
        if (parsed.ec != std::errc() || parsed.ptr != end || pid <= 0) continue;
        if (::kill(pid, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), error);
    }
}

// Of an earlier run: what this one goes on with stays, everything else goes.
void remove_leftovers(const fs::path& target, bool continues) {
    std::error_code error;
    const fs::path folder = target.parent_path().empty() ? fs::path(".") : target.parent_path();
    remove_stale_partials(folder, target.filename().string() + ".");
    const fs::path partial = partial_path(target);
    if (!continues) fs::remove_all(partial, error);
    if (!fs::is_directory(partial, error)) return;
    remove_stale_partials(partial, "");
    std::vector<fs::path> whole;  // shards that were finished are looked at again
    for (const auto& entry : fs::directory_iterator(partial, error))
        if (entry.path().extension() == ".safetensors") whole.push_back(entry.path());
    for (const fs::path& path : whole) fs::rename(path, partial_path(path), error);
}

Status check(const Options& options) {
    const auto named = target_type_from_name(name_of(options.type, options.mix));
    if (!named || named->mix != options.mix)
        return fail(Fault::usage, "--type: expected {}, saw {}{}", target_type_names(),
                    info(options.type).name, options.mix ? " as a mix" : "");
    if (options.out_format == OutFormat::hf && options.type != DType::nvfp4)
        return fail(Fault::usage,
                    "--type {}: Hugging Face folders have no such format; use --out-format gguf",
                    name_of(options.type, options.mix));
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

Result<Work> Work::open(const Options& options, const Source& source) {
    std::map<std::string, int> fused;
    if (options.type == DType::nvfp4) {
        HEARTH_TRY(fused, source.fused_groups());
    }
    boost::json::array keep(options.keep.begin(), options.keep.end());
    HEARTH_TRY(Json files, source.fingerprint());
    const Json job = {{"program", "hearth " HEARTH_VERSION},
                      {"type", name_of(options.type, options.mix)},
                      {"out_format", name_of(options.out_format)},
                      {"keep", std::move(keep)},
                      {"source", std::move(files)}};
    HEARTH_TRY(Journal journal, Journal::open(options.target, job));
    remove_leftovers(options.target, journal.continues());
    if (journal.other_job())
        log::warning("{}: an interrupted run had another source or recipe; starting anew",
                     options.target.string());
    return Work(options, source, std::move(journal), std::move(fused));
}

Work::Work(const Options& options, const Source& source, Journal journal, std::map<std::string, int> fused)
    : options_(options),
      source_(source),
      journal_(std::move(journal)),
      fused_(std::move(fused)),
      pool_(std::make_unique<ThreadPool>(ThreadPool::Options{.threads = options.threads})) {
    decide();
}

void Work::decide() {
    report.left_out = source_.left_out();
    // The mix asks which layer of how many, and whether the embedding is the head too.
    std::int64_t n_layers = 0;
    bool tied = true;
    for (const SourceTensor& tensor : source_.tensors()) {
        const auto name = models::gguf_tensor_name(tensor.hf_name);
        if (!name) continue;
        n_layers = std::max(n_layers, layer_of(*name).value_or(-1) + 1);
        if (*name == "output.weight") tied = false;
    }
    for (const SourceTensor& tensor : source_.tensors()) {
        total_ += tensor.bytes;
        decisions_.push_back(decision(tensor, n_layers, tied));
        if (decisions_.back().kept_because.empty() && tensor.dtype != DType::nvfp4)
            groups_[group_of(tensor)].push_back(&tensor);
    }
}

Decision Work::decision(const SourceTensor& tensor, std::int64_t n_layers, bool tied) const {
    if (tensor.dtype == DType::nvfp4) return {&tensor, {}, DType::nvfp4};
    const std::int64_t n_cols = tensor.shape.rank() > 0 ? tensor.shape.back() : 1;
    const std::int64_t group = group_size(options_, n_cols);
    const auto name = models::gguf_tensor_name(tensor.hf_name);
    const bool end = name && (*name == "token_embd.weight" || *name == "output.weight");
    std::string why;
    if (options_.mix && end) {  // the mix has a type for what the plain types keep: any other name will do
        for (const std::string& pattern : options_.keep)
            if (models::glob_matches(pattern, tensor.hf_name)) why = fmt::format("--keep {}", pattern);
        if (why.empty()) why = models::kept_because(".weight", tensor.kept_as(), tensor.shape, group, {});
    } else {
        why = models::kept_because(tensor.hf_name, tensor.kept_as(), tensor.shape, group, options_.keep);
    }
    const DType wanted = options_.mix && name ? type_in_mix(*name, n_layers, tied) : options_.type;
    return {&tensor, std::move(why), fallback_for_rows(wanted, n_cols)};
}

Result<float> Work::tensor_scale(const SourceTensor& tensor) {
    if (tensor.dtype == DType::nvfp4) return tensor.tensor_scale;
    const std::string group = group_of(tensor);
    const auto known = scales_.find(group);
    if (known != scales_.end()) return known->second;
    if (const JournalEntry* earlier = journal_.find(tensor.name))
        return scales_.emplace(group, earlier->tensor_scale).first->second;
    float amax = 0;
    for (const SourceTensor* member : groups_.at(group)) {
        HEARTH_TRY(const float own, largest_magnitude(*pool_, *member));
        amax = std::max(amax, own);
    }
    const float scale = quant::nvfp4_tensor_scale(amax);
    scales_.emplace(group, scale);
    return scale;
}

std::string Work::group_of(const SourceTensor& tensor) const {
    const auto found = fused_.find(tensor.hf_name);
    return found == fused_.end() ? tensor.hf_name : fmt::format("group {}", found->second);
}

Status Work::finish(const SourceTensor& tensor, TensorRecord record, std::vector<JournalEntry::Part> parts) {
    if (record.kept_because.empty()) {
        const auto scale = scales_.find(group_of(tensor));
        HEARTH_TRY_STATUS(journal_.add(tensor.name, {scale == scales_.end() ? 1.0f : scale->second,
                                                     record.relative_rmse, std::move(parts)}));
    }
    advance(tensor, std::move(record));
    return {};
}

void Work::finish_kept(const SourceTensor& tensor, TensorRecord record) {
    const JournalEntry& entry = *journal_.find(tensor.name);
    record.relative_rmse = entry.relative_rmse;
    record.bytes_after = 0;
    for (const JournalEntry::Part& part : entry.parts) record.bytes_after += part.bytes;
    report.resumed_tensors += 1;
    advance(tensor, std::move(record));
}

void Work::advance(const SourceTensor& tensor, TensorRecord record) {
    report.bytes_before += record.bytes_before;
    report.bytes_after += record.bytes_after;
    report.tensors.push_back(std::move(record));
    source_.release(tensor);
    done_ += tensor.bytes;
    if (options_.on_progress) options_.on_progress(done_, total_, tensor.name);
}

Result<Report> quantize(const Options& given) {
    Options options = given;
    if (!options.target.has_filename()) options.target = options.target.parent_path();  // "out/" is "out"
    const auto start = std::chrono::steady_clock::now();
    HEARTH_TRY_STATUS(check(options));
    HEARTH_TRY(const Source source, Source::open(options.source));
    if (options.type != DType::nvfp4)
        for (const SourceTensor& tensor : source.tensors())
            if (tensor.dtype == DType::nvfp4)
                return fail(Fault::unsupported, "{}: {}: expected unquantized weights for {}, saw nvfp4",
                            options.source.string(), tensor.name, name_of(options.type, options.mix));
    HEARTH_TRY(Work work, Work::open(options, source));
    work.report.source = options.source.string();
    work.report.target = options.target.string();
    work.report.type = name_of(options.type, options.mix);
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
                               {"type", report.type},
                               {"out_format", name_of(report.out_format)},
                               {"bytes_before", report.bytes_before},
                               {"bytes_after", report.bytes_after},
                               {"bits_per_weight", report.bits_per_weight()},
                               {"bits_per_quantized_weight", report.bits_per_quantized_weight()},
                               {"left_out", std::move(left_out)},
                               {"tensors", std::move(tensors)}};
}

}  // namespace hearth::compress
