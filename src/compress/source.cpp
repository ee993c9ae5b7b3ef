// compress/source.cpp - groups the parts of NVFP4 and FP8 linears and refuses what is quantized in other
// ways.
#include "compress/source.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "models/architecture.h"
#include "models/tensor_names.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

std::string_view without(std::string_view name, std::string_view suffix) {
    name.remove_suffix(suffix.size());
    return name;
}

Result<float> read_scale(const TensorView& view, std::string_view where) {
    float scale = 0;
    if (view.dtype != DType::f32 || view.bytes.size() != sizeof scale)
        return fail(Fault::corrupt, "{}: expected one float32, saw {} {}", where, info(view.dtype).name,
                    view.shape.text());
    std::memcpy(&scale, view.bytes.data(), sizeof scale);
    if (!std::isfinite(scale) || scale <= 0)
        return fail(Fault::corrupt, "{}: expected a positive number, saw {}", where, scale);
    return scale;
}

bool is_part_of_nvfp4(const formats::Safetensors& file, std::string_view name) {
    for (const std::string_view suffix : {".weight_scale", ".weight_scale_2", ".weight_global_scale"}) {
        if (!name.ends_with(suffix)) continue;
        const std::string module(without(name, suffix));
        const auto* weight = file.find(module + ".weight");
        return file.find(module + ".weight_packed") != nullptr ||
               (weight != nullptr && weight->dtype == DType::u8);
    }
    return false;
}

bool is_fp8_weight(const formats::SafetensorsEntry* entry) {
    return entry != nullptr && entry->dtype == DType::f8_e4m3 && entry->shape.rank() >= 2;
}

// "m.weight_scale_inv" beside "m.weight"; stacks of experts go by "m.gate_up_proj" too.
constexpr std::string_view kScaleSuffixes[] = {"_scale_inv", "_scale", ".weight_scale_inv", ".weight_scale"};
constexpr std::string_view kActivationSuffixes[] = {".input_scale", ".activation_scale"};

const formats::SafetensorsEntry* fp8_scales(const formats::Safetensors& file, std::string_view weight) {
    for (const std::string_view suffix : kScaleSuffixes)
        if (const auto* scales = file.find(fmt::format("{}{}", weight, suffix))) return scales;
    return nullptr;
}

bool belongs_to_fp8(const formats::Safetensors& file, std::string_view name,
                    std::span<const std::string_view> suffixes, std::string_view ending) {
    for (const std::string_view suffix : suffixes)
        if (name.ends_with(suffix) &&
            is_fp8_weight(file.find(fmt::format("{}{}", without(name, suffix), ending))))
            return true;
    return false;
}

// gpt-oss's experts: "m.gate_up_proj_blocks" with "m.gate_up_proj_scales" beside it.
bool is_mxfp4_codes(const formats::Safetensors& file, const formats::SafetensorsEntry& entry) {
    constexpr std::string_view kSuffix = "_blocks";
    return entry.dtype == DType::u8 && entry.name.ends_with(kSuffix) &&
           file.find(fmt::format("{}_scales", without(entry.name, kSuffix))) != nullptr;
}

}  // namespace

Result<Source> Source::open(const fs::path& path) {
    Source source;
    source.path_ = path;
    std::error_code ignored;
    if (path.extension() == ".gguf") {
        HEARTH_TRY(source.gguf_, formats::Gguf::open(path));
        HEARTH_TRY_STATUS(source.read_gguf());
        return source;
    }
    if (!fs::exists(path, ignored))
        return fail(Fault::not_found, "{}: no such model folder or file", path.string());
    if (!fs::is_directory(path, ignored))
        return fail(Fault::usage, "{}: expected a model folder with config.json, or a .gguf file",
                    path.string());
    HEARTH_TRY(const std::string text, read_text(path / "config.json", kTextFileBytesMax));
    HEARTH_TRY(source.config_, parse_json(text, (path / "config.json").string()));
    HEARTH_TRY(source.safetensors_, formats::Safetensors::open(path));
    HEARTH_TRY_STATUS(source.read_safetensors());
    return source;
}

