// compress/synthesize.cpp - lists the tensors of a shape, then fills each from a bank of encoded blocks.
#include "compress/synthesize.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "compress/gguf_keys.h"
#include "compress/target_type.h"
#include "formats/safetensors.h"
#include "models/architecture.h"
#include "models/tensor_names.h"
#include "quant/formats.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

using formats::GgufPair;
using formats::GgufValue;
using formats::GgufWriter;

constexpr float kWeightDeviation = 0.02f;  // initializer_range of most families
constexpr float kNormDeviation = 0.05f;
constexpr std::uint32_t kBankUnits = 8192;            // a power of two: a draw is a mask
constexpr std::int64_t kPlainUnit = 64;               // weights of a unit in types without blocks
constexpr std::uint64_t kChunkBytes = 16u << 20;      // generated, then written
constexpr std::uint64_t kBankStream = 0x62616E6BULL;  // units of the bank have streams of their own

// Many encoded units of N(0, 0.02^2) weights; a tensor is made of units drawn from them.
struct Bank {
    DType type = DType::bf16;
    std::int64_t unit_elems = 0;
    std::size_t unit_bytes = 0, side_bytes = 0;
    std::vector<std::byte> units = {}, sides = {};  // sides: NVFP4's block scales in safetensors
    float tensor_scale = 1;                         // NVFP4 and FP8
};

std::vector<float> bank_weights(std::uint64_t seed, std::int64_t unit_elems, ThreadPool& pool) {
    std::vector<float> weights(static_cast<std::size_t>(unit_elems) * kBankUnits);
    pool.split(kBankUnits, 64, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t unit = begin; unit < end; ++unit) {
            Philox rng(seed, kBankStream + static_cast<std::uint64_t>(unit));
            for (std::int64_t i = 0; i < unit_elems; ++i)
                weights[static_cast<std::size_t>(unit * unit_elems + i)] =
                    kWeightDeviation * static_cast<float>(rng.normal());
        }
    });
    return weights;
}

Bank nvfp4_bank(const std::vector<float>& weights, OutFormat out, ThreadPool& pool) {
    Bank bank{.type = DType::nvfp4, .unit_elems = quant::kNvfp4GgufBlock, .unit_bytes = 32, .side_bytes = 4};
    bank.tensor_scale = quant::nvfp4_tensor_scale(quant::largest_magnitude(weights));
    std::vector<std::uint8_t> codes(std::size_t{kBankUnits} * 32), scales(std::size_t{kBankUnits} * 4);
    pool.split(kBankUnits, 64, [&](std::int64_t begin, std::int64_t end) {
        quant::nvfp4_encode_rows(weights.data() + begin * bank.unit_elems, end - begin, bank.unit_elems,
                                 bank.tensor_scale, quant::ScaleChoice::squared_error,
                                 codes.data() + begin * 32, scales.data() + begin * 4);
    });
    if (out == OutFormat::gguf) {
        bank.unit_bytes = 36;
        bank.side_bytes = 0;
        bank.units.resize(std::size_t{kBankUnits} * 36);
        const auto packed =
            quant::nvfp4_to_gguf({kBankUnits, bank.unit_elems, codes, scales, bank.tensor_scale}, bank.units);
        HEARTH_CHECK(packed.has_value(), "what was encoded here has a GGUF form");
        return bank;
    }
    const auto code_bytes = std::as_bytes(std::span(codes)), scale_bytes = std::as_bytes(std::span(scales));
    bank.units.assign(code_bytes.begin(), code_bytes.end());
    bank.sides.assign(scale_bytes.begin(), scale_bytes.end());
    return bank;
}

