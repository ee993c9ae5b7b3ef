// models/model.cpp - loads what the program declares, tensor by tensor.
#include "models/model.h"

#include <cstring>
#include <map>
#include <set>

#include "base/check.h"
#include "base/log.h"
#include "models/architecture.h"
#include "quant/formats.h"

namespace hearth::models {
namespace {

Result<std::span<const float>> load_vector(Model& model, const TensorSpec& spec) {
    HEARTH_TRY(const LinearSource source, model.checkpoint.vector(spec.name, spec.shape));
    HEARTH_TRY(const auto values,
               model.arena.take<float>(static_cast<std::uint64_t>(spec.shape.n_elems()), "norms"));
    if (auto ok = quant::decode(source.weight, values); !ok) return fail(ok.error().at(spec.name));
    if (spec.plus != 0 && !model.checkpoint.is_gguf())
        for (float& x : values) x += spec.plus;
    return values;
}

// Biases of permuted rows follow their rows.
void reorder(std::span<const float> values, std::span<const std::int32_t> order) {
    if (order.empty()) return;
    const std::vector<float> before(values.begin(), values.end());
    auto* out = const_cast<float*>(values.data());
    for (std::size_t i = 0; i < order.size(); ++i) out[i] = before[static_cast<std::size_t>(order[i])];
}

// A head's matrix, as a cache of panels knows it.
std::string head_name(std::string_view tensor, std::string_view what, std::size_t head) {
    return fmt::format("{}#{}.{}", tensor, what, head);
}
constexpr std::string_view kKeys = "keys", kValues = "values";

// Heads that an earlier start kept, all or none.
bool take_kept_heads(Model& model, std::string_view tensor, std::string_view what, int n_heads, Shape shape,
                     std::vector<kernels::PackedMatrix>& heads) {
    for (std::size_t h = 0; h < static_cast<std::size_t>(n_heads); ++h) {
        const auto* kept = model.kept.find(head_name(tensor, what, h), shape[0], shape[1]);
        if (kept == nullptr) {
            heads.clear();
            return false;
        }
        heads.push_back(*kept);
    }
    return true;
}

Result<kernels::PackedMatrix> load_matrix(Model& model, const TensorSpec& spec, ThreadPool& pool) {
    if (const auto* kept = model.kept.find(spec.name, spec.shape[0], spec.shape[1])) return *kept;
    HEARTH_TRY(const LinearSource source, model.checkpoint.linear(spec.name, spec.shape));
    auto order = model.checkpoint.row_order(spec.name);
    if (spec.row_order != nullptr && order.empty()) order = *spec.row_order;
    auto packed = source.scales ? kernels::pack_nvfp4(source.weight, *source.scales, source.scale, order,
                                                      model.arena, pool)
                  : source.fp8.values.empty()
                      ? kernels::pack(source.weight, source.scale, order, model.arena, pool)
                      : kernels::pack_fp8(source.weight,
                                          {source.fp8.values, source.fp8.block.rows, source.fp8.block.cols},
                                          order, model.arena, pool);
    if (!packed) return fail(packed.error().at(spec.name));
    return packed;
}

// A matrix of plain numbers: as stored, or decoded to float32 where it is quantized.
Result<std::vector<std::byte>> plain_bytes(const LinearSource& source, DType& dtype) {
    if (info(source.weight.dtype).block_elems == 1 && info(source.weight.dtype).block_bytes > 1) {
        dtype = source.weight.dtype;
        return std::vector<std::byte>(source.weight.bytes.begin(), source.weight.bytes.end());
    }
    dtype = DType::f32;
    HEARTH_TRY(const std::vector<float> values, decoded(source));
    const auto bytes = std::as_bytes(std::span(values));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Status load_latent(Model& model, const TensorSpec& spec, const LatentSpec& latent, int n_heads,
                   LoadedTensor& loaded, ThreadPool& pool) {
    if (take_kept_heads(model, spec.name, kKeys, n_heads, Shape{latent.rank, latent.nope},
                        loaded.key_heads) &&
        take_kept_heads(model, spec.name, kValues, n_heads, Shape{latent.v_dim, latent.rank},
                        loaded.value_heads))
        return {};
    loaded.key_heads.clear();
    HEARTH_TRY(const LinearSource source, model.checkpoint.linear(spec.name, spec.shape));
    DType dtype = DType::f32;
    auto plain = plain_bytes(source, dtype);
    if (!plain) return fail(plain.error().at(spec.name));
    const auto size = static_cast<std::size_t>(info(dtype).block_bytes);
    const auto rank = static_cast<std::size_t>(latent.rank), nope = static_cast<std::size_t>(latent.nope);
    const auto v_dim = static_cast<std::size_t>(latent.v_dim);
    std::vector<std::byte> turned(rank * nope * size);
    for (std::size_t h = 0; h < static_cast<std::size_t>(n_heads); ++h) {
        const std::byte* keys = plain->data() + h * (nope + v_dim) * rank * size;
        for (std::size_t r = 0; r < rank; ++r)
            for (std::size_t c = 0; c < nope; ++c)
                std::memcpy(turned.data() + (r * nope + c) * size, keys + (c * rank + r) * size, size);
        const std::span<const std::byte> values(keys + nope * rank * size, v_dim * rank * size);
        HEARTH_TRY(kernels::PackedMatrix key, kernels::pack({dtype, Shape{latent.rank, latent.nope}, turned},
                                                            source.scale, {}, model.arena, pool));
        HEARTH_TRY(kernels::PackedMatrix value,
                   kernels::pack({dtype, Shape{latent.v_dim, latent.rank}, values}, source.scale, {},
                                 model.arena, pool));
        loaded.key_heads.push_back(key);
        loaded.value_heads.push_back(value);
    }
    return {};
}

// Matrices of a head each, one after another: [rank, nope] as queries take them in, and [v_dim, rank].
Status load_heads(Model& model, const TensorSpec& spec, std::string_view what, int n_heads,
                  std::vector<kernels::PackedMatrix>& heads, ThreadPool& pool) {
    const std::int64_t rows = spec.shape[0] / n_heads;
    if (take_kept_heads(model, spec.name, what, n_heads, Shape{rows, spec.shape[1]}, heads)) return {};
    HEARTH_TRY(const LinearSource source, model.checkpoint.linear(spec.name, spec.shape));
    const std::size_t bytes = source.weight.bytes.size() / static_cast<std::size_t>(n_heads);
    for (std::size_t h = 0; h < static_cast<std::size_t>(n_heads); ++h) {
        auto head = kernels::pack(
            {source.weight.dtype, Shape{rows, spec.shape[1]}, source.weight.bytes.subspan(h * bytes, bytes)},
            source.scale, {}, model.arena, pool);
        if (!head) return fail(head.error().at(spec.name));
        heads.push_back(*head);
    }
    return {};
}

// `to` is the model, or a network beside it that shares the tensors of the same names.
Status load_tensors(Model& model, Network& to, ThreadPool& pool) {
    const Program& program = to.program;
    std::map<std::string_view, TensorId> shared;
    if (&to != &model)
        for (std::size_t i = 0; i < model.tensors.size(); ++i)
            shared.emplace(model.program.tensors[i].name, static_cast<TensorId>(i));
    const std::vector<bool> multiplied = program.multiplied();
    std::map<std::size_t, const Op*> latent_ops;  // by tensor
    std::set<TensorId> apart;                     // loaded with another
    std::vector<bool> looked_up(program.tensors.size());
    for (const Op& op : program.ops)
        if (op.kind == OpKind::latent_attention) latent_ops.emplace(static_cast<std::size_t>(op.weight), &op);
    for (const Op& op : program.ops)
        if (op.kind == OpKind::embed || op.kind == OpKind::embed_positions || op.kind == OpKind::add_row)
            looked_up[static_cast<std::size_t>(op.weight)] = true;
    to.tensors.resize(program.tensors.size());
    for (std::size_t i = 0; i < program.tensors.size(); ++i) {
        const TensorSpec& spec = program.tensors[i];
        LoadedTensor& loaded = to.tensors[i];
        if (const auto same = shared.find(spec.name); same != shared.end()) {
            loaded = model.tensors[static_cast<std::size_t>(same->second)];
            continue;
        }
        if (spec.is_vector()) {
            HEARTH_TRY(loaded.vector, load_vector(model, spec));
            if (spec.role == Role::bias) reorder(loaded.vector, model.checkpoint.row_order(spec.name));
            continue;
        }
        if (looked_up[i]) {
            HEARTH_TRY(const LinearSource source, model.checkpoint.linear(spec.name, spec.shape));
            if (source.scales || !source.fp8.values.empty() ||
                quant::block_format(source.weight.dtype) == nullptr)
                return fail(Fault::unsupported, "{}: expected an embedding whose rows can be decoded, saw {}",
                            spec.name, info(source.weight.dtype).name);
            loaded.rows = source.weight;
            loaded.rows_scale = source.scale;
        }
        if (const auto at = latent_ops.find(i); at != latent_ops.end()) {
            const LatentSpec& latent = program.latents[static_cast<std::size_t>(at->second->spec)];
            const int n_heads = at->second->n_heads;
            if (latent.values == kNone) {
                HEARTH_TRY_STATUS(load_latent(model, spec, latent, n_heads, loaded, pool));
                continue;
            }
            const TensorSpec& values = program.tensors[static_cast<std::size_t>(latent.values)];
            HEARTH_TRY_STATUS(load_heads(model, spec, kKeys, n_heads, loaded.key_heads, pool));
            HEARTH_TRY_STATUS(load_heads(model, values, kValues, n_heads, loaded.value_heads, pool));
            apart.insert(latent.values);
        } else if (apart.contains(static_cast<TensorId>(i))) {
            continue;
        } else if (multiplied[i]) {
            HEARTH_TRY(loaded.matrix, load_matrix(model, spec, pool));
        }
    }
    return {};
}

// What decoding one token reads: of experts, those it chooses.
std::uint64_t weight_bytes(const Model& model) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < model.tensors.size(); ++i) {
        const LoadedTensor& loaded = model.tensors[i];
        bytes += static_cast<std::uint64_t>(static_cast<double>(loaded.matrix.bytes()) *
                                            model.program.tensors[i].used);
        for (const auto* heads : {&loaded.key_heads, &loaded.value_heads})
            for (const kernels::PackedMatrix& head : *heads)
                bytes += static_cast<std::uint64_t>(head.bytes());
    }
    return bytes;
}

}  // namespace

