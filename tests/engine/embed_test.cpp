// tests/engine/embed_test.cpp - embeddings: transformers' hidden states, pooled here in double, against the
// engine's.
#include <unistd.h>

#include <cmath>

#include "fixtures.h"
#include "formats/safetensors.h"
#include "models/embedder.h"

namespace hearth::engine {
namespace {

using models::Embedder;

// Rows [0, n) of hidden states, added up.
std::vector<double> sum_of_rows(const std::vector<float>& hidden, std::size_t width, std::size_t begin,
                                std::size_t end) {
    std::vector<double> sum(width);
    for (std::size_t row = begin; row < end; ++row)
        for (std::size_t i = 0; i < width; ++i) sum[i] += static_cast<double>(hidden[row * width + i]);
    return sum;
}

void expect_same_direction(const std::vector<float>& got, std::vector<double> want) {
    double squares = 0;
    for (const double x : want) squares += x * x;
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i)
        EXPECT_NEAR(static_cast<double>(got[i]), want[i] / std::sqrt(squares), 1e-5) << i;
}

TEST(Embed, PoolsWhatTransformersComputes) {
    using Pooling = Embedder::Pooling;
    for (const auto& [name, usual] : {std::pair{"bert-small", Pooling::mean},
                                      {"modernbert-pattern", Pooling::mean},
                                      {"gemma3-embedding", Pooling::mean},
                                      {"qwen3-embedding", Pooling::last}}) {
        const fs::path folder = tests::fixture("models") / name;
        const auto ids = tests::read_ids(folder / "ids.json");
        const auto hidden = tests::read_npy(folder / "logits.npy");
        const std::size_t n = ids.size(), width = hidden.size() / n;
        const auto model = tests::load(folder);
        ASSERT_NE(model, nullptr);
        const auto engine = tests::open(model, {.threads = 2, .chunk_tokens = 16, .exact = true});
        auto embedder = models::load_embedder(folder, model->config());
        ASSERT_OK(embedder);
        EXPECT_EQ(embedder->pooling, usual) << name;
        for (const Pooling pooling : {Pooling::mean, Pooling::first, Pooling::last}) {
            embedder->pooling = pooling;
            const auto got = engine->embed(ids, *embedder);
            ASSERT_OK(got);
            const std::size_t begin = pooling == Pooling::last ? n - 1 : 0,
                              end = pooling == Pooling::first ? 1 : n;
            expect_same_direction(*got, sum_of_rows(hidden, width, begin, end));
        }
        // Without a head there is nothing to write.
        Request request;
        request.prompt = {1};
        EXPECT_EQ(engine->generate({std::move(request)}).error().fault, Fault::unsupported);
    }
}

TEST(Embed, ReadsWhatSentenceTransformersKeepsBesideAModel) {
    const fs::path folder = fs::temp_directory_path() / fmt::format("hearth-embedder-test-{}", getpid());
    fs::remove_all(folder);
    fs::create_directories(folder / "1_Pooling");
    fs::create_directories(folder / "2_Dense");
    const auto write = [&](const char* path, const char* text) {
        ASSERT_OK(write_whole(folder / path, text));
    };
    write("modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])");
    write("1_Pooling/config.json", R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
    write("2_Dense/config.json", R"({"in_features": 2, "out_features": 3, "bias": false,
        "activation_function": "torch.nn.modules.linear.Identity"})");
    const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
    auto writer = formats::SafetensorsWriter::create(folder / "2_Dense" / "model.safetensors",
                                                     {{"linear.weight", DType::f32, Shape{3, 2}}}, {});
    ASSERT_OK(writer);
    ASSERT_OK(writer->append(std::as_bytes(std::span(weight))));
    ASSERT_OK(writer->commit());
    const auto embedder = models::load_embedder(folder, {});
    ASSERT_OK(embedder);
    EXPECT_EQ(embedder->pooling, Embedder::Pooling::first);
    EXPECT_FALSE(embedder->normalize);
    EXPECT_EQ(embedder->finish({1, -1}).value(), (std::vector<float>{-1, -1, -1}));
    EXPECT_EQ(embedder->finish({1}).error().fault, Fault::corrupt);
    write("1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})");
    EXPECT_EQ(models::load_embedder(folder, {}).error().fault, Fault::unsupported);
    fs::remove_all(folder);
}

}  // namespace
}  // namespace hearth::engine