Bank make_bank(DType type, OutFormat out, std::uint64_t seed, ThreadPool& pool) {
    const quant::BlockFormat* format = quant::block_format(type);
    HEARTH_CHECK(format != nullptr, "checked with the options");
    const std::int64_t elems = type == DType::nvfp4 ? quant::kNvfp4GgufBlock
                               : format->elems == 1 ? kPlainUnit
                                                    : format->elems;
    std::vector<float> weights = bank_weights(seed, elems, pool);
    if (type == DType::nvfp4) return nvfp4_bank(weights, out, pool);
    Bank bank{.type = type, .unit_elems = elems};
    if (type == DType::f8_e4m3) {
        bank.tensor_scale = quant::largest_magnitude(weights) / 448.0f;
        for (float& w : weights) w /= bank.tensor_scale;
    }
    bank.unit_bytes = static_cast<std::size_t>(elems / format->elems * format->bytes);
    bank.units.resize(bank.unit_bytes * kBankUnits);
    pool.split(kBankUnits, 64, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t unit = begin; unit < end; ++unit)
            format->encode_row(weights.data() + unit * elems,
                               bank.units.data() + static_cast<std::size_t>(unit) * bank.unit_bytes, elems);
    });
    return bank;
}

// One tensor of the file and where its bytes come from.
struct Part {
    enum class Source { units, sides, norm, constants } source = Source::units;
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    const Bank* bank = nullptr;         // units and sides
    std::uint64_t stream = 0;           // of the random numbers: the weight's name, hashed
    std::vector<float> constants = {};  // F32
    [[nodiscard]] std::uint64_t bytes() const { return *bytes_of(dtype, shape.n_elems()); }
};

std::uint64_t stream_of(std::string_view name) { return XXH3_64bits(name.data(), name.size()); }

// Units [first, first + n) of a tensor: a function of seed, tensor and index, whoever asks.
void fill_units(const Part& part, std::uint64_t seed, std::uint64_t first, std::uint64_t n, std::byte* out) {
    const bool sides = part.source == Part::Source::sides;
    const std::size_t bytes = sides ? part.bank->side_bytes : part.bank->unit_bytes;
    const std::byte* bank = sides ? part.bank->sides.data() : part.bank->units.data();
    const Philox rng(seed, part.stream);
    std::array<std::uint32_t, 4> words{};
    for (std::uint64_t i = 0; i < n; ++i) {
        const std::uint64_t unit = first + i;
        if (i == 0 || unit % 4 == 0) words = rng.block(unit / 4);
        std::memcpy(out + i * bytes, bank + (words[unit % 4] & (kBankUnits - 1)) * bytes, bytes);
    }
}

std::vector<std::byte> norm_bytes(const Part& part, std::uint64_t seed) {
    Philox rng(seed, part.stream);
    std::vector<float> values(static_cast<std::size_t>(part.shape.n_elems()));
    for (float& x : values) x = 1.0f + kNormDeviation * static_cast<float>(rng.normal());
    std::vector<std::byte> out(static_cast<std::size_t>(part.bytes()));
    quant::block_format(part.dtype)->encode_row(values.data(), out.data(), part.shape.n_elems());
    return out;
}

template <class Append>
Status write_part(const Part& part, std::uint64_t seed, ThreadPool& pool, std::vector<std::byte>& chunk,
                  Append&& append) {
    if (part.source == Part::Source::constants) return append(std::as_bytes(std::span(part.constants)));
    if (part.source == Part::Source::norm) return append(std::span<const std::byte>(norm_bytes(part, seed)));
    const std::size_t unit =
        part.source == Part::Source::sides ? part.bank->side_bytes : part.bank->unit_bytes;
    const std::uint64_t bytes = part.bytes(), chunk_units = kChunkBytes / unit;
    for (std::uint64_t first = 0; first * unit < bytes; first += chunk_units) {
        // Types without blocks may end within a unit: the rest of it is left out.
        const std::uint64_t left = bytes - first * unit;
        const std::uint64_t n = std::min(chunk_units, (left + unit - 1) / unit);
        chunk.resize(static_cast<std::size_t>(n * unit));
        pool.split(static_cast<std::int64_t>(n), 1024, [&](std::int64_t begin, std::int64_t end) {
            const auto at = static_cast<std::uint64_t>(begin);
            fill_units(part, seed, first + at, static_cast<std::uint64_t>(end - begin),
                       chunk.data() + at * unit);
        });
        HEARTH_TRY_STATUS(append(std::span(chunk).first(std::min<std::uint64_t>(n * unit, left))));
    }
    return {};
}