std::vector<NamedMatrix> Model::matrices() const {
    std::vector<NamedMatrix> all;
    std::set<std::string_view> seen;  // a tensor may stand at two places of a program
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const LoadedTensor& loaded = tensors[i];
        const std::string& tensor = program.tensors[i].name;
        if (!seen.insert(tensor).second) continue;
        if (loaded.matrix.rows > 0) all.push_back({tensor, &loaded.matrix});
        for (std::size_t h = 0; h < loaded.key_heads.size(); ++h)
            all.push_back({head_name(tensor, kKeys, h), &loaded.key_heads[h]});
        for (std::size_t h = 0; h < loaded.value_heads.size(); ++h)
            all.push_back({head_name(tensor, kValues, h), &loaded.value_heads[h]});
    }
    return all;
}

Result<std::shared_ptr<const Model>> load_model(const fs::path& path, ThreadPool& pool, LoadOptions options) {
    HEARTH_TRY(Checkpoint checkpoint, Checkpoint::open(path));
    auto model = std::make_shared<Model>();
    model->checkpoint = std::move(checkpoint);
    const fs::path named = path.has_filename() ? path : path.parent_path();
    model->name = named.filename() == "."
                      ? fs::absolute(path).parent_path().filename().string()
                      : (model->checkpoint.is_gguf() ? named.stem() : named.filename()).string();
    ModelConfig config = model->config();
    config.headless |= options.hidden_states;
    if (config.has_other_towers)
        log::warning("{}: its text part alone is loaded; vision and audio are left aside", model->name);
    const Architecture* architecture = find_architecture(config.architecture);
    model->program = architecture->build(config);
    if (options.use_kept_panels) model->kept = PanelCache::open(model->checkpoint, pool);
    if (auto ok = load_tensors(*model, *model, pool); !ok) return fail(ok.error().at(path.string()));
    model->weight_bytes = weight_bytes(*model);
    const int n_drafts = options.draft_heads && !config.headless ? config.n_draft_layers : 0;
    for (int i = 0; i < n_drafts; ++i) {
        Network& head = model->draft_heads.emplace_back();
        head.program = draft_head(config, i, architecture->draft_layer);
        if (auto ok = load_tensors(*model, head, pool); !ok) return fail(ok.error().at(path.string()));
    }

    if (auto tokenizer = load_tokenizer(path)) {
        model->tokenizer = std::move(*tokenizer);
    } else if (options.need_tokenizer) {
        return fail(tokenizer.error());
    }
    if (auto chat_template = load_chat_template(path)) {
        model->chat_template = std::move(*chat_template);
    } else if (chat_template.error().fault != Fault::not_found) {
        return fail(chat_template.error());
    }
    return std::shared_ptr<const Model>(std::move(model));
}

void embedding_row(const LoadedTensor& embedding, std::int64_t id, std::span<float> out) {
    const TensorView& rows = embedding.rows;
    const quant::BlockFormat* format = quant::block_format(rows.dtype);
    HEARTH_DCHECK(format != nullptr && id >= 0 && id < rows.shape[0],
                  "checked when loaded and by the engine");
    const std::int64_t width = rows.shape[1];
    const auto row_bytes = static_cast<std::size_t>(width / format->elems * format->bytes);
    format->decode_row(rows.bytes.data() + static_cast<std::size_t>(id) * row_bytes, out.data(), width);
    if (embedding.rows_scale != 1)
        for (float& x : out) x *= embedding.rows_scale;
}

}  // namespace hearth::models
