// models/checkpoint.cpp - finds tensors in either container and recognises how they are quantized by what
// they are.
#include "models/checkpoint.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "models/architecture.h"
#include "models/config_keys.h"
#include "models/expert_tensors.h"
#include "models/tensor_names.h"
#include "quant/formats.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::models {
namespace {

Status expect_shape(std::string_view name, const TensorView& view, const Shape& shape) {
    if (view.shape == shape) return {};
    return fail(Fault::corrupt, "{}: expected shape {}, saw {} {}", name, shape.text(), info(view.dtype).name,
                view.shape.text());
}

std::string_view without_suffix(std::string_view name, std::string_view suffix) {
    return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

// generation_config.json may name more end tokens than config.json does.
Status add_generation_config(const fs::path& folder, ModelConfig& config) {
    const fs::path path = folder / "generation_config.json";
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return {};
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(const Json json, parse_json(text, path.string()));
    return add_eos_ids(JsonCursor(json, path.string()), config);
}

}  // namespace

Result<std::vector<float>> decoded(const LinearSource& source) {
    const Shape& shape = source.weight.shape;
    if (source.scales) {
        const auto span_of = [](const TensorView& view) {
            return std::span(reinterpret_cast<const std::uint8_t*>(view.bytes.data()), view.bytes.size());
        };
        const quant::Nvfp4Tensor tensor{shape[0], 2 * shape[1], span_of(source.weight),
                                        span_of(*source.scales), 1};
        std::vector<float> values(static_cast<std::size_t>(tensor.n_rows * tensor.n_cols));
        for (std::int64_t r = 0; r < tensor.n_rows; ++r)
            quant::nvfp4_decode_row(tensor, r, values.data() + r * tensor.n_cols);
        return values;
    }
    std::vector<float> values(static_cast<std::size_t>(shape.n_elems()));
    HEARTH_TRY_STATUS(quant::decode(source.weight, values));
    if (source.fp8.values.empty()) return values;
    const auto cols = static_cast<std::size_t>(shape[1]);
    for (std::int64_t r = 0; r < shape[0]; ++r)
        multiply_row(source.fp8, shape, r,
                     std::span(values).subspan(static_cast<std::size_t>(r) * cols, cols));
    return values;
}

Result<Checkpoint> Checkpoint::open(const fs::path& path) {
    Checkpoint checkpoint;
    checkpoint.path_ = path;
    std::error_code error;
    if (!fs::exists(path, error))
        return fail(Fault::not_found, "{}: expected a model folder or a .gguf file, saw nothing",
                    path.string());
    if (!fs::is_directory(path, error)) {
        HEARTH_TRY(formats::Gguf file, formats::Gguf::open(path));
        HEARTH_TRY(checkpoint.config_, read_gguf_config(file, path.string()));
        checkpoint.gguf_ = std::make_unique<formats::Gguf>(std::move(file));
        checkpoint.find_draft_layers();
        return checkpoint;
    }
    const fs::path config_path = path / "config.json";
    HEARTH_TRY(const std::string text, read_text(config_path, kTextFileBytesMax));
    HEARTH_TRY(const Json json, parse_json(text, config_path.string()));
    HEARTH_TRY(checkpoint.config_, read_hf_config(json, config_path.string()));
    HEARTH_TRY_STATUS(add_generation_config(path, checkpoint.config_));
    HEARTH_TRY(formats::Safetensors files, formats::Safetensors::open(path));
    checkpoint.safetensors_ = std::make_unique<formats::Safetensors>(std::move(files));
    checkpoint.find_prefixes();
    checkpoint.find_draft_layers();
    return checkpoint;
}

std::uint64_t Checkpoint::file_bytes() const {
    return gguf_ ? gguf_->file_bytes() : safetensors_->file_bytes();
}

std::vector<fs::path> Checkpoint::files() const {
    if (gguf_) return gguf_->paths();
    std::vector<fs::path> files = {path_ / "config.json"};
    for (const MappedFile& file : safetensors_->files()) files.push_back(file.path());
    return files;
}

// The names tell where the trunk is, not the config: a text model saved out of one with a vision tower may
// keep either spelling.
void Checkpoint::find_prefixes() {
    const std::string embedding =
        std::string(find_architecture(config_.architecture)->embedding_module) + ".weight";
    for (const char* trunk :
         {"model.", "model.language_model.", "language_model.model.", "language_model.", "bert.", ""})
        if (safetensors_->find(trunk + embedding) != nullptr) {
            trunk_ = trunk;
            break;
        }
    if (safetensors_->find("language_model.lm_head.weight") != nullptr) head_ = "language_model.lm_head.";
    // Beside a vision tower the outer config and the text's may disagree on whether the head is the
    // embedding.
    if (config_.has_other_towers && !has("lm_head.weight") && !has("lm_head.weight_packed"))
        config_.tied_embeddings = true;
}

// The tensors tell, not the config: many a quantized export has left them out. Families that mix windows or
// recurrent states with full attention, or dense layers with experts, say here what theirs are.
void Checkpoint::find_draft_layers() {
    ModelConfig& c = config_;
    const Architecture* architecture = find_architecture(c.architecture);
    if (architecture->draft_layer == nullptr || c.headless) return;
    const auto layer_has = [&](std::string_view module) {
        return has(fmt::format("model.layers.{}.{}.weight", c.n_layers + c.n_draft_layers, module));
    };
    while (c.n_draft_layers < kDraftLayersMax && layer_has("eh_proj") && layer_has("input_layernorm")) {
        if (!c.sliding.empty()) c.sliding.push_back(true);
        if (!c.sparse.empty()) c.sparse.push_back(layer_has("mlp.gate"));
        if (!c.linear.layers.empty()) c.linear.layers.push_back(false);
        if (!c.indexer.layers.empty()) c.indexer.layers.push_back(layer_has("self_attn.indexer.wk"));
        if (!c.expert_limits.empty()) c.expert_limits.push_back(0);
        if (!c.mlp_limits.empty()) c.mlp_limits.push_back(0);
        c.draft_own_heads = !architecture->draft_modules.empty() && layer_has("shared_head.head");
        ++c.n_draft_layers;
    }
}

// "model.layers.N.MODULE.SUFFIX" of a layer of multi-token prediction, as the family's files have it.
std::optional<std::string> Checkpoint::spelled_draft(std::string_view name) const {
    constexpr std::string_view kLayers = "model.layers.";
    const Architecture* architecture = find_architecture(config_.architecture);
    if (architecture->draft_modules.empty() || !name.starts_with(kLayers)) return std::nullopt;
    const std::string_view rest = name.substr(kLayers.size());
    const char* end = rest.data() + rest.find('.');
    int layer = 0;
    if (std::from_chars(rest.data(), rest.data() + rest.size(), layer).ptr != end) return std::nullopt;
    if (layer < config_.n_layers) return std::nullopt;
    const bool apart = architecture->draft_prefix != nullptr;
    const std::string tail(rest.substr(rest.find('.') + 1));
    const std::string before =
        apart ? fmt::format("{}{}.", architecture->draft_prefix, layer - config_.n_layers)
              : fmt::format("{}{}{}.", trunk_, architecture->layers_prefix, layer);
    for (const KeyNames& module : architecture->draft_modules)
        if (tail.starts_with(std::string(module.key) + "."))
            return (apart ? "" : before) + std::string(module.published) + tail.substr(module.key.size());
    return before + tail;
}

std::optional<TensorView> Checkpoint::find(std::string_view name) const {
    if (gguf_) {
        const Architecture* architecture = find_architecture(config_.architecture);
        const auto theirs = gguf_tensor_name(name, architecture->gguf_modules);
        const formats::GgufEntry* entry = theirs ? gguf_->find(*theirs) : nullptr;
        if (entry == nullptr) return std::nullopt;
        return gguf_->view(*entry);
    }
    const formats::SafetensorsEntry* entry = safetensors_->find(spelled(name));
    if (entry == nullptr) return std::nullopt;
    return safetensors_->view(*entry);
}

std::string Checkpoint::spelled(std::string_view name) const {
    if (auto draft = spelled_draft(name)) return *draft;
    constexpr std::string_view kTrunk = "model.", kHead = "lm_head.", kLayers = "model.layers.";
    const Architecture* architecture = find_architecture(config_.architecture);
    std::string theirs(name);
    const auto respell = [&](std::string_view ours, const std::string& spelled) {
        if (!name.starts_with(ours)) return false;
        theirs = spelled + std::string(name.substr(ours.size()));
        return true;
    };
    if (!respell(kLayers, trunk_ + architecture->layers_prefix) &&
        !respell("model.embed_tokens.", trunk_ + architecture->embedding_module + ".") &&
        !respell(kTrunk, trunk_))
        respell(kHead, head_);
    return theirs;
}

Result<TensorView> Checkpoint::tensor(std::string_view name) const {
    if (auto view = find(name)) return *view;
    return fail(Fault::corrupt, "{}: expected the tensor {}, saw none", path_.string(), name);
}

Result<float> Checkpoint::scalar(std::string_view name, const TensorView& view) const {
    if (view.dtype != DType::f32 || view.shape.n_elems() != 1)
        return fail(Fault::corrupt, "{}: expected one F32 value, saw {} {}", name, info(view.dtype).name,
                    view.shape.text());
    float value = 0;
    std::memcpy(&value, view.bytes.data(), sizeof value);
    if (!std::isfinite(value) || value <= 0)
        return fail(Fault::corrupt, "{}: expected a positive number, saw {}", name, value);
    return value;
}

Status Checkpoint::add_fp8_scales(std::string_view name, const std::optional<TensorView>& scales,
                                  LinearSource& to) const {
    if (!scales && config_.quantization_method.empty()) return {};  // plain numbers of 8 bits
    if (!scales)
        return fail(Fault::corrupt,
                    "{}: expected a weight_scale or weight_scale_inv beside FP8 codes, saw none", name);
    HEARTH_TRY(Fp8Scales read,
               read_fp8_scales(fmt::format("{}_scale", name), *scales, to.weight.shape, config_.scale_block));
    if (read.values.size() == 1) {
        to.scale = read.values[0];
    } else {
        to.fp8 = std::move(read);
    }
    return {};
}

Result<LinearSource> Checkpoint::linear(std::string_view name, const Shape& shape) const {
    const std::string packed = std::string(without_suffix(name, ".weight")) + ".weight_packed";
    if (!find(name) && !find(packed))
        if (const auto expert = expert_of(name)) {
            const auto look = [this](std::string_view wanted) { return find(wanted); };
            HEARTH_TRY(auto source, expert_matrix(*expert, look, config_, shape));
            if (source && source->weight.dtype == DType::f8_e4m3)
                HEARTH_TRY_STATUS(add_fp8_scales(name, std::exchange(source->scales, std::nullopt), *source));
            if (source) return std::move(*source);
        }
    return whole_linear(name, shape);
}

Result<LinearSource> Checkpoint::vector(std::string_view name, const Shape& shape) const {
    LinearSource source;
    if (const auto view = find(name)) {
        source.weight = *view;
    } else if (const auto expert = expert_of(name)) {
        const auto look = [this](std::string_view wanted) { return find(wanted); };
        HEARTH_TRY(auto found, expert_bias(*expert, look, config_, shape));
        if (found) source = std::move(*found);
    }
    if (source.weight.bytes.empty())
        return fail(Fault::corrupt, "{}: expected the tensor {}, saw none", path_.string(), name);
    if (source.weight.shape.n_elems() != shape.n_elems())
        return fail(Fault::corrupt, "{}: expected shape {}, saw {}", name, shape.text(),
                    source.weight.shape.text());
    return source;
}

Result<LinearSource> Checkpoint::whole_linear(std::string_view name, const Shape& shape) const {
    const std::string base(without_suffix(name, ".weight"));
    const Shape code_shape{shape[0], shape[1] / 2}, scale_shape{shape[0], shape[1] / 16};
    LinearSource source;
    const auto packed = find(base + ".weight_packed");
    if (packed && !is_gguf()) {  // compressed-tensors: the global scale is a divisor
        source.weight = *packed;
        HEARTH_TRY(source.scales, tensor(base + ".weight_scale"));
        HEARTH_TRY(const TensorView global, tensor(base + ".weight_global_scale"));
        HEARTH_TRY(const float divisor, scalar(base + ".weight_global_scale", global));
        source.scale = 1.0f / divisor;
    } else {
        HEARTH_TRY(source.weight, tensor(name));
        // A matrix a head: all of them as one.
        const Shape& stored = source.weight.shape;
        if (stored.rank() == 3 && stored.back() == shape.back() && stored.n_elems() == shape.n_elems())
            source.weight.shape = shape;
        if (is_gguf()) {
            const formats::GgufEntry* scale = nullptr;
            if (const auto theirs =
                    gguf_tensor_name(base + ".weight", find_architecture(config_.architecture)->gguf_modules))
                scale = gguf_->find(std::string(without_suffix(*theirs, ".weight")) + ".scale");
            // Gemma 4's router has numbers of that name that are no tensor scale.
            if (scale != nullptr && scale->shape.n_elems() == 1) {
                HEARTH_TRY(source.scale, scalar(scale->name, gguf_->view(*scale)));
            }
        } else if (source.weight.dtype == DType::u8) {  // ModelOpt's NVFP4
            HEARTH_TRY(source.scales, tensor(base + ".weight_scale"));
            HEARTH_TRY(const TensorView second, tensor(base + ".weight_scale_2"));
            HEARTH_TRY(source.scale, scalar(base + ".weight_scale_2", second));
        } else if (source.weight.dtype == DType::f8_e4m3) {
            HEARTH_TRY_STATUS(expect_shape(name, source.weight, shape));
            auto scales = find(base + ".weight_scale_inv");
            if (!scales) scales = find(base + ".weight_scale");
            HEARTH_TRY_STATUS(add_fp8_scales(name, scales, source));
        }
    }
    if (source.scales) {
        if (source.weight.dtype != DType::u8 || source.scales->dtype != DType::f8_e4m3)
            return fail(Fault::corrupt, "{}: expected U8 codes and F8_E4M3 scales, saw {} and {}", name,
                        info(source.weight.dtype).name, info(source.scales->dtype).name);
        HEARTH_TRY_STATUS(expect_shape(name, source.weight, code_shape));
        HEARTH_TRY_STATUS(expect_shape(base + ".weight_scale", *source.scales, scale_shape));
        if (shape[1] % 16 != 0)
            return fail(Fault::corrupt, "{}: expected a width of whole 16s, saw {}", name, shape[1]);
        // A divisor read as a multiplier, or the reverse, is the classic way to silent garbage: weights are
        // below 1e4.
        if (source.scale >= 1)
            return fail(Fault::corrupt, "{}: expected a tensor scale below 1, saw {}", name, source.scale);
    } else {
        HEARTH_TRY_STATUS(expect_shape(name, source.weight, shape));
    }
    return source;
}

std::vector<std::int32_t> Checkpoint::row_order(std::string_view name) const {
    if (!is_gguf() || !is_qk_projection(name) || !gguf_permutes_qk(config_.architecture)) return {};
    const int n_heads =
        name.find(".q_proj.") != std::string_view::npos ? config_.n_heads : config_.n_kv_heads;
    std::vector<std::int32_t> order;
    for (std::int64_t row = 0; row < std::int64_t{n_heads} * config_.head_dim; ++row)
        order.push_back(static_cast<std::int32_t>(permuted_row_of_hf(row, config_.head_dim)));
    return order;
}

}  // namespace hearth::models
