// compress/hf_output.cpp - a folder in ModelOpt's layout: NVFP4 linears in safetensors, configs that say so,
// and the model's other files as they were.
#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/hash.h"
#include "base/limits.h"
#include "compress/work.h"
#include "formats/safetensors.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

using Declaration = formats::SafetensorsWriter::Declaration;

// W4A16_NVFP4: weights alone are four bits and there are no input_scale tensors; engines that see "NVFP4"
// expect calibrated activations too.
constexpr std::string_view kQuantAlgo = "W4A16_NVFP4";

std::string module_of(std::string_view name) {
    constexpr std::string_view kSuffix = ".weight";
    if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
    return std::string(name);
}

// What one tensor of the source becomes. The float32 scale goes first: it keeps everything aligned.
std::vector<Declaration> parts_of(const Decision& decision) {
    const SourceTensor& tensor = *decision.tensor;
    if (!decision.kept_because.empty()) return {{tensor.name, tensor.kept_as(), tensor.shape}};
    const std::string module = module_of(tensor.name);
    const std::int64_t rows = tensor.shape[0], cols = tensor.shape[1];
    return {{module + ".weight_scale_2", DType::f32, {}},
            {module + ".weight", DType::u8, {rows, cols / 2}},
            {module + ".weight_scale", DType::f8_e4m3, {rows, cols / quant::kNvfp4Group}}};
}
std::uint64_t bytes_of(const Declaration& part) {
    return *hearth::bytes_of(part.dtype, part.shape.n_elems());
}

// Readers view tensors in place and want them aligned, and the format has no padding. So: eight-byte types
// first, then what keeps four-byte alignment, in the source's order; the ragged rest last, by element size.
int order_class(const Decision& decision) {
    const auto parts = parts_of(decision);
    if (parts.size() == 1 && info(parts[0].dtype).block_bytes == 8) return 0;
    return std::all_of(parts.begin(), parts.end(), [](const auto& part) { return bytes_of(part) % 4 == 0; })
               ? 1
               : 2;
}

struct Filled {
    Declaration part;
    std::vector<std::byte> own;        // bytes made here,
    std::span<const std::byte> bytes;  // or the source's
};

struct Made {
    std::vector<Filled> parts;
    TensorRecord record;
    std::vector<JournalEntry::Part> written;
};

TensorRecord record_of(const Decision& decision) {
    const SourceTensor& tensor = *decision.tensor;
    const DType to = decision.kept_because.empty() ? DType::nvfp4 : tensor.kept_as();
    return {tensor.name, tensor.shape, tensor.dtype, to, tensor.bytes, 0, 0, decision.kept_because};
}

Result<Made> make(const Decision& decision, Work& work) {
    const SourceTensor& tensor = *decision.tensor;
    const auto parts = parts_of(decision);
    std::vector<Filled> filled;
    TensorRecord record = record_of(decision);
    if (!decision.kept_because.empty() && tensor.dtype == tensor.kept_as()) {
        filled.push_back({parts[0], {}, tensor.view.bytes});
    } else if (!decision.kept_because.empty()) {
        HEARTH_TRY(Encoded encoded, encode_blocks(work.pool(), tensor, tensor.kept_as(), {}));
        record.relative_rmse = relative_rmse(encoded);
        filled.push_back({parts[0], std::move(encoded.bytes), {}});
        filled.back().bytes = filled.back().own;
    } else {
        HEARTH_TRY(const float scale, work.tensor_scale(tensor));
        Encoded encoded;
        if (tensor.dtype == DType::nvfp4) {
            HEARTH_TRY(encoded, nvfp4_codes(tensor, {}));
        } else {
            encoded = encode_nvfp4(work.pool(), tensor, scale, {});
            record.relative_rmse = relative_rmse(encoded);
        }
        const auto scale_bytes = std::as_bytes(std::span(&scale, 1)),
                   scales = std::as_bytes(std::span(encoded.scales));
        filled.push_back({parts[0], {scale_bytes.begin(), scale_bytes.end()}, {}});
        filled.push_back({parts[1], std::move(encoded.bytes), {}});
        filled.push_back({parts[2], {scales.begin(), scales.end()}, {}});
        for (Filled& part : filled) part.bytes = part.own;
    }
    std::vector<JournalEntry::Part> written;
    for (const Filled& part : filled) {
        record.bytes_after += part.bytes.size();
        if (!part.own.empty()) written.push_back({part.bytes.size(), hash_hex(part.bytes)});
    }
    return Made{std::move(filled), std::move(record), std::move(written)};
}