struct Mixture {
    std::int64_t n_experts = 0, n_used = 0, d_ff = 0;  // n_experts 0: dense
};

// The model as both containers list it.
class Listing {
  public:
    Listing(const SynthesisOptions& options, ThreadPool& pool) : options_(options) {
        for (const DType type : {options.type, options.embedding_type, options.head_type, DType::bf16})
            if (bank(type) == nullptr)
                banks_.push_back(make_bank(type, options.out_format, options.seed, pool));
    }
    void add(const models::Program& program, const Mixture& mixture);
    void add_constants(std::string name, std::vector<float> values, Shape shape) {
        parts.push_back({.source = Part::Source::constants,
                         .name = std::move(name),
                         .dtype = DType::f32,
                         .shape = shape,
                         .constants = std::move(values)});
    }
    std::vector<Part> parts;
    std::uint64_t parameters = 0;

  private:
    [[nodiscard]] const Bank* bank(DType type) const {
        for (const Bank& bank : banks_)
            if (bank.type == type) return &bank;
        return nullptr;
    }
    [[nodiscard]] bool gguf() const { return options_.out_format == OutFormat::gguf; }
    void add_matrix(const std::string& hf_name, const std::string& name, const Shape& shape, DType type);
    void add_norm(const std::string& name, const Shape& shape);
    void add_experts(int layer, std::int64_t d_model, const Mixture& mixture);
    const SynthesisOptions& options_;
    std::vector<Bank> banks_;
};

std::string without_weight(std::string name) {
    constexpr std::string_view kSuffix = ".weight";
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
    return name;
}

void Listing::add_norm(const std::string& name, const Shape& shape) {
    parts.push_back({.source = Part::Source::norm,
                     .name = gguf() ? *models::gguf_tensor_name(name) : name,
                     .dtype = gguf() ? DType::f32 : DType::bf16,
                     .shape = shape,
                     .stream = stream_of(name)});
}

// Under the name of its container, with the scales that its type has beside it.
void Listing::add_matrix(const std::string& hf_name, const std::string& name, const Shape& shape,
                         DType type) {
    const Bank* own = bank(type);
    const bool whole_blocks = info(type).block_elems == 1 && type != DType::nvfp4;
    if (!whole_blocks && shape.back() % own->unit_elems != 0) own = bank(DType::bf16);
    const std::string module = without_weight(name);
    const std::uint64_t stream = stream_of(hf_name);
    // Stacked experts have a scale each.
    const std::int64_t n_scales = shape.rank() == 3 ? shape[0] : 1;
    const std::vector<float> scales(static_cast<std::size_t>(n_scales), own->tensor_scale);
    if (!gguf() && own->type == DType::nvfp4) {
        const std::int64_t rows = shape[0], cols = shape[1];
        add_constants(module + ".weight_scale_2", scales, Shape());
        parts.push_back(
            {.name = name, .dtype = DType::u8, .shape = {rows, cols / 2}, .bank = own, .stream = stream});
        parts.push_back({.source = Part::Source::sides,
                         .name = module + ".weight_scale",
                         .dtype = DType::f8_e4m3,
                         .shape = {rows, cols / quant::kNvfp4Group},
                         .bank = own,
                         .stream = stream});
        return;
    }
    parts.push_back({.name = name, .dtype = own->type, .shape = shape, .bank = own, .stream = stream});
    if (own->type == DType::f8_e4m3 && options_.scale_block) {
        const auto blocks = [](std::int64_t n, std::int64_t size) {
            return size == 0 ? 1 : (n + size - 1) / size;
        };
        const Shape grid{blocks(shape[0], options_.scale_block->rows),
                         blocks(shape[1], options_.scale_block->cols)};
        add_constants(module + ".weight_scale_inv",
                      std::vector<float>(static_cast<std::size_t>(grid.n_elems()), own->tensor_scale), grid);
    } else if (own->type == DType::f8_e4m3) {
        add_constants(module + ".weight_scale", scales, Shape());
    }
    if (own->type == DType::nvfp4) add_constants(module + ".scale", scales, Shape{n_scales});
}