Status Source::add_nvfp4(const formats::SafetensorsEntry& codes, std::string_view module, bool reciprocal) {
    const std::string scales_name = fmt::format("{}.weight_scale", module);
    const std::string scale_name =
        fmt::format("{}.{}", module, reciprocal ? "weight_global_scale" : "weight_scale_2");
    const auto* scales = safetensors_->find(scales_name);
    const auto* scale = safetensors_->find(scale_name);
    if (scales == nullptr || scale == nullptr)
        return fail(Fault::corrupt, "{}: {}: expected {} beside it, saw none", path_.string(), codes.name,
                    scales == nullptr ? scales_name : scale_name);
    SourceTensor tensor;
    tensor.name = tensor.hf_name = fmt::format("{}.weight", module);
    tensor.dtype = DType::nvfp4;
    tensor.view = safetensors_->view(codes);
    tensor.scales = safetensors_->view(*scales);
    tensor.file = codes.file;
    HEARTH_TRY(const float stored, read_scale(safetensors_->view(*scale), scale_name));
    tensor.tensor_scale = reciprocal ? 1.0f / stored : stored;
    const Shape& packed = codes.shape;
    if (packed.rank() != 2 || packed.back() > INT64_MAX / 2 || packed.back() * 2 % quant::kNvfp4Group != 0 ||
        scales->dtype != DType::f8_e4m3 ||
        scales->shape != Shape({packed[0], packed[1] * 2 / quant::kNvfp4Group}))
        return fail(Fault::corrupt, "{}: expected E4M3 scales for each 16 weights of {} {}, saw {} {}",
                    scales_name, codes.name, packed.text(), info(scales->dtype).name, scales->shape.text());
    tensor.shape = {packed[0], packed[1] * 2};
    tensor.bytes = tensor.view.bytes.size() + tensor.scales->bytes.size() + sizeof(float);
    tensors_.push_back(std::move(tensor));
    return {};
}

Status Source::add_fp8(const formats::SafetensorsEntry& codes, models::ScaleBlock configured) {
    const auto* scales = fp8_scales(*safetensors_, codes.name);
    if (scales == nullptr)
        return fail(Fault::corrupt, "{}: {}: expected {}_scale or {}_scale_inv beside FP8 codes, saw neither",
                    path_.string(), codes.name, codes.name, codes.name);
    SourceTensor tensor;
    tensor.name = tensor.hf_name = codes.name;
    tensor.dtype = codes.dtype;
    tensor.shape = codes.shape;
    tensor.view = safetensors_->view(codes);
    tensor.scales = safetensors_->view(*scales);
    tensor.file = codes.file;
    tensor.bytes = tensor.view.bytes.size() + tensor.scales->bytes.size();
    // The numbers are looked at and dropped: a large model has a hundred megabytes of them.
    auto read = models::read_fp8_scales(scales->name, *tensor.scales, tensor.shape, configured);
    if (!read) return fail(read.error().at(path_.string()));
    tensor.scale_block = read->block;
    tensors_.push_back(std::move(tensor));
    return {};
}

Status Source::read_safetensors() {
    models::ScaleBlock scale_block;
    if (const auto quantization =
            JsonCursor(config_, (path_ / "config.json").string()).find("quantization_config")) {
        HEARTH_TRY(scale_block, models::read_scale_block(*quantization));
    }
    std::vector<const formats::SafetensorsEntry*> order;
    for (const auto& entry : safetensors_->entries()) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
        return std::tuple(a->file, a->begin, a->end) < std::tuple(b->file, b->begin, b->end);
    });
    for (const auto* entry : order) {
        const std::string_view name = entry->name;
        if (is_part_of_nvfp4(*safetensors_, name)) continue;
        if (name.ends_with(".weight_packed")) {
            HEARTH_TRY_STATUS(add_nvfp4(*entry, without(name, ".weight_packed"), true));
            continue;
        }
        if (name.ends_with(".weight") && entry->dtype == DType::u8) {
            HEARTH_TRY_STATUS(add_nvfp4(*entry, without(name, ".weight"), false));
            continue;
        }
        if (belongs_to_fp8(*safetensors_, name, kScaleSuffixes, "")) continue;
        if (belongs_to_fp8(*safetensors_, name, kActivationSuffixes, ".weight")) {
            left_out_.push_back(entry->name);
            continue;
        }
        if (is_fp8_weight(entry)) {
            HEARTH_TRY_STATUS(add_fp8(*entry, scale_block));
            continue;
        }
        if (name.ends_with(".weight") && (entry->dtype == DType::f8_e4m3 || entry->dtype == DType::f8_e5m2))
            return fail(Fault::unsupported,
                        "{}: {}: expected plain numbers, NVFP4 or matrices of FP8 E4M3, saw {} {}",
                        path_.string(), name, info(entry->dtype).name, entry->shape.text());
        if (is_mxfp4_codes(*safetensors_, *entry))
            return fail(Fault::unsupported, "{}: {}: expected unquantized, NVFP4 or FP8 weights, saw MXFP4",
                        path_.string(), name);
        const TensorView view = safetensors_->view(*entry);
        tensors_.push_back({entry->name, entry->name, entry->dtype, entry->shape, view, std::nullopt, 1,
                            view.bytes.size(), entry->file, models::ScaleBlock()});
    }
    return refuse_other_quantization();
}

