// tests/plan/engine_bytes_test.cpp - sizes from a config alone against the headers of the fixtures' files,
// tensor by tensor, and against the pools that the engine allocates for their programs, to the byte.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <set>

#include "base/file.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "material.h"
#include "models/architecture.h"
#include "models/checkpoint.h"
#include "plan/memory.h"
#include "plan/model_shape.h"

namespace hearth::plan {
namespace {

struct Fixture {
    std::string name;
    fs::path folder;
    ModelShape shape;          // of the config alone
    bool other_types = false;  // FP8 and the like, of which files mix several
};

// The fixtures of families that plans know.
std::vector<Fixture> fixtures() {
    std::vector<Fixture> out;
    for (const auto& entry : fs::directory_iterator(tests::fixture("models"))) {
        const fs::path path = entry.path() / "config.json";
        const Json config = parse_json(read_text(path, 1 << 20).value(), path.string()).value();
        auto shape = shape_of_config(config, path.string());
        if (!shape) {
            EXPECT_EQ(shape.error().fault, Fault::unsupported) << shape.error().message;
            continue;
        }
        const auto* method = config.as_object().if_contains("quantization_config");
        const bool other = method != nullptr && method->as_object().at("quant_method").as_string() != "mxfp4";
        out.push_back({entry.path().filename().string(), entry.path(), *shape, other});
    }
    return out;
}

// Layers past the model's own, as DeepSeek's files number them, are heads that draft: no part of the bill.
bool drafts(const std::string& name, const ModelShape& shape) {
    for (const std::string before : {"model.layers.", "blk."})
        if (name.starts_with(before)) return std::stoi(name.substr(before.size())) >= shape.n_layers;
    return false;
}

// Elements by part of the file's header, in either container.
template <class File>
std::array<std::int64_t, kParts> elements(const File& file, const ModelShape& shape) {
    std::array<std::int64_t, kParts> out{};
    for (const auto& entry : file.entries())
        if (const auto part = part_of_tensor(entry.name);
            part && entry.name != "rope_freqs.weight" && !drafts(entry.name, shape))
            out[static_cast<std::size_t>(*part)] += entry.shape.n_elems();
    return out;
}

TEST(EngineBytes, WeightsAreTheHeaders) {
    std::set<std::string> families, in_gguf;
    for (const Fixture& fixture : fixtures()) {
        SCOPED_TRACE(fixture.name);
        if (fixture.other_types) continue;
        const auto file = formats::Safetensors::open(fixture.folder);
        ASSERT_OK(file);
        std::uint64_t bytes = 0;
        DType dtype = file->entries()[0].dtype;
        for (const auto& entry : file->entries()) {
            if (part_of_tensor(entry.name) && !drafts(entry.name, fixture.shape))
                bytes += entry.end - entry.begin;
            if (entry.dtype == DType::u8) dtype = entry.dtype;
        }
        const char* type = dtype == DType::f32 ? "f32" : dtype == DType::u8 ? "mxfp4" : "bf16";
        const auto weights = find_weight_type(type);
        ASSERT_OK(weights);
        EXPECT_EQ(memory_bill(fixture.shape, &*weights, {.context = 1}).weights, static_cast<double>(bytes))
            << type;
        if (dtype != DType::u8) {
            EXPECT_EQ(fixture.shape.n_elems, elements(*file, fixture.shape));
        }
        families.insert(fixture.shape.family);
        const fs::path path = fixture.folder / "model.gguf";
        if (!fs::exists(path)) continue;
        const auto gguf = formats::Gguf::open(path);
        ASSERT_OK(gguf);
        EXPECT_EQ(fixture.shape.n_elems, elements(*gguf, fixture.shape));
        in_gguf.insert(fixture.shape.family);
    }
    EXPECT_GE(families.size(), 12u);
    EXPECT_GE(in_gguf.size(), 7u);
}

// The closed forms, and the sums over the programs that run.
TEST(EngineBytes, ConfigsAndProgramsGiveOneShape) {
    for (const Fixture& fixture : fixtures()) {
        for (const char* file : {"", "model.gguf"}) {
            const fs::path path = fixture.folder / file;
            if (!fs::exists(path)) continue;
            SCOPED_TRACE(path.string());
            const auto checkpoint = models::Checkpoint::open(path);
            ASSERT_OK(checkpoint);
            const models::ModelConfig& config = checkpoint->config();
            const models::Program program = models::find_architecture(config.architecture)->build(config);
            const ModelShape a = fixture.shape, b = shape_of_program(config, program);
            EXPECT_EQ(a.n_elems, b.n_elems);
            EXPECT_EQ(a.active_parameters(), b.active_parameters());
            EXPECT_EQ(a.attention_width, b.attention_width);
            EXPECT_EQ(a.n_experts, b.n_experts);
            EXPECT_EQ(a.n_experts_used, b.n_experts_used);
            EXPECT_EQ(a.context_max, b.context_max);
            EXPECT_EQ(a.is_hybrid, b.is_hybrid);
            EXPECT_EQ(a.tied, b.tied);
            EXPECT_EQ(a.kept_elems(1000), b.kept_elems(1000));
        }
    }
}

TEST(EngineBytes, WhatSequencesKeepIsWhatTheEngineAllocates) {
    std::set<std::string> families, kinds;
    for (const Fixture& fixture : fixtures()) {
        const auto checkpoint = models::Checkpoint::open(fixture.folder);
        ASSERT_OK(checkpoint);
        const models::ModelConfig& config = checkpoint->config();
        const models::Program program = models::find_architecture(config.architecture)->build(config);
        families.insert(config.architecture);
        for (const auto kv : {kernels::kKvF32, kernels::kKvBf16, kernels::kKvFp8, kernels::kKvQ8}) {
            const auto pools = models::state_pools(program, kv);
            for (const std::int64_t context : {1, 15, 16, 17, 100, 333, 1000, 4097})
                for (const int sequences : {1, 3, 300}) {
                    SCOPED_TRACE(fmt::format("{}: cache type {}, {} tokens, {} sequences", fixture.name,
                                             static_cast<int>(kv), context, sequences));
                    const MemoryUse use = {.context = context, .sequences = sequences, .kv = kv};
                    const auto sizes = models::size_pools(
                        pools, {.context = context,
                                .context_limit = context,
                                .sequences = sequences,
                                .step_tokens = std::max<std::int64_t>(use.chunk_tokens, sequences),
                                .bytes_max = UINT64_MAX});
                    ASSERT_OK(sizes);
                    ASSERT_EQ(kept_bytes(fixture.shape, use), static_cast<double>(sizes->bytes));
                }
        }
        for (const KeptState& state : fixture.shape.states) kinds.insert(state.kind);
    }
    EXPECT_GE(families.size(), 12u);
    EXPECT_EQ(kinds, (std::set<std::string>{"attention", "latent", "linear attention", "sliding window"}));
}

}  // namespace
}  // namespace hearth::plan