void Listing::add_experts(int layer, std::int64_t d_model, const Mixture& mixture) {
    struct Linear {
        std::string_view hf, gguf;
        std::int64_t rows, cols;
    };
    const Linear linears[] = {{"gate_proj", "ffn_gate_exps", mixture.d_ff, d_model},
                              {"up_proj", "ffn_up_exps", mixture.d_ff, d_model},
                              {"down_proj", "ffn_down_exps", d_model, mixture.d_ff}};
    const std::string mlp = fmt::format("model.layers.{}.mlp", layer);
    for (const Linear& linear : linears) {
        parameters += static_cast<std::uint64_t>(mixture.n_experts * linear.rows * linear.cols);
        if (gguf()) {
            const std::string name = fmt::format("blk.{}.{}.weight", layer, linear.gguf);
            add_matrix(name, name, {mixture.n_experts, linear.rows, linear.cols}, options_.type);
            continue;
        }
        for (std::int64_t expert = 0; expert < mixture.n_experts; ++expert) {
            const std::string name = fmt::format("{}.experts.{}.{}.weight", mlp, expert, linear.hf);
            add_matrix(name, name, {linear.rows, linear.cols}, options_.type);
        }
    }
    // Routers stay in full precision, as llama.cpp's conversion and ModelOpt leave them.
    parameters += static_cast<std::uint64_t>(mixture.n_experts * d_model);
    const Shape router{mixture.n_experts, d_model};
    const std::string hf_name = mlp + ".gate.weight";
    if (!gguf()) return add_matrix(hf_name, hf_name, router, DType::bf16);
    Part part{.name = fmt::format("blk.{}.ffn_gate_inp.weight", layer), .shape = router};
    part.source = Part::Source::constants;
    Philox rng(options_.seed, stream_of(hf_name));
    for (std::int64_t i = 0; i < router.n_elems(); ++i)
        part.constants.push_back(kWeightDeviation * static_cast<float>(rng.normal()));
    parts.push_back(std::move(part));
}

void Listing::add(const models::Program& program, const Mixture& mixture) {
    using models::Role;
    const std::int64_t d_model = program.tensors.front().shape.back();
    for (const models::TensorSpec& tensor : program.tensors) {
        const bool ffn =
            tensor.role == Role::ffn_gate || tensor.role == Role::ffn_up || tensor.role == Role::ffn_down;
        if (mixture.n_experts > 0 && ffn) {
            if (tensor.role == Role::ffn_gate) add_experts(tensor.layer, d_model, mixture);
            continue;
        }
        parameters += static_cast<std::uint64_t>(tensor.shape.n_elems());
        if (tensor.shape.rank() < 2) {
            add_norm(tensor.name, tensor.shape);
            continue;
        }
        const DType type = tensor.role == Role::embedding ? options_.embedding_type
                           : tensor.role == Role::head    ? options_.head_type
                                                          : options_.type;
        add_matrix(tensor.name, gguf() ? *models::gguf_tensor_name(tensor.name) : tensor.name, tensor.shape,
                   type);
    }
}

