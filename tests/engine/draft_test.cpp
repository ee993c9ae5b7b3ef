// tests/engine/draft_test.cpp - multi-token-prediction heads against transformers' modules, and the same bits
// for any chunk and number of threads.
#include <cmath>

#include "fixtures.h"
#include "formats/hostile.h"
#include "formats/safetensors.h"

namespace hearth::engine {
namespace {

std::shared_ptr<const models::Model> load_with_heads(const fs::path& path) {
    ThreadPool pool({.threads = 2, .pin = false});
    auto model = models::load_model(path, pool, {.need_tokenizer = false, .draft_heads = true});
    EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().message);
    return model ? *model : nullptr;
}

std::vector<float> drafted(Engine& engine, std::span<const int> ids, Engine::ScoreOptions options) {
    std::vector<float> all;
    std::int64_t expected = options.first_position;
    EXPECT_OK(engine.score(
        ids,
        [&](std::int64_t position, std::span<const float> logits) {
            EXPECT_EQ(position, expected++);
            all.insert(all.end(), logits.begin(), logits.end());
        },
        options));
    return all;
}

fs::path rows_of(const fs::path& folder, int head) {
    return folder / ("draft_" + std::to_string(head) + ".npy");
}

std::vector<std::string> fixtures_with_heads() {
    std::vector<std::string> names;
    for (const std::string& name : tests::model_fixtures())
        if (fs::exists(rows_of(tests::fixture("models") / name, 1))) names.push_back(name);
    return names;
}

class DraftTest : public testing::TestWithParam<std::string> {
  protected:
    fs::path folder() const { return tests::fixture("models") / GetParam(); }
};

TEST_P(DraftTest, AgreesWithTransformers) {
    const auto ids = tests::read_ids(folder() / "ids.json");
    for (const fs::path& path : {folder(), folder() / "model.gguf"}) {
        if (!fs::exists(path)) continue;
        const auto model = load_with_heads(path);
        ASSERT_NE(model, nullptr);
        const auto engine = tests::open(model, {.threads = 2, .chunk_tokens = 16, .exact = true});
        int head = 1;
        for (; fs::exists(rows_of(folder(), head)); ++head) {
            const auto want = tests::read_npy(rows_of(folder(), head));
            for (const std::int64_t prefill : {INT64_MAX, std::int64_t{23}}) {
                const auto got = drafted(*engine, ids, {.prefill_tokens = prefill, .draft_head = head});
                ASSERT_EQ(got.size(), want.size()) << path;
                float worst = 0, scale = 0;
                for (std::size_t i = 0; i < want.size(); ++i) {
                    worst = std::max(worst, std::fabs(got[i] - want[i]));
                    scale = std::max(scale, std::fabs(want[i]));
                }
                EXPECT_LT(worst, 1e-4f * scale) << path << " head " << head;
            }
        }
        EXPECT_EQ(model->draft_heads.size(), static_cast<std::size_t>(head - 1)) << path;
        // The model's own logits do not know of its heads.
        EXPECT_EQ(tests::score_all(*engine, ids),
                  tests::score_all(*tests::open(tests::load(path), {.threads = 1, .exact = true}), ids));
    }
}

TEST_P(DraftTest, HasTheSameBitsForAnyChunkAndThreads) {
    const auto ids = tests::read_ids(folder() / "ids.json");
    const auto model = load_with_heads(folder());
    ASSERT_NE(model, nullptr);
    const auto vocab = static_cast<std::size_t>(model->config().vocab);
    const int last = static_cast<int>(model->draft_heads.size());
    std::vector<float> want;
    for (const int threads : {1, 2})
        for (const int chunk : {1, 7, 64}) {
            const auto engine = tests::open(model, {.threads = threads, .chunk_tokens = chunk});
            const auto got = drafted(*engine, ids, {.draft_head = last});
            if (want.empty()) want = got;
            ASSERT_EQ(got, want) << "threads " << threads << " chunk " << chunk;
            const auto late = drafted(*engine, ids, {.first_position = 30, .draft_head = last});
            EXPECT_EQ(late,
                      std::vector<float>(want.begin() + static_cast<std::ptrdiff_t>(30 * vocab), want.end()));
        }
}

INSTANTIATE_TEST_SUITE_P(Models, DraftTest, testing::ValuesIn(fixtures_with_heads()), [](const auto& row) {
    std::string name = row.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

TEST(Drafts, AreRefusedWhereThereAreNone) {
    const auto folder = tests::fixture("models") / "qwen3_5-draft";
    const auto ids = tests::read_ids(folder / "ids.json");
    const auto ignore = [](std::int64_t, std::span<const float>) {};
    for (const auto& model :
         {tests::load(folder), load_with_heads(tests::fixture("models") / "qwen3_5-tied")}) {
        ASSERT_NE(model, nullptr);
        const auto engine = tests::open(model, {.threads = 1});
        const auto refused = engine->score(ids, ignore, {.draft_head = 1});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().fault, Fault::out_of_range);
        EXPECT_NE(refused.error().message.find("expected one of 0"), std::string::npos)
            << refused.error().message;
    }
    const auto engine = tests::open(load_with_heads(folder), {.threads = 1});
    EXPECT_FALSE(engine->score(ids, ignore, {.draft_head = 2}));
    EXPECT_FALSE(engine->score(ids, ignore, {.draft_head = -1}));
    // Texts too short for a row.
    std::int64_t rows = 0;
    EXPECT_OK(engine->score(std::span(ids).first(1), [&](std::int64_t, std::span<const float>) { ++rows; },
                            {.draft_head = 1}));
    EXPECT_EQ(rows, 0);
}

// A file whose head was cut off, or is of another model: the model loads, the head is named in the error.
TEST(Drafts, AreFoundByTheirTensors) {
    const auto from = tests::fixture("models") / "qwen3_5-draft";
    const auto source = formats::Safetensors::open(from);
    ASSERT_OK(source);
    const auto store = [&](const fs::path& to, std::string_view dropped) {
        fs::create_directories(to);
        fs::copy_file(from / "config.json", to / "config.json", fs::copy_options::overwrite_existing);
        std::vector<formats::SafetensorsWriter::Declaration> tensors;
        for (const auto& entry : source->entries())
            if (entry.name != dropped) tensors.push_back({entry.name, entry.dtype, entry.shape});
        auto writer = formats::SafetensorsWriter::create(to / "model.safetensors", tensors, {});
        ASSERT_OK(writer);
        for (const auto& entry : source->entries())
            if (entry.name != dropped) ASSERT_OK(writer->append(source->view(entry).bytes));
        ASSERT_OK(writer->commit());
    };
    const tests::TempFolder temporary;
    ThreadPool pool({.threads = 1, .pin = false});
    store(temporary.path() / "no-head", "mtp.fc.weight");
    const auto without = load_with_heads(temporary.path() / "no-head");
    ASSERT_NE(without, nullptr);
    EXPECT_TRUE(without->draft_heads.empty());
    store(temporary.path() / "broken", "mtp.layers.0.mlp.up_proj.weight");
    EXPECT_NE(tests::load(temporary.path() / "broken"), nullptr);
    const auto broken =
        models::load_model(temporary.path() / "broken", pool, {.need_tokenizer = false, .draft_heads = true});
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().fault, Fault::corrupt);
    EXPECT_NE(broken.error().message.find("model.layers.3.mlp.up_proj"), std::string::npos)
        << broken.error().message;
}

}  // namespace
}  // namespace hearth::engine
