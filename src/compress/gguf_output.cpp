// compress/gguf_output.cpp - one GGUF file: keys, then each tensor under its GGUF name, in GGUF's row order.
#include <algorithm>

#include "base/hash.h"
#include "compress/gguf_keys.h"
#include "compress/target_type.h"
#include "compress/work.h"
#include "models/tensor_names.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

using formats::GgufPair;
using formats::GgufValue;
using formats::GgufWriter;

// Buffers and activation scales that GGUF has no place for.
bool is_left_out(std::string_view name) {
    for (const std::string_view suffix :
         {".input_scale", ".input_global_scale", ".k_scale", ".v_scale", "rotary_emb.inv_freq"})
        if (name.ends_with(suffix)) return true;
    return false;
}

struct Output {
    const Decision* decision;
    std::string name;  // GGUF's
    DType to;
    RowOrder order;
};

struct Plan {
    std::vector<GgufPair> pairs;
    std::vector<Output> outputs;
    std::vector<float> rope_divisors;
};

Result<RowOrder> permutation(const SourceTensor& tensor, std::int64_t head_dim) {
    const std::int64_t n_rows = tensor.shape[0];
    if (head_dim % 2 != 0 || n_rows % head_dim != 0 || n_rows > INT32_MAX)
        return fail(Fault::corrupt, "{}: expected whole heads of {}, saw {} rows", tensor.name, head_dim,
                    n_rows);
    RowOrder order;
    for (std::int64_t row = 0; row < n_rows; ++row)
        order.push_back(static_cast<std::int32_t>(models::hf_row_of_permuted(row, head_dim)));
    return order;
}

// Vectors are float32 in GGUF, as ggml's norms and additions want them; kept matrices keep their type.
Result<DType> written_type(const Decision& decision) {
    if (decision.kept_because.empty()) return decision.to;
    const SourceTensor& tensor = *decision.tensor;
    const bool is_float =
        tensor.dtype == DType::f32 || tensor.dtype == DType::f16 || tensor.dtype == DType::bf16;
    if (tensor.shape.rank() < 2 && is_float) return DType::f32;
    if (info(tensor.kept_as()).gguf_id < 0)
        return fail(Fault::unsupported, "{}: expected a type that GGUF has, saw {}", tensor.name,
                    info(tensor.dtype).name);
    return tensor.kept_as();
}

Result<Plan> plan_of_hf(const Source& source, Work& work) {
    Plan plan;
    const fs::path folder = fs::absolute(source.path()).lexically_normal();
    const fs::path named = folder.has_filename() ? folder : folder.parent_path();
    HEARTH_TRY(GgufModel model, gguf_model(source.config(), (source.path() / "config.json").string(),
                                           named.filename().string()));
    HEARTH_TRY(std::vector<GgufPair> vocabulary, gguf_vocabulary(source.path(), source.config()));
    plan.pairs = std::move(model.pairs);
    std::move(vocabulary.begin(), vocabulary.end(), std::back_inserter(plan.pairs));
    plan.rope_divisors = std::move(model.rope_divisors);
    for (const Decision& decision : work.decisions()) {
        const SourceTensor& tensor = *decision.tensor;
        const auto name = models::gguf_tensor_name(tensor.hf_name);
        if (!name) {
            if (!is_left_out(tensor.name))
                return fail(Fault::unsupported, "{}: expected tensors of {}, saw {}, which has no GGUF name",
                            source.path().string(), model.architecture, tensor.name);
            work.report.left_out.push_back(tensor.name);
            continue;
        }
        HEARTH_TRY(const DType to, written_type(decision));
        RowOrder order;
        if (models::gguf_permutes_qk(model.architecture) && models::is_qk_projection(tensor.hf_name)) {
            HEARTH_TRY(order, permutation(tensor, model.head_dim));
        }
        plan.outputs.push_back({&decision, *name, to, std::move(order)});
    }
    return plan;
}

Result<Plan> plan_of_gguf(const Source& source, Work& work) {
    Plan plan;
    for (const GgufPair& pair : source.gguf().metadata())
        if (!pair.key.starts_with("split.") && pair.key != "general.file_type" &&
            pair.key != "general.quantization_version")
            plan.pairs.push_back(pair);
    for (const Decision& decision : work.decisions()) {
        HEARTH_TRY(const DType to, written_type(decision));
        plan.outputs.push_back({&decision, decision.tensor->name, to, {}});
    }
    return plan;
}

std::string scale_name(std::string_view name) {
    constexpr std::string_view kSuffix = ".weight";
    if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
    return std::string(name) + ".scale";
}