// The keys of the dense family; a mixture's name and its own keys in their place.
Result<std::vector<GgufPair>> keys_of(const SynthesisOptions& options, const Json& dense_config,
                                      const Mixture& mixture, Listing& listing) {
    HEARTH_TRY(GgufModel model, gguf_model(dense_config, "config.json", options.name));
    if (!model.rope_divisors.empty()) {
        const auto n = static_cast<std::int64_t>(model.rope_divisors.size());
        listing.add_constants("rope_freqs.weight", std::move(model.rope_divisors), Shape{n});
    }
    if (mixture.n_experts > 0) {
        const std::string dense = model.architecture + ".", ours = model.architecture + "moe";
        for (GgufPair& pair : model.pairs) {
            if (pair.key.starts_with(dense)) pair.key = ours + "." + pair.key.substr(dense.size());
            if (pair.key == "general.architecture") pair.value = GgufValue::string(ours);
        }
        const auto add = [&](std::string_view key, std::int64_t value) {
            model.pairs.push_back(
                {fmt::format("{}.{}", ours, key), GgufValue::u32(static_cast<std::uint32_t>(value))});
        };
        add("expert_count", mixture.n_experts);
        add("expert_used_count", mixture.n_used);
        add("expert_feed_forward_length", mixture.d_ff);
    }
    model.pairs.push_back({"general.file_type", GgufValue::u32(gguf_file_type(options.type))});
    model.pairs.push_back({"general.quantization_version", GgufValue::u32(2)});
    model.pairs.push_back({"tokenizer.ggml.model", GgufValue::string("no_vocab")});
    return std::move(model.pairs);
}

template <class Writer>
Status write_parts(Writer& writer, const Listing& listing, const SynthesisOptions& options,
                   ThreadPool& pool) {
    std::uint64_t done = 0, total = 0;
    for (const Part& part : listing.parts) total += part.bytes();
    std::vector<std::byte> chunk;
    for (const Part& part : listing.parts) {
        const auto append = [&](std::span<const std::byte> bytes) -> Status {
            done += bytes.size();
            if (options.on_progress) options.on_progress(done, total, part.name);
            return writer.append(bytes);
        };
        HEARTH_TRY_STATUS(write_part(part, options.seed, pool, chunk, append));
    }
    return writer.commit();
}

Status write_folder(const Listing& listing, const SynthesisOptions& options, ThreadPool& pool) {
    HEARTH_TRY(AtomicFolder folder, AtomicFolder::create(options.target, options.replace));
    std::vector<formats::SafetensorsWriter::Declaration> declared;
    for (const Part& part : listing.parts) declared.push_back({part.name, part.dtype, part.shape});
    HEARTH_TRY(auto writer, formats::SafetensorsWriter::create(folder.partial() / "model.safetensors",
                                                               std::move(declared), {{"format", "pt"}}));
    HEARTH_TRY_STATUS(write_parts(writer, listing, options, pool));
    Json config = options.config;
    auto& object = config.get_object();
    object["torch_dtype"] = "bfloat16";
    if (options.type == DType::nvfp4 || options.type == DType::f8_e4m3)
        object["quantization_config"] = {{"quant_method", "modelopt"},
                                         {"quant_algo", options.type == DType::nvfp4 ? "W4A16_NVFP4" : "FP8"},
                                         {"ignore", boost::json::array{"lm_head", "*mlp.gate"}}};
    if (options.scale_block) {
        object["quantization_config"] = {{"quant_method", "fp8"}, {"activation_scheme", "dynamic"}};
        if (options.scale_block->cols > 0)
            object["quantization_config"].get_object()["weight_block_size"] = {options.scale_block->rows,
                                                                               options.scale_block->cols};
    }
    HEARTH_TRY_STATUS(write_whole(folder.partial() / "config.json", to_json(config, 2) + "\n"));
    return folder.commit();
}

Status write_file(const Listing& listing, std::span<const GgufPair> keys, const SynthesisOptions& options,
                  ThreadPool& pool) {
    std::vector<GgufWriter::Declaration> declared;
    for (const Part& part : listing.parts) declared.push_back({part.name, part.dtype, part.shape});
    HEARTH_TRY(GgufWriter writer, GgufWriter::create(options.target, keys, std::move(declared)));
    return write_parts(writer, listing, options, pool);
}

