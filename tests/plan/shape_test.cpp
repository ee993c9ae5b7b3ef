// tests/plan/shape_test.cpp - weights and kept state by closed form against transformers' own classes
// (fixtures/plan/shapes.json), published sizes, and the headers of files.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstring>
#include <set>

#include "base/file.h"
#include "material.h"
#include "plan/model_shape.h"

namespace hearth::plan {
namespace {

TEST(Shape, WeightsAndCachesAreTransformers) {
    const Json fixture =
        parse_json(read_text(tests::fixture("plan/shapes.json"), 1 << 24).value(), "shapes.json").value();
    std::set<std::string> families, ran;
    for (const Json& row : fixture.at("shapes").as_array()) {
        const std::string family(row.at("family").as_string()), size(row.at("size").as_string());
        SCOPED_TRACE(family + " " + size);
        const auto shape = shape_of_config(row.at("config"), family);
        ASSERT_OK(shape);
        families.insert(family);
        EXPECT_EQ(shape->parameters(), row.at("total").as_int64());
        EXPECT_EQ(shape->of(Part::embedding), row.at("embedding").as_int64());
        EXPECT_EQ(shape->of(Part::experts), row.at("experts").as_int64());
        if (!shape->tied) {
            EXPECT_EQ(shape->of(Part::head), row.at("head").as_int64());
        }
        if (!row.as_object().contains("cache_elements")) continue;
        ran.insert(family);
        // After n tokens transformers keeps window - 1 positions of a sliding layer, and the next token makes
        // it `window`: that many it must hold.
        const std::int64_t n = row.at("cache_tokens").as_int64();
        std::int64_t theirs = 0, sliding = 0;
        for (const Json& layer : row.at("cache_elements").as_array()) theirs += layer.as_int64();
        for (const KeptState& state : shape->states)
            if (state.window > 0 && n >= state.window) sliding += state.n_layers * state.elems_per_position;
        EXPECT_EQ(shape->kept_elems(n), theirs + sliding);
    }
    EXPECT_GE(families.size(), 14u);
    EXPECT_GE(ran.size(), 12u);
}

// Counts that the makers publish, in the table's own words: name and billions of parameters, all and active.
TEST(Shape, PublishedCounts) {
    struct Row {
        const char* name;
        double total, active;  // active as the makers count it, within their rounding
    };
    for (const Row& row : {Row{"Llama-3.3-70B", 70.553706, 69.5}, Row{"Qwen3-30B-A3B", 30.532, 3.04},
                           Row{"gpt-oss-20b", 20.914, 3.61}, Row{"gpt-oss-120b", 116.829, 5.13},
                           Row{"DeepSeek-V3", 671.026, 36.6}, Row{"GLM-5.1", 743.91, 40.8},
                           Row{"Step-3.7-Flash", 196.96, 11.46}, Row{"Qwen3.6-35B-A3B", 34.66, 2.946},
                           Row{"Gemma-4-E2B", 4.629, 2.280}, Row{"Qwen3.6-27B", 26.9, 25.6}}) {
        SCOPED_TRACE(row.name);
        const auto shape = find_shape(row.name);
        ASSERT_OK(shape);
        EXPECT_NEAR(static_cast<double>(shape->parameters()) / 1e9, row.total, row.total * 0.0005);
        EXPECT_NEAR(shape->active_parameters() / 1e9, row.active, row.active * 0.01);
    }
}

TEST(Shape, BytesPerPositionAreTheFieldsNumbers) {
    // Bytes of one more position in 16 bits, as engines report them.
    const auto bytes = [](const char* name) {
        const ModelShape shape = find_shape(name).value();
        return 2 * (shape.kept_elems(100'001) - shape.kept_elems(100'000));
    };
    EXPECT_EQ(bytes("Llama-3.3-70B"), 327'680);
    EXPECT_EQ(bytes("Qwen3-30B-A3B"), 98'304);
    EXPECT_EQ(bytes("Qwen3.6-35B-A3B"), 20'480);
    EXPECT_EQ(bytes("DeepSeek-V3"), 70'272);
    EXPECT_EQ(bytes("gpt-oss-120b"), 36'864);
    EXPECT_EQ(bytes("Step-3.7-Flash"), 49'152);
    EXPECT_EQ(bytes("Gemma-4-E2B"), 6'144);
    EXPECT_EQ(bytes("GLM-5.1"), 89'856 + 78 * 128 * 2);  // latents, and the indexer's keys
}

TEST(Shape, FilesGiveTheirOwnBytes) {
    for (const char* model : {"tests/fixtures/models/qwen3-tied", "models/ember"}) {
        const fs::path folder = tests::source_dir() / model;
        const auto shape = find_shape(folder.string());
        ASSERT_OK(shape);
        ASSERT_TRUE(shape->stored_bytes.has_value());
        std::uint64_t bytes = 0;
        for (const std::uint64_t part : *shape->stored_bytes) bytes += part;
        std::uint64_t by_type = 0;
        for (const auto& [type, of] : shape->stored_types) by_type += of;
        EXPECT_EQ(by_type, bytes);
        const std::uint64_t header = 8 + [&] {
            const std::string file = read_text(folder / "model.safetensors", 1 << 28).value();
            std::uint64_t n = 0;
            std::memcpy(&n, file.data(), sizeof n);
            return n;
        }();
        EXPECT_EQ(bytes + header, fs::file_size(folder / "model.safetensors"));
    }
    const fs::path gguf = tests::fixture("models/qwen3-tied/model.gguf");
    const auto a = find_shape(gguf.string());
    const auto b = find_shape(tests::fixture("models/qwen3-tied").string());
    ASSERT_OK(a);
    ASSERT_OK(b);
    EXPECT_EQ(a->parameters(), b->parameters());
    EXPECT_EQ(a->kept_elems(100), b->kept_elems(100));
}

TEST(Shape, NonsenseIsRefusedByPlace) {
    const auto fault = [](std::string_view text) {
        const Json config = parse_json(text, "config.json").value();
        const auto shape = shape_of_config(config, "config.json");
        return shape ? std::string("accepted") : shape.error().message;
    };
    EXPECT_NE(fault("{}").find("model_type"), std::string::npos);
    EXPECT_NE(fault(R"({"model_type": "bert"})").find("\"bert\""), std::string::npos);
    EXPECT_NE(fault(R"({"model_type": "llama"})").find("hidden_size"), std::string::npos);
    const char* kBase =
        R"("model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "vocab_size": 10)";
    for (const char* bad : {R"("num_attention_heads": 0, "num_hidden_layers": 2)",
                            R"("num_attention_heads": 4, "num_hidden_layers": -1)",
                            R"("num_attention_heads": 4, "num_hidden_layers": 99999999999)",
                            R"("num_attention_heads": "4", "num_hidden_layers": 2)",
                            R"("num_attention_heads": 4, "num_hidden_layers": 2, "head_dim": 1e300)"}) {
        const std::string got = fault(fmt::format("{{{}, {}}}", kBase, bad));
        EXPECT_NE(got, "accepted") << bad;
        EXPECT_NE(got.find("config.json"), std::string::npos) << got;
    }
    EXPECT_EQ(find_shape("no-such-model").error().fault, Fault::not_found);
}

}  // namespace
}  // namespace hearth::plan