// One shard of the source becomes one shard of the target, with the same name.
Status write_shard(const fs::path& path, std::vector<const Decision*> decisions, Work& work,
                   const std::map<std::string, std::string>& metadata) {
    std::stable_sort(decisions.begin(), decisions.end(),
                     [](const auto* a, const auto* b) { return order_class(*a) < order_class(*b); });
    const auto by_element_size = [](const Declaration& a, const Declaration& b) {
        return info(a.dtype).block_bytes > info(b.dtype).block_bytes;
    };
    std::vector<Declaration> declared, ragged;
    for (const Decision* decision : decisions)
        for (Declaration& part : parts_of(*decision))
            (order_class(*decision) == 2 ? ragged : declared).push_back(std::move(part));
    std::stable_sort(ragged.begin(), ragged.end(), by_element_size);
    declared.insert(declared.end(), ragged.begin(), ragged.end());

    HEARTH_TRY(auto writer,
               formats::SafetensorsWriter::create(path, std::move(declared), metadata, Partial::resumed));
    std::vector<Filled> last;
    for (const Decision* decision : decisions) {
        const bool ragged_one = order_class(*decision) == 2;
        HEARTH_TRY(const std::size_t kept,
                   ragged_one ? Result<std::size_t>(0) : work.keep_parts(writer, *decision->tensor));
        if (kept > 0 && kept == parts_of(*decision).size()) {
            work.finish_kept(*decision->tensor, record_of(*decision));
            continue;
        }
        HEARTH_TRY(Made made, make(*decision, work));
        for (std::size_t i = kept; i < made.parts.size(); ++i) {
            if (ragged_one) {
                last.push_back(std::move(made.parts[i]));
            } else {
                HEARTH_TRY_STATUS(writer.append(made.parts[i].bytes));
            }
        }
        HEARTH_TRY_STATUS(work.finish(*decision->tensor, std::move(made.record), std::move(made.written)));
    }
    std::stable_sort(last.begin(), last.end(),
                     [&](const Filled& a, const Filled& b) { return by_element_size(a.part, b.part); });
    for (const Filled& part : last)
        HEARTH_TRY_STATUS(writer.append(part.own.empty() ? part.bytes : part.own));
    return writer.commit();
}

// Modules that a reader must not take for NVFP4. lm_head is named even when it is tied and has no tensor.
boost::json::array excluded_modules(const Work& work) {
    std::set<std::string> modules = {"lm_head"};
    for (const Decision& decision : work.decisions())
        if (decision.kept_because.empty())
            modules.erase(module_of(decision.tensor->name));  // a source may have an NVFP4 head
        else if (decision.tensor->shape.rank() >= 2)
            modules.insert(module_of(decision.tensor->name));
    boost::json::array out;
    for (const std::string& module : modules) out.emplace_back(module);
    return out;
}

Status write_configs(const fs::path& folder, const Source& source, const Work& work) {
    const boost::json::object producer = {{"name", "hearth"}, {"version", HEARTH_VERSION}};
    const boost::json::array excluded = excluded_modules(work);
    const Json hf_quant = {{"producer", producer},
                           {"quantization",
                            {{"quant_algo", kQuantAlgo},
                             {"kv_cache_quant_algo", nullptr},
                             {"group_size", quant::kNvfp4Group},
                             {"exclude_modules", excluded}}}};
    HEARTH_TRY_STATUS(write_whole(folder / "hf_quant_config.json", to_json(hf_quant, 2) + "\n"));

    Json config = source.config();
    if (!config.is_object()) return fail(JsonCursor(config, "config.json").wrong("an object"));
    const Json weights = {
        {"dynamic", false}, {"num_bits", 4}, {"type", "float"}, {"group_size", quant::kNvfp4Group}};
    const Json group = {
        {"weights", weights}, {"input_activations", nullptr}, {"targets", boost::json::array{"Linear"}}};
    config.get_object().erase("compression_config");  // its older name
    config.get_object()["quantization_config"] = {
        {"quant_method", "modelopt"}, {"quant_algo", kQuantAlgo},   {"config_groups", {{"group_0", group}}},
        {"ignore", excluded},         {"kv_cache_scheme", nullptr}, {"producer", producer}};
    return write_whole(folder / "config.json", to_json(config, 2) + "\n");
}

