// models/embedder.cpp - reads modules.json, 1_Pooling/config.json and N_Dense/, or a GGUF file.
#include "models/embedder.h"

#include <boost/json.hpp>
#include <cmath>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "quant/formats.h"

namespace hearth::models {
namespace {

Result<Json> read_json(const fs::path& path) {
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    return parse_json(text, path.string());
}

Result<Embedder::Pooling> read_pooling(const fs::path& folder) {
    using Pooling = Embedder::Pooling;
    const fs::path path = folder / "config.json";
    HEARTH_TRY(const Json json, read_json(path));
    const JsonCursor config(json, path.string());
    HEARTH_TRY(const std::string mode, config.string_or("pooling_mode", ""));
    if (mode == "cls") return Pooling::first;
    if (mode == "mean") return Pooling::mean;
    if (mode == "lasttoken") return Pooling::last;
    HEARTH_TRY(const bool first, config.boolean_or("pooling_mode_cls_token", false));
    HEARTH_TRY(const bool mean, config.boolean_or("pooling_mode_mean_tokens", false));
    HEARTH_TRY(const bool last, config.boolean_or("pooling_mode_lasttoken", false));
    if ((first ? 1 : 0) + (mean ? 1 : 0) + (last ? 1 : 0) != 1)
        return fail(Fault::unsupported, "{}: expected one of cls, mean and lasttoken, saw another pooling",
                    path.string());
    return first ? Pooling::first : mean ? Pooling::mean : Pooling::last;
}

Result<std::vector<float>> read_numbers(const formats::Safetensors& file, const char* name,
                                        const Shape& shape, const std::string& where) {
    const formats::SafetensorsEntry* entry = file.find(name);
    if (entry == nullptr || entry->shape != shape)
        return fail(Fault::corrupt, "{}: expected the tensor {} {}, saw {}", where, name, shape.text(),
                    entry == nullptr ? "none" : entry->shape.text());
    std::vector<float> values(static_cast<std::size_t>(shape.n_elems()));
    HEARTH_TRY_STATUS(quant::decode(file.view(*entry), values));
    return values;
}

Result<Embedder::Dense> read_dense(const fs::path& folder) {
    const fs::path path = folder / "config.json";
    HEARTH_TRY(const Json json, read_json(path));
    const JsonCursor config(json, path.string());
    HEARTH_TRY(const JsonCursor in, config.at("in_features"));
    HEARTH_TRY(const JsonCursor out, config.at("out_features"));
    HEARTH_TRY(const std::string activation, config.string_or("activation_function", ""));
    if (!activation.ends_with("Identity"))
        return fail(Fault::unsupported, "{}/activation_function: expected Identity, saw \"{}\"",
                    path.string(), activation);
    Embedder::Dense dense;
    HEARTH_TRY(dense.cols, in.integer(1, 1 << 20));
    HEARTH_TRY(dense.rows, out.integer(1, 1 << 20));
    HEARTH_TRY(const bool bias, config.boolean_or("bias", true));
    HEARTH_TRY(const formats::Safetensors file, formats::Safetensors::open(folder));
    HEARTH_TRY(dense.weight,
               read_numbers(file, "linear.weight", Shape{dense.rows, dense.cols}, folder.string()));
    if (bias) {
        HEARTH_TRY(dense.bias, read_numbers(file, "linear.bias", Shape{dense.rows}, folder.string()));
    }
    return dense;
}

// The numbers of the gguf package's PoolingType.
Status read_gguf_pooling(const formats::Gguf& file, const std::string& where, Embedder& embedder) {
    HEARTH_TRY(const std::string architecture, file.string("general.architecture"));
    const std::string key = architecture + ".pooling_type";
    if (file.find_key(key) == nullptr) return {};
    HEARTH_TRY(const std::int64_t pooling, file.integer(key, 0, 100));
    if (pooling < 1 || pooling > 3)
        return fail(Fault::unsupported, "{}: {}: expected 1 (mean), 2 (first) or 3 (last), saw {}", where,
                    key, pooling);
    using Pooling = Embedder::Pooling;
    embedder.pooling = pooling == 1 ? Pooling::mean : pooling == 2 ? Pooling::first : Pooling::last;
    return {};
}

Result<Embedder> read_gguf_embedder(const fs::path& path, Embedder embedder) {
    HEARTH_TRY(const formats::Gguf file, formats::Gguf::open(path));
    HEARTH_TRY_STATUS(read_gguf_pooling(file, path.string(), embedder));
    for (const char* name : {"dense_2", "dense_3"}) {
        const formats::GgufEntry* entry = file.find(fmt::format("{}.weight", name));
        if (entry == nullptr) continue;
        if (entry->shape.rank() != 2)
            return fail(Fault::corrupt, "{}: {}: expected a matrix, saw {}", path.string(), entry->name,
                        entry->shape.text());
        Embedder::Dense dense{entry->shape[0], entry->shape[1], {}, {}};
        const auto numbers = [&](const formats::GgufEntry& of) -> Result<std::vector<float>> {
            std::vector<float> values(static_cast<std::size_t>(of.shape.n_elems()));
            if (auto ok = quant::decode(file.view(of), values); !ok) return fail(ok.error().at(of.name));
            return values;
        };
        HEARTH_TRY(dense.weight, numbers(*entry));
        if (const auto* bias = file.find(fmt::format("{}.bias", name))) {
            HEARTH_TRY(dense.bias, numbers(*bias));
            if (bias->shape.n_elems() != dense.rows)
                return fail(Fault::corrupt, "{}: {}: expected {} numbers, saw {}", path.string(), bias->name,
                            dense.rows, bias->shape.n_elems());
        }
        embedder.dense.push_back(std::move(dense));
    }
    return embedder;
}

}  // namespace

Result<std::vector<float>> Embedder::finish(std::vector<float> x) const {
    for (const Dense& layer : dense) {
        if (static_cast<std::int64_t>(x.size()) != layer.cols)
            return fail(Fault::corrupt, "a dense layer reads {} numbers, and {} come before it", layer.cols,
                        x.size());
        std::vector<float> y;
        for (std::int64_t r = 0; r < layer.rows; ++r) {
            double sum =
                layer.bias.empty() ? 0 : static_cast<double>(layer.bias[static_cast<std::size_t>(r)]);
            for (std::size_t c = 0; c < x.size(); ++c)
                sum += static_cast<double>(layer.weight[static_cast<std::size_t>(r) * x.size() + c]) *
                       static_cast<double>(x[c]);
            y.push_back(static_cast<float>(sum));
        }
        x = std::move(y);
    }
    if (!normalize) return x;
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
    const double length = std::max(std::sqrt(squares), 1e-12);
    for (float& v : x) v = static_cast<float>(static_cast<double>(v) / length);
    return x;
}

Result<Embedder> load_embedder(const fs::path& model, const ModelConfig& config) {
    Embedder embedder;
    embedder.pooling = config.bidirectional ? Embedder::Pooling::mean : Embedder::Pooling::last;
    const fs::path path = model / "modules.json";
    std::error_code ignored;
    if (fs::is_regular_file(model, ignored)) return read_gguf_embedder(model, std::move(embedder));
    if (!fs::exists(path, ignored)) return embedder;
    HEARTH_TRY(const Json json, read_json(path));
    const JsonCursor modules(json, path.string());
    HEARTH_TRY(const std::size_t n, modules.array_size());
    embedder.normalize = false;
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor module, modules.at(i));
        HEARTH_TRY(const std::string type, module.string_or("type", ""));
        HEARTH_TRY(const std::string named, module.string_or("path", ""));
        // A folder beside the model, whatever the file says.
        const fs::path folder = model / fs::path(named).filename();
        if (type.ends_with("Pooling")) {
            HEARTH_TRY(embedder.pooling, read_pooling(folder));
        } else if (type.ends_with("Dense")) {
            HEARTH_TRY(Embedder::Dense dense, read_dense(folder));
            embedder.dense.push_back(std::move(dense));
        } else if (type.ends_with("Normalize")) {
            embedder.normalize = true;
        } else if (!type.ends_with("Transformer")) {
            return fail(Fault::unsupported,
                        "{}: expected Transformer, Pooling, Dense or Normalize, saw \"{}\"", module.where(),
                        type);
        }
    }
    return embedder;
}

}  // namespace hearth::models
