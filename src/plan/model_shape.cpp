// plan/model_shape.cpp - sums over parts, the table of published models, and bytes from the headers of files.
#include "plan/model_shape.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/check.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "models/architecture.h"

namespace hearth::plan {
namespace {

constexpr std::string_view kModels =
#include "plan/tables/models.inc"
    ;

const boost::json::object& table() {
    static const Json parsed = [] {
        auto value = parse_json(kModels, "models.inc");
        HEARTH_CHECK(value.has_value() && value->is_object(), "the table in the program is well-formed");
        return std::move(*value);
    }();
    return parsed.get_object();
}

std::string plain(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c != '-' && c != '_' && c != ' ')
            out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

// Layers past the model's own are heads that draft, which are loaded on request alone.
bool is_past_layers(std::string_view name, int n_layers) {
    for (const std::string_view before : {"model.layers.", "blk."}) {
        if (!name.starts_with(before)) continue;
        int layer = -1;
        std::from_chars(name.data() + before.size(), name.data() + name.size(), layer);
        return layer >= n_layers;
    }
    return false;
}

template <class Entries, class BytesOf>
void add_stored(const Entries& entries, ModelShape& shape, BytesOf&& bytes_of) {
    std::array<std::uint64_t, kParts> by_part{};
    for (const auto& entry : entries) {
        const auto part = part_of_tensor(entry.name);
        if (!part || is_past_layers(entry.name, shape.n_layers)) continue;
        const std::uint64_t bytes = bytes_of(entry);
        by_part[static_cast<std::size_t>(*part)] += bytes;
        shape.stored_types[std::string(info(entry.dtype).name)] += bytes;
    }
    shape.stored_bytes = by_part;
}

Result<ModelShape> shape_of_gguf(const fs::path& path) {
    HEARTH_TRY(const formats::Gguf file, formats::Gguf::open(path));
    HEARTH_TRY(const models::ModelConfig config, models::read_gguf_config(file, path.string()));
    ModelShape shape =
        shape_of_program(config, models::find_architecture(config.architecture)->build(config));
    add_stored(file.entries(), shape, [](const auto& e) { return *bytes_of(e.dtype, e.shape.n_elems()); });
    return shape;
}

Result<ModelShape> shape_of_json(const fs::path& path) {
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(const Json config, parse_json(text, path.string()));
    return shape_of_config(config, path.string());
}

}  // namespace

std::string_view name(Part part) {
    static constexpr std::string_view kNames[kParts] = {"embedding", "head",           "attention", "ffn",
                                                        "experts",   "shared experts", "router",    "other"};
    return kNames[static_cast<std::size_t>(part)];
}

std::int64_t ModelShape::parameters() const {
    std::int64_t sum = 0;
    for (const std::int64_t n : n_elems) sum += n;
    return sum;
}

double ModelShape::active_parameters() const {
    double sum = 0;
    for (int i = 0; i < kParts; ++i) {
        const auto part = static_cast<Part>(i);
        const auto n = static_cast<double>(of(part));
        if (part == Part::embedding)
            sum += tied ? static_cast<double>(vocab * d_model) : 0;
        else if (part == Part::experts)
            sum += n_experts > 0 ? n * n_experts_used / n_experts : 0;
        else
            sum += n;
    }
    return sum;
}

std::int64_t ModelShape::kept_elems(std::int64_t n_positions) const {
    std::int64_t sum = 0;
    for (const KeptState& state : states) {
        const std::int64_t n = state.window > 0 ? std::min(n_positions, state.window) : n_positions;
        sum += state.n_layers * (state.elems_per_position * n + state.state_elems);
    }
    return sum;
}

std::string known_models() {
    std::string out;
    for (const auto& [name, config] : table())
        out.append(out.empty() ? "" : ", ").append(std::string_view(name.data(), name.size()));
    return out;
}

Result<ModelShape> find_shape(const std::string& model) {
    const fs::path path = model;
    std::error_code error;
    if (fs::is_directory(path, error)) {
        HEARTH_TRY(ModelShape shape, shape_of_json(path / "config.json"));
        shape.name = fs::absolute(path).lexically_normal().filename().string();
        if (const auto files = formats::Safetensors::open(path))
            add_stored(files->entries(), shape, [](const auto& e) { return e.end - e.begin; });
        return shape;
    }
    if (fs::exists(path, error)) {
        HEARTH_TRY(ModelShape shape, path.extension() == ".json" ? shape_of_json(path) : shape_of_gguf(path));
        shape.name = path.stem().string();
        return shape;
    }
    for (const auto& [name, config] : table())
        if (plain(std::string_view(name.data(), name.size())) == plain(model)) {
            HEARTH_TRY(ModelShape shape, shape_of_config(config, std::string(name)));
            shape.name = std::string(name);
            return shape;
        }
    return fail(Fault::not_found,
                "{}: expected a model folder, a .gguf file, a config.json or one of {}; saw none", model,
                known_models());
}

}  // namespace hearth::plan