// Configs, tokenizer, template, licence. Weights in other formats and code stay behind.
bool is_copied(const fs::path& path) {
    const std::string name = path.filename().string(), extension = path.extension().string();
    if (name == "config.json" || name == "hf_quant_config.json" || name == "hearth_quantization.json" ||
        name.ends_with(".index.json"))
        return false;
    if (name.starts_with("LICENSE") || name.starts_with("NOTICE")) return true;
    return extension == ".json" || extension == ".jinja" || extension == ".txt" || extension == ".model";
}

// Sentence Transformers' parts behind the model, folders that modules.json names: "1_Pooling", "2_Dense".
Status copy_modules(const fs::path& from, const fs::path& to) {
    const fs::path path = from / "modules.json";
    std::error_code error;
    if (!fs::exists(path, error)) return {};
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(const Json json, parse_json(text, path.string()));
    const JsonCursor modules(json, path.string());
    HEARTH_TRY(const std::size_t n, modules.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor module, modules.at(i));
        if (!module.value().is_object()) return fail(module.wrong("an object"));
        HEARTH_TRY(const std::string named, module.string_or("path", ""));
        const fs::path name =
            fs::path(named).filename();  // a folder beside the model, whatever the file says
        if (name.empty() || name == "." || name == ".." || !fs::is_directory(from / name, error)) continue;
        fs::create_directories(to / name, error);
        for (const char* file : {"config.json", "model.safetensors"}) {
            if (!fs::exists(from / name / file, error)) continue;
            if (!fs::copy_file(from / name / file, to / name / file, fs::copy_options::overwrite_existing,
                               error))
                return fail(io_error(from / name / file, "cannot copy", error.value()));
        }
    }
    return {};
}

Status copy_others(const fs::path& from, const fs::path& to) {
    HEARTH_TRY_STATUS(copy_modules(from, to));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(from, error)) {
        if (!entry.is_regular_file(error) || !is_copied(entry.path())) continue;
        HEARTH_TRY(const std::string text, read_text(entry.path(), kTextFileBytesMax));
        HEARTH_TRY_STATUS(write_whole(to / entry.path().filename(), text));
    }
    if (error) return fail(io_error(from, "cannot list the folder", error.value()));
    return {};
}

Status write_index(const fs::path& folder, const std::vector<std::string>& shards,
                   const std::vector<std::vector<const Decision*>>& by_shard, std::uint64_t bytes) {
    boost::json::object map;
    for (std::size_t i = 0; i < shards.size(); ++i)
        for (const Decision* decision : by_shard[i])
            for (const Declaration& part : parts_of(*decision)) map[part.name] = shards[i];
    const Json index = {{"metadata", {{"total_size", bytes}}}, {"weight_map", std::move(map)}};
    return write_whole(folder / "model.safetensors.index.json", to_json(index, 2) + "\n");
}

}  // namespace

Status write_hf(const Options& options, const Source& source, Work& work) {
    if (source.is_gguf())
        return fail(Fault::usage, "{}: a GGUF file becomes GGUF; use --out-format gguf",
                    options.source.string());
    for (const SourceTensor& tensor : source.tensors())
        if (tensor.dtype == DType::nvfp4 && !tensor.scales)
            return fail(Fault::internal, "{}: a Hugging Face tensor has scales", tensor.name);
    HEARTH_TRY(AtomicFolder folder, AtomicFolder::create(options.target, options.replace, Partial::resumed));
    const std::vector<std::string> shards = source.shard_names();
    std::vector<std::vector<const Decision*>> by_shard(shards.size());
    for (const Decision& decision : work.decisions()) by_shard[decision.tensor->file].push_back(&decision);
    for (std::size_t i = 0; i < shards.size(); ++i)
        HEARTH_TRY_STATUS(write_shard(folder.partial() / shards[i], by_shard[i], work, source.metadata()));
    if (shards.size() > 1)
        HEARTH_TRY_STATUS(write_index(folder.partial(), shards, by_shard, work.report.bytes_after));
    HEARTH_TRY_STATUS(copy_others(source.path(), folder.partial()));
    HEARTH_TRY_STATUS(write_configs(folder.partial(), source, work));
    HEARTH_TRY_STATUS(write_whole(folder.partial() / "hearth_quantization.json",
                                  to_json(to_json_value(work.report), 2) + "\n"));
    return folder.commit();
}

}  // namespace hearth::compress
