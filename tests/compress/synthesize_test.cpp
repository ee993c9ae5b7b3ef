// tests/compress/synthesize_test.cpp - synthetic models: they load, their weights have the spread that was
// asked for, and their bytes depend on the seed alone.
#include "compress/synthesize.h"

#include <boost/json.hpp>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "formats/gguf.h"
#include "formats/hostile.h"
#include "models/model.h"
#include "models/shapes.h"
#include "quant/formats.h"

namespace hearth::compress {
namespace {

using tests::TempFolder;

Json small_config(const char* family, const char* size) {
    Json config = models::published_shape(family, size, 2).value();
    auto& c = config.get_object();
    c["hidden_size"] = 256;
    c["intermediate_size"] = 512;
    c["num_attention_heads"] = 4;
    c["num_key_value_heads"] = 2;
    c["head_dim"] = 64;
    c["vocab_size"] = 1000;
    return config;
}

SynthesisOptions options_for(const fs::path& target, DType type, int threads = 2) {
    SynthesisOptions options;
    options.config = small_config("qwen3", "8B");
    options.name = "test";
    options.target = target;
    options.out_format = target.extension() == ".gguf" ? OutFormat::gguf : OutFormat::hf;
    options.type = type;
    options.threads = threads;
    options.replace = true;
    return options;
}

TEST(Synthesize, EveryTypeLoadsWithTheSpreadAskedFor) {
    const TempFolder folder;
    ThreadPool pool({.threads = 2});
    const fs::path target = folder.path() / "m.gguf";
    int types = 0;
    for (const quant::BlockFormat& format : quant::block_formats()) {
        if (info(format.dtype).gguf_id < 0) continue;
        SCOPED_TRACE(info(format.dtype).name);
        ++types;
        const auto made = synthesize(options_for(target, format.dtype));
        ASSERT_OK(made);
        const auto file = formats::Gguf::open(target);
        ASSERT_OK(file);
        const formats::GgufEntry* entry = file->find("blk.1.ffn_up.weight");
        ASSERT_NE(entry, nullptr);
        EXPECT_EQ(entry->dtype, format.dtype);
        std::vector<float> weights(static_cast<std::size_t>(entry->shape.n_elems()));
        ASSERT_OK(quant::decode(file->view(*entry), weights));
        double sum = 0, squares = 0;
        for (const float w : weights) {
            sum += static_cast<double>(w);
            squares += static_cast<double>(w) * static_cast<double>(w);
        }
        double scale = 1;
        if (const auto* beside = file->find("blk.1.ffn_up.scale")) {
            float value = 0;
            std::memcpy(&value, file->view(*beside).bytes.data(), sizeof value);
            scale = static_cast<double>(value);
        }
        const auto n = static_cast<double>(weights.size());
        // 131072 draws of N(0, 0.02^2): the mean is within 6 / sqrt(n) deviations of 0, and rounding to four
        // bits (at most a tenth of a deviation's square) moves the spread by little.
        EXPECT_LT(std::fabs(scale * sum / n), 6 * 0.02 / std::sqrt(n));
        EXPECT_NEAR(scale * std::sqrt(squares / n), 0.02, 0.0008);
        ASSERT_OK(models::load_model(target, pool, {.need_tokenizer = false}));
    }
    EXPECT_GE(types, 9);
}

TEST(Synthesize, FoldersLoadToo) {
    const TempFolder folder;
    ThreadPool pool({.threads = 2});
    for (const DType type : {DType::nvfp4, DType::f8_e4m3, DType::bf16}) {
        SCOPED_TRACE(info(type).name);
        const auto made = synthesize(options_for(folder.path() / "m", type));
        ASSERT_OK(made);
        const auto model = models::load_model(folder.path() / "m", pool, {.need_tokenizer = false});
        ASSERT_OK(model);
        EXPECT_EQ((*model)->config().n_layers, 2);
        EXPECT_EQ((*model)->config().vocab, 1000);
        // Two matrices of 1000 x 256, and in each layer q, o 256 x 256, k, v 128 x 256, three of 512 x 256,
        // four norms; the last norm.
        EXPECT_EQ(made->parameters, 2u * 256000 + 2 * (256 * 256 * 3 + 512 * 256 * 3 + 640) + 256);
    }
}

TEST(Synthesize, Fp8HasScalesOfBlocksOrRows) {
    const TempFolder folder;
    ThreadPool pool({.threads = 2});
    SynthesisOptions options = options_for(folder.path() / "m", DType::f8_e4m3);
    for (const auto& [block, grid] : {std::pair{models::ScaleBlock{128, 128}, Shape{4, 2}},
                                      std::pair{models::ScaleBlock{100, 64}, Shape{6, 4}},
                                      std::pair{models::ScaleBlock{1, 0}, Shape{512, 1}}}) {
        options.scale_block = block;
        options.replace = true;
        ASSERT_OK(synthesize(options));
        const auto model = models::load_model(folder.path() / "m", pool, {.need_tokenizer = false});
        ASSERT_OK(model);
        const auto up = (*model)->checkpoint.linear("model.layers.0.mlp.up_proj.weight", Shape{512, 256});
        ASSERT_OK(up);
        EXPECT_EQ(static_cast<std::int64_t>(up->fp8.values.size()), grid.n_elems());
    }
    options.type = DType::bf16;
    EXPECT_EQ(synthesize(options).error().fault, Fault::usage);
}

TEST(Synthesize, BytesDependOnTheSeedAlone) {
    const TempFolder folder;
    const fs::path a = folder.path() / "a.gguf", b = folder.path() / "b.gguf", c = folder.path() / "c.gguf";
    ASSERT_OK(synthesize(options_for(a, DType::nvfp4, 1)));
    ASSERT_OK(synthesize(options_for(b, DType::nvfp4, 2)));
    SynthesisOptions other = options_for(c, DType::nvfp4, 2);
    other.seed = 1;
    ASSERT_OK(synthesize(other));
    const std::string first = read_text(a, 1 << 28).value();
    EXPECT_EQ(first, read_text(b, 1 << 28).value());
    EXPECT_NE(first, read_text(c, 1 << 28).value());
}

TEST(Synthesize, MixturesHaveTheirExpertsStacked) {
    const TempFolder folder;
    SynthesisOptions options = options_for(folder.path() / "m.gguf", DType::nvfp4);
    options.config = small_config("qwen3", "30B-A3B");
    options.config.get_object()["num_experts"] = 6;
    options.config.get_object()["moe_intermediate_size"] = 128;
    const auto made = synthesize(options);
    ASSERT_OK(made);
    const auto file = formats::Gguf::open(options.target);
    ASSERT_OK(file);
    EXPECT_EQ(file->string("general.architecture").value(), "qwen3moe");
    EXPECT_EQ(file->integer("qwen3moe.expert_count", 0, 1000).value(), 6);
    EXPECT_EQ(file->integer("qwen3moe.expert_used_count", 0, 1000).value(), 8);
    EXPECT_EQ(file->find("blk.0.ffn_gate_exps.weight")->shape, (Shape{6, 128, 256}));
    EXPECT_EQ(file->find("blk.0.ffn_down_exps.weight")->shape, (Shape{6, 256, 128}));
    EXPECT_EQ(file->find("blk.0.ffn_down_exps.scale")->shape, (Shape{6}));
    EXPECT_EQ(file->find("blk.1.ffn_gate_inp.weight")->dtype, DType::f32);
    EXPECT_EQ(file->find("blk.0.ffn_gate.weight"), nullptr);
}

TEST(Synthesize, RowsThatAreNoWholeBlocksStayBf16) {
    const TempFolder folder;
    SynthesisOptions options = options_for(folder.path() / "m.gguf", DType::q4_k);
    options.config.get_object()["intermediate_size"] = 320;
    ASSERT_OK(synthesize(options));
    const auto file = formats::Gguf::open(options.target);
    ASSERT_OK(file);
    EXPECT_EQ(file->find("blk.0.ffn_down.weight")->dtype, DType::bf16);
    EXPECT_EQ(file->find("blk.0.ffn_up.weight")->dtype, DType::q4_k);
}

TEST(Synthesize, RefusesWhatAContainerCannotHold) {
    const TempFolder folder;
    const auto fault = [](const SynthesisOptions& options) {
        const auto made = synthesize(options);
        return made ? std::string("accepted") : made.error().message;
    };
    EXPECT_NE(fault(options_for(folder.path() / "m", DType::q4_0)).find("safetensors has no type q4_0"),
              std::string::npos);
    EXPECT_NE(fault(options_for(folder.path() / "m.gguf", DType::f8_e4m3)).find("GGUF has no type"),
              std::string::npos);
    EXPECT_NE(fault(options_for(folder.path() / "m.gguf", DType::i32)).find("can be encoded"),
              std::string::npos);
    SynthesisOptions again = options_for(folder.path() / "m.gguf", DType::q8_0);
    ASSERT_OK(synthesize(again));
    again.replace = false;
    EXPECT_NE(fault(again).find("exists already"), std::string::npos);
    again.replace = true;
    again.config.get_object()["num_attention_heads"] = 0;
    EXPECT_NE(fault(again).find("num_attention_heads"), std::string::npos);
    SynthesisOptions hybrid = options_for(folder.path() / "hybrid.gguf", DType::q8_0);
    const fs::path config = tests::fixture("models") / "qwen3_5-tied" / "config.json";
    hybrid.config = parse_json(read_text(config, 1 << 20).value(), config.string()).value();
    EXPECT_NE(fault(hybrid).find("has no name in GGUF output"), std::string::npos) << fault(hybrid);
    EXPECT_FALSE(fs::exists(hybrid.target));
    EXPECT_EQ(models::published_shape("qwen3", "2B", 0).error().fault, Fault::usage);
    EXPECT_EQ(models::published_shape("bert", "2B", 0).error().fault, Fault::usage);
}

}  // namespace
}  // namespace hearth::compress