// A config that speaks of quantization while no tensor is NVFP4 or FP8 means weights of a kind unknown here
// (GPTQ, AWQ, bitsandbytes): to copy them under a new config would make a model that nobody can read.
Status Source::refuse_other_quantization() const {
    const JsonCursor config(config_, (path_ / "config.json").string());
    const auto quantization = config.find("quantization_config");
    const bool known = std::any_of(tensors_.begin(), tensors_.end(), [](const SourceTensor& tensor) {
        return tensor.dtype == DType::nvfp4 || tensor.dtype == DType::f8_e4m3;
    });
    if (!quantization || known) return {};
    HEARTH_TRY(const std::string method, quantization->string_or("quant_method", "no method"));
    return fail(Fault::unsupported, "{}: expected unquantized, NVFP4 or FP8 weights, saw {}",
                quantization->where(), method);
}

Status Source::read_gguf() {
    for (const auto& entry : gguf_->entries()) {
        const std::string_view name = entry.name;
        if (name.ends_with(".scale")) {
            const auto* weight = gguf_->find(fmt::format("{}.weight", without(name, ".scale")));
            if (weight != nullptr && weight->dtype == DType::nvfp4) continue;
        }
        const TensorView view = gguf_->view(entry);
        SourceTensor tensor{entry.name,  models::hf_tensor_name(name).value_or(entry.name),
                            entry.dtype, entry.shape,
                            view,        std::nullopt,
                            1,           view.bytes.size(),
                            entry.file,  models::ScaleBlock()};
        if (entry.dtype == DType::nvfp4 && name.ends_with(".weight")) {
            const auto* scale = gguf_->find(fmt::format("{}.scale", without(name, ".weight")));
            if (scale != nullptr) {
                HEARTH_TRY(tensor.tensor_scale, read_scale(gguf_->view(*scale), scale->name));
                tensor.bytes += sizeof(float);
            }
        } else if (info(entry.dtype).block_elems > 1) {
            return fail(Fault::unsupported, "{}: {}: expected unquantized weights, saw {}", path_.string(),
                        name, info(entry.dtype).name);
        }
        tensors_.push_back(std::move(tensor));
    }
    return {};
}

Result<std::map<std::string, int>> Source::fused_groups() const {
    models::ModelConfig config;
    if (gguf_) {
        HEARTH_TRY(config, models::read_gguf_config(*gguf_, path_.string()));
    } else {
        HEARTH_TRY(config, models::read_hf_config(config_, (path_ / "config.json").string()));
    }
    std::map<std::string, int> groups;
    const models::Program program = models::find_architecture(config.architecture)->build(config);
    for (const models::TensorSpec& tensor : program.tensors)
        if (tensor.fused_group != models::kNone) groups.emplace(tensor.name, tensor.fused_group);
    return groups;
}

Result<Json> Source::fingerprint() const {
    std::vector<fs::path> paths;
    std::error_code error;
    if (gguf_) {
        paths = gguf_->paths();
    } else {
        for (const auto& entry : fs::directory_iterator(path_, error))
            if (entry.is_regular_file(error)) paths.push_back(entry.path());
        if (error) return fail(io_error(path_, "cannot list the folder", error.value()));
    }
    std::sort(paths.begin(), paths.end());
    boost::json::array files;
    for (const fs::path& path : paths) {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) return fail(io_error(path, "cannot look at", errno));
        files.push_back({{"path", fs::absolute(path).lexically_normal().string()},
                         {"bytes", std::int64_t{status.st_size}},
                         {"seconds", std::int64_t{status.st_mtim.tv_sec}},
                         {"nanoseconds", std::int64_t{status.st_mtim.tv_nsec}}});
    }
    return Json(std::move(files));
}

void Source::release(const SourceTensor& tensor) const {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (const TensorView* view : {&tensor.view, tensor.scales ? &*tensor.scales : nullptr}) {
        if (view == nullptr || view->bytes.empty()) continue;
        const auto begin = reinterpret_cast<std::uintptr_t>(view->bytes.data());
        const std::uintptr_t first = begin / page * page, last = begin + view->bytes.size();
        // Only advice about a read-only map of a file: were it refused, nothing would be lost.
        static_cast<void>(::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED));
    }
}

std::vector<std::string> Source::shard_names() const {
    std::vector<std::string> names;
    for (const MappedFile& file : safetensors_->files()) names.push_back(file.path().filename().string());
    return names;
}

}  // namespace hearth::compress
