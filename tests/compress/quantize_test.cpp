// tests/compress/quantize_test.cpp - whole models quantized: layouts, agreement of the outputs, oracles,
// refusals.
#include "compress/quantize.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/rng.h"
#include "formats/gguf.h"
#include "formats/hostile.h"
#include "formats/safetensors.h"
#include "models/tensor_names.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

using formats::Gguf;
using formats::Safetensors;
using formats::SafetensorsWriter;
using tests::read_bytes;
using tests::TempFolder;

fs::path ember() { return tests::source_dir() / "models" / "ember"; }

Result<Report> quantized(const fs::path& source, const fs::path& target, TargetType type = {"", DType::nvfp4},
                         int threads = 2) {
    Options options;
    options.source = source;
    options.target = target;
    options.type = type.dtype;
    options.mix = type.mix;
    options.out_format = target.extension() == ".gguf" ? OutFormat::gguf : OutFormat::hf;
    options.threads = threads;
    return quantize(options);
}

template <class T>
std::vector<T> values(const TensorView& view) {
    std::vector<T> out(view.bytes.size() / sizeof(T));
    std::memcpy(out.data(), view.bytes.data(), out.size() * sizeof(T));
    return out;
}
bool same_bytes(const TensorView& a, const TensorView& b) {
    return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}
TensorView view(const Safetensors& file, const std::string& name) {
    const auto* entry = file.find(name);
    EXPECT_NE(entry, nullptr) << name;
    return entry != nullptr ? file.view(*entry) : TensorView{};
}
TensorView view(const Gguf& file, const std::string& name) {
    const auto* entry = file.find(name);
    EXPECT_NE(entry, nullptr) << name;
    return entry != nullptr ? file.view(*entry) : TensorView{};
}
std::vector<std::string> linears(const Safetensors& file) {
    std::vector<std::string> modules;
    for (const auto& entry : file.entries())
        if (entry.name.ends_with(".weight_scale_2"))
            modules.push_back(entry.name.substr(0, entry.name.size() - std::strlen(".weight_scale_2")));
    return modules;
}