Status check(const SynthesisOptions& options) {
    for (const DType type : {options.type, options.embedding_type, options.head_type}) {
        const DTypeInfo& row = info(type);
        if (quant::block_format(type) == nullptr)
            return fail(Fault::usage, "expected a type that can be encoded, saw {}", row.name);
        const bool in_folder = !row.safetensors.empty() || type == DType::nvfp4;
        if (options.out_format == OutFormat::hf && !in_folder)
            return fail(Fault::usage, "{}: safetensors has no type {}; write a .gguf file",
                        options.target.string(), row.name);
        if (options.out_format == OutFormat::gguf && row.gguf_id < 0)
            return fail(Fault::usage, "{}: GGUF has no type {}; write a folder", options.target.string(),
                        row.name);
    }
    for (const DType type : {options.embedding_type, options.head_type})
        if (options.out_format == OutFormat::hf && (type == DType::nvfp4 || type == DType::f8_e4m3))
            return fail(Fault::usage,
                        "expected f32, f16 or bf16 for the embedding and head of a folder, saw {}",
                        info(type).name);
    if (options.scale_block && options.type != DType::f8_e4m3)
        return fail(Fault::usage, "expected scales of rows or blocks for fp8 alone, saw {}",
                    info(options.type).name);
    std::error_code error;
    if (!options.replace && fs::exists(options.target, error))
        return fail(Fault::usage, "{}: the target exists already; name another or pass --force",
                    options.target.string());
    if (options.out_format == OutFormat::gguf && fs::is_directory(options.target, error))
        return fail(Fault::usage, "{}: expected a file name for GGUF output, saw a folder",
                    options.target.string());
    return {};
}

// GGUF output knows the tensors of some families.
Status check_names(const models::Program& program, const SynthesisOptions& options) {
    for (const models::TensorSpec& tensor : program.tensors)
        if (!models::gguf_tensor_name(tensor.name))
            return fail(Fault::unsupported, "{}: {} has no name in GGUF output; write a folder",
                        options.target.string(), tensor.name);
    return {};
}

}  // namespace

Result<Synthesis> synthesize(const SynthesisOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    HEARTH_TRY_STATUS(check(options));
    const JsonCursor config(options.config, "config.json");
    HEARTH_TRY(const std::string type, config.string_or("model_type", ""));
    Json dense = options.config;
    Mixture mixture;
    if (type == "qwen3_moe") {
        constexpr std::int64_t kMost = 1 << 20;
        HEARTH_TRY(mixture.n_experts, config.integer_or("num_experts", 0, 1, 4096));
        HEARTH_TRY(mixture.n_used, config.integer_or("num_experts_per_tok", 8, 1, 4096));
        HEARTH_TRY(mixture.d_ff, config.integer_or("moe_intermediate_size", 0, 1, kMost));
        if (mixture.n_experts == 0 || mixture.d_ff == 0)
            return fail(Fault::corrupt,
                        "config.json: expected num_experts and moe_intermediate_size, saw none");
        dense.get_object()["model_type"] = "qwen3";
    }
    HEARTH_TRY(const models::ModelConfig model, models::read_hf_config(dense, "config.json"));
    ThreadPool pool({.threads = options.threads});
    Listing listing(options, pool);
    const models::Program program = models::find_architecture(model.architecture)->build(model);
    if (options.out_format == OutFormat::gguf) HEARTH_TRY_STATUS(check_names(program, options));
    listing.add(program, mixture);
    if (options.out_format == OutFormat::gguf) {
        HEARTH_TRY(const auto keys, keys_of(options, dense, mixture, listing));
        HEARTH_TRY_STATUS(write_file(listing, keys, options, pool));
    } else {
        HEARTH_TRY_STATUS(write_folder(listing, options, pool));
    }
    Synthesis report{options.target.string(), type, listing.parameters, listing.parts.size()};
    for (const Part& part : listing.parts) report.bytes += part.bytes();
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
}

}  // namespace hearth::compress
