// tests/engine/gguf_models_test.cpp - models that come as GGUF alone: hidden states against transformers'
// modules put together as the published model has them (tools/fixtures/nomic_moe.py), and what GGUF says of
// pooling.
#include <unistd.h>

#include <cmath>

#include "fixtures.h"
#include "formats/gguf.h"
#include "models/embedder.h"

namespace hearth::engine {
namespace {

using models::Embedder;

std::vector<fs::path> folders() {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(tests::fixture("gguf_models")))
        out.push_back(entry.path());
    std::sort(out.begin(), out.end());
    return out;
}

TEST(GgufModels, AgreeWithTheReferenceInTheSameBitsForAnyChunkAndThreads) {
    ASSERT_GE(folders().size(), 3u);
    for (const fs::path& folder : folders()) {
        SCOPED_TRACE(folder.filename());
        const auto ids = tests::read_ids(folder / "ids.json");
        const auto want = tests::read_npy(folder / "logits.npy");
        const auto model = tests::load(folder / "model.gguf");
        ASSERT_NE(model, nullptr);
        double largest = 0;
        for (const float x : want) largest = std::max(largest, std::fabs(static_cast<double>(x)));
        std::vector<float> first;
        for (const int threads : {1, 3})
            for (const int chunk : {7, 64}) {
                const auto engine =
                    tests::open(model, {.threads = threads, .chunk_tokens = chunk, .exact = true});
                const auto got = tests::score_all(*engine, ids);
                ASSERT_EQ(got.size(), want.size());
                for (std::size_t i = 0; i < want.size(); ++i)
                    ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(want[i]), 1e-4 * largest);
                if (first.empty()) first = got;
                EXPECT_EQ(0, std::memcmp(first.data(), got.data(), got.size() * sizeof(float)));
            }
    }
}

TEST(GgufModels, EmbedAsTheFileSays) {
    for (const fs::path& folder : folders()) {
        SCOPED_TRACE(folder.filename());
        const auto ids = tests::read_ids(folder / "ids.json");
        const auto hidden = tests::read_npy(folder / "logits.npy");
        const auto model = tests::load(folder / "model.gguf");
        ASSERT_NE(model, nullptr);
        const auto engine = tests::open(model, {.threads = 2, .exact = true});
        const auto embedder = models::load_embedder(folder / "model.gguf", model->config());
        ASSERT_OK(embedder);
        EXPECT_EQ(embedder->pooling, Embedder::Pooling::mean);
        const auto got = engine->embed(ids, *embedder);
        ASSERT_OK(got);
        const std::size_t width = hidden.size() / ids.size();
        std::vector<double> sum(width);
        double squares = 0;
        for (std::size_t i = 0; i < hidden.size(); ++i) sum[i % width] += static_cast<double>(hidden[i]);
        for (const double x : sum) squares += x * x;
        for (std::size_t i = 0; i < width; ++i)
            EXPECT_NEAR(static_cast<double>((*got)[i]), sum[i] / std::sqrt(squares), 1e-5);
    }
}

// EmbeddingGemma converted with its dense modules: worked out by hand.
TEST(GgufModels, PoolingAndDenseLayersOfGguf) {
    using formats::GgufValue;
    using formats::GgufWriter;
    const fs::path path = fs::temp_directory_path() / fmt::format("hearth-dense-test-{}.gguf", getpid());
    const auto write = [&](std::uint32_t pooling, const Shape& second, const std::vector<float>& numbers) {
        auto writer = GgufWriter::create(
            path,
            std::vector<formats::GgufPair>{{"general.architecture", GgufValue::string("gemma-embedding")},
                                           {"gemma-embedding.pooling_type", GgufValue::u32(pooling)}},
            {{"dense_2.weight", DType::f32, {3, 2}}, {"dense_3.weight", DType::f32, second}});
        ASSERT_OK(writer);
        const std::vector<float> first = {1, 2, 3, 4, 5, 6};
        ASSERT_OK(writer->append(std::as_bytes(std::span(first))));
        ASSERT_OK(writer->append(std::as_bytes(std::span(numbers))));
        ASSERT_OK(writer->commit());
    };
    write(3, Shape{2, 3}, {1, 0, 0, 0, -2, 1});
    const auto embedder = models::load_embedder(path, {});
    ASSERT_OK(embedder);
    EXPECT_EQ(embedder->pooling, Embedder::Pooling::last);
    // (1, 1) -> (3, 7, 11) -> (3, -3): unit length after it.
    const auto got = embedder->finish({1, 1});
    ASSERT_OK(got);
    EXPECT_NEAR(static_cast<double>((*got)[0]), std::sqrt(0.5), 1e-6);
    EXPECT_NEAR(static_cast<double>((*got)[1]), -std::sqrt(0.5), 1e-6);
    write(0, Shape{2, 3}, {1, 0, 0, 0, -2, 1});
    EXPECT_EQ(models::load_embedder(path, {}).error().fault, Fault::unsupported);
    write(1, Shape{6}, {1, 0, 0, 0, -2, 1});
    EXPECT_EQ(models::load_embedder(path, {}).error().fault, Fault::corrupt);
    fs::remove(path);
}

}  // namespace
}  // namespace hearth::engine