// A folder with these tensors and ember's config and tokenizer.
void write_model(const fs::path& folder, const std::vector<SafetensorsWriter::Declaration>& declared,
                 const std::vector<std::vector<std::byte>>& bytes, const char* file = "model.safetensors") {
    fs::create_directories(folder);
    auto writer = SafetensorsWriter::create(folder / file, declared, {});
    ASSERT_OK(writer);
    for (const auto& part : bytes) ASSERT_OK(writer->append(part));
    ASSERT_OK(writer->commit());
    for (const char* name :
         {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"})
        ASSERT_OK(write_whole(folder / name, read_bytes(ember() / name)));
}
std::vector<std::byte> copied(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

// Expected numbers: tests/fixtures/compress/ember.json, what torch, compressed-tensors and gguf read from
// such a folder (tools/check_quantized.py wrote it).
TEST(Quantize, FolderDecodesToWhatOutsidePackagesRead) {
    const TempFolder folder;
    const auto report = quantized(ember(), folder.path() / "nv");
    ASSERT_OK(report);
    const Json record = parse_json(read_bytes(tests::fixture("compress/ember.json")), "ember.json").value();
    const JsonCursor norms = JsonCursor(record, "ember.json").at("hf_norms").value();
    const auto file = Safetensors::open(folder.path() / "nv");
    ASSERT_OK(file);
    const auto modules = linears(*file);
    EXPECT_EQ(modules.size(), 42u);
    for (const std::string& module : modules) {
        const auto codes = values<std::uint8_t>(view(*file, module + ".weight"));
        const auto scales = values<std::uint8_t>(view(*file, module + ".weight_scale"));
        const float scale = values<float>(view(*file, module + ".weight_scale_2"))[0];
        const Shape shape = view(*file, module + ".weight").shape;
        const quant::Nvfp4Tensor tensor{shape[0], shape[1] * 2, codes, scales, scale};
        std::vector<float> row(static_cast<std::size_t>(tensor.n_cols));
        double sum = 0;
        for (std::int64_t r = 0; r < tensor.n_rows; ++r) {
            quant::nvfp4_decode_row(tensor, r, row.data());
            for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
        }
        EXPECT_NEAR(std::sqrt(sum), norms.at(module)->number().value(), 1e-9 * std::sqrt(sum)) << module;
    }
    const JsonCursor errors = JsonCursor(record, "ember.json").at("hf_errors").value();
    for (const auto& tensor : report->tensors) {
        if (!tensor.kept_because.empty()) continue;
        const std::string module = tensor.name.substr(0, tensor.name.size() - std::strlen(".weight"));
        EXPECT_NEAR(tensor.relative_rmse, errors.at(module)->number().value(), 1e-6) << module;
    }
    EXPECT_NEAR(report->bits_per_quantized_weight(), 4.5, 0.01);
}

TEST(Quantize, OutsidePackagesAgree) {
    if (std::system(
            "python3 -c 'import gguf, compressed_tensors, safetensors, tokenizers, torch' 2>/dev/null") != 0)
        GTEST_SKIP() << "needs python3 with tools/requirements.txt; the recorded check above stands in";
    const TempFolder folder;
    ASSERT_OK(quantized(ember(), folder.path() / "nv"));
    std::string command = fmt::format("python3 {}/tools/check_quantized.py {} --hf {}/nv",
                                      tests::source_dir().string(), ember().string(), folder.path().string());
    for (const TargetType& type : target_types()) {
        const fs::path target = folder.path() / fmt::format("{}.gguf", type.name);
        ASSERT_OK(quantized(ember(), target, type));
        command += " --gguf " + target.string();
    }
    EXPECT_EQ(std::system((command + " >" + (folder.path() / "log").string() + " 2>&1").c_str()), 0)
        << read_bytes(folder.path() / "log");
}

// Expected: the same record; the errors of each tensor are of what gguf.dequantize read from such files.
TEST(Quantize, GgufDecodesToWhatOutsidePackagesRead) {
    const TempFolder folder;
    const Json record = parse_json(read_bytes(tests::fixture("compress/ember.json")), "ember.json").value();
    for (const TargetType& type : target_types()) {
        SCOPED_TRACE(type.name);
        const fs::path target = folder.path() / fmt::format("{}.gguf", type.name);
        const auto report = quantized(ember(), target, type);
        ASSERT_OK(report);
        EXPECT_EQ(report->type, type.name);
        const JsonCursor theirs = JsonCursor(record, "ember.json").at(target.filename().string()).value();
        EXPECT_EQ(Gguf::open(target)->integer("general.file_type", 0, 99).value(),
                  theirs.at("file_type")->integer(0, 99).value());
        const JsonCursor errors = theirs.at("errors").value();
        std::size_t compared = 0;
        for (const auto& tensor : report->tensors) {
            if (!tensor.kept_because.empty()) continue;
            EXPECT_NEAR(tensor.relative_rmse, errors.at(tensor.name)->number().value(), 1e-6) << tensor.name;
            ++compared;
        }
        EXPECT_EQ(compared, type.mix ? 43u : 42u);  // the mix has a type for the embedding too
    }
}

// Rows that are no multiple of 256 get llama.cpp's fallback; those of no whole block stay, and say why.
TEST(Quantize, RowsThatAreNoMultipleOf256GetTheFallback) {
    const TempFolder folder;
    const std::vector<SafetensorsWriter::Declaration> declared = {
        {"model.layers.0.mlp.down_proj.weight", DType::f32, {8, 512}},
        {"model.layers.0.mlp.up_proj.weight", DType::f32, {8, 96}},
        {"model.layers.0.self_attn.o_proj.weight", DType::f32, {8, 40}}};
    std::vector<std::vector<std::byte>> bytes;
    Philox random(3);
    for (const auto& tensor : declared) {
        std::vector<float> w(static_cast<std::size_t>(tensor.shape.n_elems()));
        for (float& x : w) x = static_cast<float>(random.normal());
        bytes.push_back(copied(std::as_bytes(std::span(w))));
    }
    write_model(folder.path() / "source", declared, bytes);
    for (const auto& [type, fallback] :
         {std::pair{DType::q4_k, DType::q5_0}, std::pair{DType::q5_k, DType::q5_1},
          std::pair{DType::q6_k, DType::q8_0}, std::pair{DType::iq4_xs, DType::iq4_nl}}) {
        const fs::path target = folder.path() / fmt::format("{}.gguf", info(type).name);
        const auto report = quantized(folder.path() / "source", target, {"", type});
        ASSERT_OK(report);
        const auto file = Gguf::open(target);
        ASSERT_OK(file);
        EXPECT_EQ(view(*file, "blk.0.ffn_down.weight").dtype, type);
        EXPECT_EQ(view(*file, "blk.0.ffn_up.weight").dtype, fallback);
        EXPECT_EQ(view(*file, "blk.0.attn_output.weight").dtype, DType::f32);
        EXPECT_EQ(report->tensors[2].kept_because, "rows of 40, no multiple of 32");
    }
}

TEST(Quantize, WeightsThatNoTypeHoldsAreRefusedByName) {
    const TempFolder folder;
    const std::string name = "model.layers.0.mlp.down_proj.weight";
    for (const float odd : {std::nanf(""), HUGE_VALF, -HUGE_VALF, 3e38f}) {
        std::vector<float> w(2 * 256, 0.5f);
        w[300] = odd;
        write_model(folder.path() / "source", {{name, DType::f32, {2, 256}}},
                    {copied(std::as_bytes(std::span(w)))});
        for (const TargetType& type : target_types()) {
            const auto report = quantized(folder.path() / "source", folder.path() / "out.gguf", type);
            if (odd == 3e38f && (type.dtype == DType::nvfp4 || type.dtype == DType::mxfp4)) {
                EXPECT_OK(report);  // their scales reach that far
                fs::remove(folder.path() / "out.gguf");
                continue;
            }
            ASSERT_FALSE(report.has_value()) << type.name << " " << odd;
            EXPECT_EQ(report.error().fault, std::isfinite(odd) ? Fault::unsupported : Fault::corrupt);
            EXPECT_NE(report.error().message.find(name), std::string::npos) << report.error().message;
            EXPECT_FALSE(fs::exists(folder.path() / "out.gguf"));
        }
        fs::remove_all(folder.path() / "source");
    }
}

TEST(Quantize, TheMixKeepsWhatItIsToldTo) {
    const TempFolder folder;
    Options options;
    options.source = ember();
    options.target = folder.path() / "mix.gguf";
    options.out_format = OutFormat::gguf;
    options.type = DType::q4_k;
    options.mix = true;
    options.keep = {"*embed_tokens*"};
    const auto report = quantize(options);
    ASSERT_OK(report);
    for (const auto& tensor : report->tensors)
        if (tensor.name == "token_embd.weight") {
            EXPECT_EQ(tensor.kept_because, "--keep *embed_tokens*");
        }
    options.replace = true;
    options.type = DType::q6_k;  // no such mix
    EXPECT_EQ(quantize(options).error().fault, Fault::usage);
}

TEST(Quantize, FolderIsWholeAndSaysWhatItIs) {
    const TempFolder folder;
    ASSERT_OK(quantized(ember(), folder.path() / "nv/"));
    for (const char* name :
         {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"})
        EXPECT_EQ(read_bytes(folder.path() / "nv" / name), read_bytes(ember() / name));
    const Json config = parse_json(read_bytes(folder.path() / "nv/config.json"), "c").value();
    const JsonCursor quantization = JsonCursor(config, "c").at("quantization_config").value();
    EXPECT_EQ(quantization.at("quant_method")->string().value(), "modelopt");
    EXPECT_EQ(quantization.at("quant_algo")->string().value(), "W4A16_NVFP4");
    EXPECT_EQ(quantization.at("ignore")->at(std::size_t{0})->string().value(), "lm_head");
    EXPECT_EQ(JsonCursor(config, "c").at("hidden_size")->integer(0, 1000).value(), 256);
    const Json record = parse_json(read_bytes(folder.path() / "nv/hearth_quantization.json"), "r").value();
    EXPECT_EQ(JsonCursor(record, "r").at("tensors")->array_size().value(), 68u);

    const auto source = Safetensors::open(ember()), file = Safetensors::open(folder.path() / "nv");
    ASSERT_OK(file);
    EXPECT_TRUE(
        same_bytes(view(*file, "model.embed_tokens.weight"), view(*source, "model.embed_tokens.weight")));
    for (const char* layer : {"model.layers.0", "model.layers.5"}) {
        const auto scale = [&](const char* module) {
            return values<float>(view(*file, fmt::format("{}.{}.weight_scale_2", layer, module)))[0];
        };
        EXPECT_EQ(scale("self_attn.q_proj"), scale("self_attn.k_proj"));
        EXPECT_EQ(scale("self_attn.q_proj"), scale("self_attn.v_proj"));
        EXPECT_EQ(scale("mlp.gate_proj"), scale("mlp.up_proj"));
        EXPECT_NE(scale("self_attn.q_proj"), scale("self_attn.o_proj"));
    }
}

// modules.json names folders with what Sentence Transformers keeps behind a model; without them it would name
// what is not there.
TEST(Quantize, TheModulesOfAnEmbedderComeAlong) {
    const TempFolder folder;
    const fs::path source = folder.path() / "source", target = folder.path() / "nv";
    std::vector<float> weights(2 * 32, 1.0f);
    write_model(source, {{"x.weight", DType::f32, {2, 32}}}, {copied(std::as_bytes(std::span(weights)))});
    ASSERT_OK(write_whole(source / "modules.json",
                          R"([{"type": "Transformer", "path": ""}, {"type": "Pooling", "path": "1_Pooling"},)"
                          R"( {"type": "Dense", "path": "../../2_Dense"}, {"type": "Normalize"}])"));
    for (const char* file : {"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
                             "2_Dense/pytorch_model.bin", "3_Other/config.json"}) {
        fs::create_directories((source / file).parent_path());
        ASSERT_OK(write_whole(source / file, file));
    }
    ASSERT_OK(quantized(source, target));
    for (const char* file : {"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"})
        EXPECT_EQ(read_bytes(target / file), file);
    EXPECT_FALSE(fs::exists(target / "2_Dense/pytorch_model.bin"));
    EXPECT_FALSE(fs::exists(target / "3_Other"));
    for (const char* broken : {"{", "{}", "[1]", R"([{"path": 1}])"}) {
        ASSERT_OK(write_whole(source / "modules.json", broken));
        const auto report = quantized(source, folder.path() / "other");
        ASSERT_FALSE(report.has_value()) << broken;
        EXPECT_NE(report.error().message.find("modules.json"), std::string::npos) << report.error().message;
        EXPECT_FALSE(fs::exists(folder.path() / "other"));
        EXPECT_FALSE(fs::exists(folder.path() / "other.partial-resumed"));
    }
}

TEST(Quantize, SameBytesForAnyNumberOfThreads) {
    const TempFolder folder;
    for (const char* name : {"nvfp4", "q4_0", "q4_k_m"}) {
        const TargetType type = target_type_from_name(name).value();
        ASSERT_OK(quantized(ember(), folder.path() / "one.gguf", type, 1));
        ASSERT_OK(quantized(ember(), folder.path() / "three.gguf", type, 3));
        EXPECT_EQ(read_bytes(folder.path() / "one.gguf"), read_bytes(folder.path() / "three.gguf"));
        fs::remove(folder.path() / "one.gguf");
        fs::remove(folder.path() / "three.gguf");
    }
}

// The same codes and scales in ModelOpt's layout, compressed-tensors' and GGUF's, whichever came from which.
TEST(Quantize, ThreeLayoutsHoldTheSameCodes) {
    const TempFolder folder;
    ASSERT_OK(quantized(ember(), folder.path() / "modelopt"));
    ASSERT_OK(quantized(ember(), folder.path() / "direct.gguf"));
    const auto modelopt = Safetensors::open(folder.path() / "modelopt");
    ASSERT_OK(modelopt);
    std::vector<SafetensorsWriter::Declaration> declared;
    std::vector<std::vector<std::byte>> bytes;
    for (const auto& entry : modelopt->entries()) {
        std::string name = entry.name;
        Shape shape = entry.shape;
        auto data = copied(modelopt->view(entry).bytes);
        if (name.ends_with(".weight_scale_2")) {
            name.replace(name.size() - 2, 2, "");
            name.replace(name.size() - std::strlen("weight_scale"), std::string::npos, "weight_global_scale");
            shape = {1};
            float scale = 0;
            std::memcpy(&scale, data.data(), 4);
            scale = 1 / scale;
            std::memcpy(data.data(), &scale, 4);
        } else if (name.ends_with(".weight") && entry.dtype == DType::u8) {
            name += "_packed";
        }
        declared.push_back({name, entry.dtype, shape});
        bytes.push_back(std::move(data));
    }
    write_model(folder.path() / "ct", declared, bytes);

    ASSERT_OK(quantized(folder.path() / "ct", folder.path() / "again"));
    ASSERT_OK(quantized(folder.path() / "ct", folder.path() / "ct.gguf"));
    ASSERT_OK(quantized(folder.path() / "modelopt", folder.path() / "modelopt.gguf"));
    ASSERT_OK(quantized(folder.path() / "direct.gguf", folder.path() / "twice.gguf"));
    const auto again = Safetensors::open(folder.path() / "again");
    const auto direct = Gguf::open(folder.path() / "direct.gguf"),
               from_ct = Gguf::open(folder.path() / "ct.gguf");
    const auto from_modelopt = Gguf::open(folder.path() / "modelopt.gguf");
    const auto twice = Gguf::open(folder.path() / "twice.gguf");
    ASSERT_OK(again);
    ASSERT_OK(twice);
    for (const std::string& module : linears(*modelopt)) {
        const TensorView codes = view(*modelopt, module + ".weight"),
                         scales = view(*modelopt, module + ".weight_scale");
        EXPECT_TRUE(same_bytes(codes, view(*again, module + ".weight"))) << module;
        EXPECT_TRUE(same_bytes(scales, view(*again, module + ".weight_scale"))) << module;
        const float scale = values<float>(view(*modelopt, module + ".weight_scale_2"))[0];
        EXPECT_FLOAT_EQ(values<float>(view(*again, module + ".weight_scale_2"))[0], scale);
        const std::string name = models::gguf_tensor_name(module + ".weight").value();
        const TensorView blocks = view(*direct, name);
        std::vector<std::uint8_t> own_codes(codes.bytes.size()), own_scales(scales.bytes.size());
        ASSERT_OK(
            quant::nvfp4_from_gguf(blocks.bytes, codes.shape[0], codes.shape[1] * 2, own_codes, own_scales));
        EXPECT_EQ(own_codes, values<std::uint8_t>(codes)) << module;
        EXPECT_EQ(own_scales, values<std::uint8_t>(scales)) << module;
        for (const auto* other : {&*from_ct, &*from_modelopt, &*twice})
            EXPECT_TRUE(same_bytes(blocks, view(*other, name)));
        const std::string scale_name = name.substr(0, name.size() - std::strlen("weight")) + "scale";
        EXPECT_EQ(values<float>(view(*direct, scale_name))[0], scale);
        EXPECT_EQ(values<float>(view(*twice, scale_name))[0], scale);
    }
}

// The fixture's model.gguf was written by the gguf package with the rows that llama.cpp's converter gives.
TEST(Quantize, LlamaRowsAndRopeFactorsAreTheConverters) {
    const TempFolder folder;
    const fs::path fixture = tests::fixture("models/llama-gqa-llama3-rope");
    fs::create_directories(folder.path() / "llama");
    for (const char* name : {"config.json", "model.safetensors"})
        ASSERT_OK(write_whole(folder.path() / "llama" / name, read_bytes(fixture / name)));
    ASSERT_OK(write_whole(folder.path() / "llama/tokenizer.json", read_bytes(ember() / "tokenizer.json")));
    const auto report =
        quantized(folder.path() / "llama", folder.path() / "llama.gguf", {"q8_0", DType::q8_0});
    ASSERT_OK(report);
    const auto ours = Gguf::open(folder.path() / "llama.gguf"), theirs = Gguf::open(fixture / "model.gguf");
    ASSERT_OK(ours);
    ASSERT_OK(theirs);
    int same = 0, encoded = 0;
    for (const auto& entry : theirs->entries()) {
        const TensorView seen = view(*ours, entry.name), expected = theirs->view(entry);
        EXPECT_EQ(seen.shape, expected.shape) << entry.name;
        if (seen.dtype == DType::q8_0) {
            ++encoded;
        } else if (entry.name == "rope_freqs.weight") {
            const auto a = values<float>(seen), b = values<float>(expected);
            for (std::size_t i = 0; i < b.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5f * b[i]) << i;
        } else {
            EXPECT_TRUE(same_bytes(seen, expected)) << entry.name;
            ++same;
        }
    }
    EXPECT_GT(same, 8);     // q and k among them: rows of 48 are no multiple of 32
    EXPECT_GT(encoded, 0);  // o_proj has rows of 96
    for (const char* key :
         {"llama.block_count", "llama.attention.head_count", "llama.attention.head_count_kv"})
        EXPECT_EQ(ours->integer(key, 0, 99).value(), theirs->integer(key, 0, 99).value()) << key;
}

// NVFP4 rows of q and k move whole: codes and scales of GGUF row r are those of the folder's row.
TEST(Quantize, LlamaNvfp4RowsMoveWithTheirScales) {
    const TempFolder folder;
    constexpr std::int64_t kRows = 64, kCols = 128, kHeadDim = 16;
    std::vector<float> weights(kRows * kCols);
    Philox random(11);
    for (float& w : weights) w = static_cast<float>(random.normal());
    const std::string name = "model.layers.0.self_attn.q_proj.weight";
    const auto raw = std::as_bytes(std::span(weights));
    write_model(folder.path() / "llama", {{name, DType::f32, {kRows, kCols}}}, {copied(raw)});
    ASSERT_OK(write_whole(folder.path() / "llama/config.json",
                          R"({"model_type":"llama","hidden_size":128,"num_attention_heads":4,"head_dim":16,)"
                          R"("num_hidden_layers":1,"intermediate_size":64,"max_position_embeddings":64,)"
                          R"("vocab_size":2048})"));
    ASSERT_OK(quantized(folder.path() / "llama", folder.path() / "hf"));
    ASSERT_OK(quantized(folder.path() / "llama", folder.path() / "direct.gguf"));
    ASSERT_OK(quantized(folder.path() / "hf", folder.path() / "repacked.gguf"));
    const auto hf = Safetensors::open(folder.path() / "hf");
    const auto codes = values<std::uint8_t>(view(*hf, name)),
               scales = values<std::uint8_t>(view(*hf, name + "_scale"));
    for (const char* file : {"direct.gguf", "repacked.gguf"}) {
        const auto gguf = Gguf::open(folder.path() / file);
        ASSERT_OK(gguf);
        std::vector<std::uint8_t> moved_codes(codes.size()), moved_scales(scales.size());
        ASSERT_OK(quant::nvfp4_from_gguf(view(*gguf, "blk.0.attn_q.weight").bytes, kRows, kCols, moved_codes,
                                         moved_scales));
        const auto same_row = [](const auto& a, std::int64_t row_a, const auto& b, std::int64_t row_b) {
            const auto width = static_cast<std::ptrdiff_t>(a.size() / kRows);
            return std::equal(a.begin() + row_a * width, a.begin() + (row_a + 1) * width,
                              b.begin() + row_b * width);
        };
        for (std::int64_t r = 0; r < kRows; ++r) {
            const std::int64_t from = models::hf_row_of_permuted(r, kHeadDim);
            EXPECT_TRUE(same_row(moved_codes, r, codes, from)) << r;
            EXPECT_TRUE(same_row(moved_scales, r, scales, from)) << r;
        }
    }
}

TEST(Quantize, ShardsKeepTheirNamesAndShareScales) {
    const TempFolder folder;
    const auto source = Safetensors::open(ember());
    ASSERT_OK(source);
    const char* names[2] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
    std::vector<SafetensorsWriter::Declaration> declared[2];
    std::vector<std::vector<std::byte>> bytes[2];
    std::string map;
    for (const auto& entry : source->entries()) {
        const std::size_t shard = entry.name.find("k_proj") != std::string::npos ? 1 : 0;  // parts q from k
        declared[shard].push_back({entry.name, entry.dtype, entry.shape});
        bytes[shard].push_back(copied(source->view(entry).bytes));
        map += fmt::format("{}\"{}\":\"{}\"", map.empty() ? "" : ",", entry.name, names[shard]);
    }
    for (std::size_t i : {0u, 1u}) write_model(folder.path() / "source", declared[i], bytes[i], names[i]);
    ASSERT_OK(
        write_whole(folder.path() / "source/model.safetensors.index.json", "{\"weight_map\":{" + map + "}}"));
    ASSERT_OK(quantized(folder.path() / "source", folder.path() / "sharded"));
    ASSERT_OK(quantized(ember(), folder.path() / "single"));
    const auto sharded = Safetensors::open(folder.path() / "sharded"),
               single = Safetensors::open(folder.path() / "single");
    ASSERT_OK(sharded);
    EXPECT_EQ(sharded->files().size(), 2u);
    ASSERT_EQ(sharded->entries().size(), single->entries().size());
    for (const auto& entry : single->entries())
        EXPECT_TRUE(same_bytes(single->view(entry), view(*sharded, entry.name))) << entry.name;
}

TEST(Quantize, EveryTensorIsAlignedForItsType) {
    const TempFolder folder;
    const std::vector<SafetensorsWriter::Declaration> declared = {
        {"a.weight", DType::f32, {3, 16}}, {"b.bias", DType::bf16, {3}}, {"b.weight", DType::bf16, {5, 16}},
        {"c.mask", DType::boolean, {7}},   {"d.count", DType::i64, {1}}, {"e.weight", DType::bf16, {4, 24}},
        {"f.norm.weight", DType::f32, {5}}};
    std::vector<std::vector<std::byte>> bytes;
    for (const auto& tensor : declared)
        bytes.emplace_back(static_cast<std::size_t>(*bytes_of(tensor.dtype, tensor.shape.n_elems())));
    write_model(folder.path() / "source", declared, bytes);
    const auto report = quantized(folder.path() / "source", folder.path() / "out");
    ASSERT_OK(report);
    const auto file = Safetensors::open(folder.path() / "out");
    ASSERT_OK(file);
    EXPECT_EQ(file->entries().size(), 11u);  // two of seven became three
    for (const auto& entry : file->entries())
        EXPECT_EQ(entry.begin % static_cast<unsigned>(info(entry.dtype).block_bytes), 0u) << entry.name;
    for (const auto& tensor : report->tensors)
        if (tensor.name == "e.weight") {
            EXPECT_EQ(tensor.kept_because, "rows of 24, no multiple of 16");
        }
}

}  // namespace
}  // namespace hearth::compress
