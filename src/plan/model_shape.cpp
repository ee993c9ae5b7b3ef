// plan/model_shape.cpp - sums over parts, the table of published models, and bytes from the headers of files.
#include "plan/model_shape.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/check.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

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

bool has(std::string_view name, std::string_view piece) { return name.find(piece) != std::string_view::npos; }

// The part that a tensor belongs to, by its name in either container.
Part part_of(std::string_view name) {
    if (has(name, "embed_tokens") || has(name, "token_embd") || has(name, "wte")) return Part::embedding;
    if (name.starts_with("lm_head") || name.starts_with("output.")) return Part::head;
    if (has(name, "shexp") || has(name, "shared_expert") || has(name, "share_expert"))
        return has(name, "gate_inp") || has(name, "expert_gate") ? Part::other : Part::shared_experts;
    if (has(name, "_exps") || has(name, ".experts.") || has(name, "moe.gate_proj") ||
        has(name, "moe.up_proj") || has(name, "moe.down_proj"))
        return Part::experts;
    if (has(name, "ffn_gate_inp") || has(name, "mlp.gate.") || has(name, ".router") || has(name, "moe.gate."))
        return Part::router;
    if (has(name, "norm") || has(name, "bias") || has(name, "conv1d") || has(name, "rope_freqs"))
        return Part::other;
    if (has(name, "attn") || has(name, "linear_attn") || has(name, "ssm_")) return Part::attention;
    if (has(name, "mlp") || has(name, "ffn")) return Part::ffn;
    return Part::other;
}

template <class Entries, class BytesOf>
std::array<std::uint64_t, kParts> bytes_by_part(const Entries& entries, BytesOf&& bytes_of) {
    std::array<std::uint64_t, kParts> out{};
    for (const auto& entry : entries) out[static_cast<std::size_t>(part_of(entry.name))] += bytes_of(entry);
    return out;
}

// A GGUF file's keys as the config that transformers would have: enough for the families whose keys agree.
Result<Json> config_of_gguf(const formats::Gguf& file, const std::string& where) {
    HEARTH_TRY(const std::string arch, file.string("general.architecture"));
    struct Row {
        const char *arch, *type;
    };
    static constexpr Row kTypes[] = {
        {"llama", "llama"},     {"qwen2", "qwen2"},      {"qwen3", "qwen3"},       {"qwen3moe", "qwen3_moe"},
        {"gpt-oss", "gpt_oss"}, {"glm4moe", "glm4_moe"}, {"gemma3", "gemma3_text"}};
    const Row* row =
        std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Row& r) { return arch == r.arch; });
    if (row == std::end(kTypes))
        return fail(Fault::unsupported,
                    "{}: general.architecture: expected llama, qwen2, qwen3, qwen3moe, gpt-oss, glm4moe or "
                    "gemma3 to plan from its keys, saw \"{}\"",
                    where, arch);
    boost::json::object c;
    c["model_type"] = row->type;
    const auto copy = [&](const char* key, const char* name) {
        const std::string full = arch + "." + key;
        if (file.find_key(full) == nullptr) return;
        if (const auto value = file.integer(full, 0, std::int64_t{1} << 40)) c[name] = *value;
    };
    copy("embedding_length", "hidden_size");
    copy("feed_forward_length", "intermediate_size");
    copy("block_count", "num_hidden_layers");
    copy("attention.head_count", "num_attention_heads");
    copy("attention.head_count_kv", "num_key_value_heads");
    copy("attention.key_length", "head_dim");
    copy("attention.sliding_window", "sliding_window");
    copy("context_length", "max_position_embeddings");
    copy("expert_count", "num_experts");
    copy("expert_used_count", "num_experts_per_tok");
    copy("expert_feed_forward_length", "moe_intermediate_size");
    copy("leading_dense_block_count", "first_k_dense_replace");
    copy("expert_shared_count", "n_shared_experts");
    if (const auto* embedding = file.find("token_embd.weight");
        embedding != nullptr && embedding->shape.rank() == 2)
        c["vocab_size"] = embedding->shape[0];
    c["tie_word_embeddings"] = file.find("output.weight") == nullptr;
    c["attention_bias"] = file.find("blk.0.attn_q.bias") != nullptr;
    return Json(std::move(c));
}

Result<ModelShape> shape_of_gguf(const fs::path& path) {
    HEARTH_TRY(const formats::Gguf file, formats::Gguf::open(path));
    HEARTH_TRY(const Json config, config_of_gguf(file, path.string()));
    HEARTH_TRY(ModelShape shape, shape_of_config(config, path.string()));
    shape.stored_bytes =
        bytes_by_part(file.entries(), [](const auto& e) { return *bytes_of(e.dtype, e.shape.n_elems()); });
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
            shape.stored_bytes =
                bytes_by_part(files->entries(), [](const auto& e) { return e.end - e.begin; });
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