// The tensor's bytes as GGUF wants them.
Result<std::vector<std::byte>> made(const Output& output, Work& work, float tensor_scale,
                                    TensorRecord& record) {
    const SourceTensor& tensor = *output.decision->tensor;
    if (output.to == DType::nvfp4) {
        Encoded encoded;
        if (tensor.dtype == DType::nvfp4 && !tensor.scales)
            return std::vector(tensor.view.bytes.begin(), tensor.view.bytes.end());
        if (tensor.dtype == DType::nvfp4) {
            HEARTH_TRY(encoded, nvfp4_codes(tensor, output.order));
        } else {
            encoded = encode_nvfp4(work.pool(), tensor, tensor_scale, output.order);
            record.relative_rmse = relative_rmse(encoded);
        }
        std::vector<std::byte> blocks(
            static_cast<std::size_t>(*bytes_of(DType::nvfp4, tensor.shape.n_elems())));
        const quant::Nvfp4Tensor codes{
            tensor.shape[0],
            tensor.shape[1],
            {reinterpret_cast<const std::uint8_t*>(encoded.bytes.data()), encoded.bytes.size()},
            encoded.scales,
            tensor_scale};
        HEARTH_TRY_STATUS(
            quant::nvfp4_to_gguf(codes, blocks).map_error([&](Error e) { return e.at(tensor.name); }));
        return blocks;
    }
    // Reorder bytes first where nothing is encoded: a vector's "rows" are its elements.
    std::vector<std::byte> own;
    SourceTensor plain = tensor;
    if (!output.order.empty() && tensor.shape.rank() == 1) {
        own = reordered(tensor.view, output.order);
        plain.view.bytes = own;
    }
    if (tensor.dtype == output.to && tensor.shape.rank() == 1)
        return std::vector(plain.view.bytes.begin(), plain.view.bytes.end());
    const RowOrder order = tensor.shape.rank() == 1 ? RowOrder() : output.order;
    HEARTH_TRY(Encoded encoded, encode_blocks(work.pool(), plain, output.to, order));
    if (tensor.dtype != output.to && tensor.shape.rank() > 1) record.relative_rmse = relative_rmse(encoded);
    return std::move(encoded.bytes);
}

Status write_tensor(GgufWriter& writer, const Output& output, Work& work) {
    const SourceTensor& tensor = *output.decision->tensor;
    TensorRecord record{output.name,
                        tensor.shape,
                        tensor.dtype,
                        output.to,
                        tensor.bytes,
                        0,
                        0,
                        output.decision->kept_because};
    const std::size_t n_parts = output.to == DType::nvfp4 ? 2 : 1;
    HEARTH_TRY(const std::size_t kept, work.keep_parts(writer, tensor));
    if (kept == n_parts) {
        work.finish_kept(tensor, std::move(record));
        return {};
    }
    std::vector<JournalEntry::Part> written;
    const bool as_it_is =
        !output.decision->kept_because.empty() && tensor.dtype == output.to && output.order.empty();
    if (as_it_is) {
        HEARTH_TRY_STATUS(writer.append(tensor.view.bytes));
        record.bytes_after = tensor.view.bytes.size();
    } else {
        float tensor_scale = 1;
        if (output.to == DType::nvfp4) {
            HEARTH_TRY(tensor_scale, work.tensor_scale(tensor));
        }
        HEARTH_TRY(const std::vector<std::byte> bytes, made(output, work, tensor_scale, record));
        const auto scale = std::as_bytes(std::span(&tensor_scale, 1));
        if (kept == 0) HEARTH_TRY_STATUS(writer.append(bytes));
        record.bytes_after = bytes.size();
        written.push_back({bytes.size(), hash_hex(bytes)});
        if (output.to == DType::nvfp4) {
            HEARTH_TRY_STATUS(writer.append(scale));
            record.bytes_after += scale.size();
            written.push_back({scale.size(), hash_hex(scale)});
        }
    }
    return work.finish(tensor, std::move(record), std::move(written));
}

}  // namespace

Status write_gguf(const Options& options, const Source& source, Work& work) {
    HEARTH_TRY(Plan plan, source.is_gguf() ? plan_of_gguf(source, work) : plan_of_hf(source, work));
    plan.pairs.push_back({"general.quantization_version", GgufValue::u32(2)});
    plan.pairs.push_back({"general.file_type", GgufValue::u32(gguf_file_type(options.type, options.mix))});
    std::vector<GgufWriter::Declaration> declared;
    if (!plan.rope_divisors.empty())
        declared.push_back(
            {"rope_freqs.weight", DType::f32, {static_cast<std::int64_t>(plan.rope_divisors.size())}});
    for (const Output& output : plan.outputs) {
        declared.push_back({output.name, output.to, output.decision->tensor->shape});
        if (output.to == DType::nvfp4) declared.push_back({scale_name(output.name), DType::f32, {1}});
    }
    HEARTH_TRY(GgufWriter writer,
               GgufWriter::create(options.target, plan.pairs, std::move(declared), 32, Partial::resumed));
    HEARTH_TRY_STATUS(writer.append(std::as_bytes(std::span(plan.rope_divisors))));
    for (const Output& output : plan.outputs) HEARTH_TRY_STATUS(write_tensor(writer, output, work));
    HEARTH_TRY_STATUS(writer.commit());
    return write_whole(options.target.string() + ".hearth_quantization.json",
                       to_json(to_json_value(work.report), 2) + "\n");
}

}  // namespace hearth::compress
