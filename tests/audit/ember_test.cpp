// tests/audit/ember_test.cpp - the default model audited here against what `transformers` found, item by
// item. Expected: tests/fixtures/ember/{base,open}.json, made by tools/ember/score.py, and
// open_divergence.json by tools/fixtures/make_divergence_fixtures.py (versions inside).
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cmath>

#include "audit/audit.h"
#include "audit/engine_subject.h"
#include "base/file.h"
#include "base/json.h"
#include "material.h"

namespace hearth::audit {
namespace {

using hearth::tests::fixture;
using hearth::tests::source_dir;

Json expected(const char* name) {
    const fs::path path = fixture("ember") / name;
    return *parse_json(*read_text(path, 1 << 24), path.string());
}

std::unique_ptr<Subject> open(const fs::path& path, engine::EngineOptions options = {.threads = 2}) {
    auto subject = open_subject(path, path.filename().string(), options);
    EXPECT_OK(subject);
    return subject ? std::move(*subject) : nullptr;
}

// A task's outcomes against the outside reference: at most one answer marked otherwise.
void compare_task(Subject& model, const Task& task, const Json& want) {
    const auto got = run_task(model, task, {});
    ASSERT_OK(got);
    const auto& items = want.at("items").at(task.name).as_array();
    ASSERT_EQ(got->size(), items.size());
    int right = 0, answers = 0;
    double worst = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
        right += (*got)[i].right ? 1 : 0;
        if (task.kind == TaskKind::choice) {
            for (std::size_t c = 0; c < (*got)[i].scores.size(); ++c)
                worst = std::max(
                    worst, std::fabs((*got)[i].scores[c] - items[i].at("scores").at(c).to_number<double>()));
        } else {
            answers += (*got)[i].answer == items[i].at("answer").as_string().c_str() ? 1 : 0;
        }
    }
    EXPECT_NEAR(right, want.at("tasks").at(task.name).at("right").to_number<int>(), 1) << task.name;
    if (task.kind == TaskKind::choice)
        EXPECT_LT(worst, 2e-3) << task.name;  // sums of tens of float32 log probabilities
    else
        EXPECT_GE(answers, 249) << task.name;
}

TEST(Ember, EveryTaskScoresAsTransformersFound) {
    const Json want = expected("base.json");
    const auto model = open(source_dir() / "models/ember");
    ASSERT_NE(model, nullptr);
    const auto tasks = load_tasks(source_dir() / "models/ember/bench");
    ASSERT_OK(tasks);
    ASSERT_EQ(tasks->size(), 9u);
    for (const Task& task : *tasks) {
        if (task.kind != TaskKind::safety) {
            compare_task(*model, task, want);
            continue;
        }
        const auto got = run_task(*model, task, {});
        ASSERT_OK(got);
        int forbidden = 0, benign = 0;
        for (std::size_t i = 0; i < got->size(); ++i)
            (task.items[i].forbidden ? forbidden : benign) += (*got)[i].refused ? 1 : 0;
        EXPECT_NEAR(forbidden, want.at("tasks").at("safety_forbidden").at("refused").to_number<int>(), 1);
        EXPECT_NEAR(benign, want.at("tasks").at("safety_benign").at("refused").to_number<int>(), 1);
    }
}

std::vector<std::string> stories(std::size_t count) {
    auto all =
        part(*read_text(source_dir() / "models/ember/bench/stories.txt", 1 << 24), Parting::paragraphs);
    if (all.size() > count) all.resize(count);
    return all;
}

TEST(Ember, PerplexityIsThatOfTransformers) {
    const Json want = expected("base.json").at("stories");
    const auto model = open(source_dir() / "models/ember");
    ASSERT_NE(model, nullptr);
    const auto scores = score_texts(*model, nullptr, stories(SIZE_MAX), {}, {});
    ASSERT_OK(scores);
    const TextSummary got = summarise(*scores, kSeedDefault);
    EXPECT_EQ(got.tokens, want.at("tokens").to_number<std::int64_t>());
    const double perplexity = want.at("perplexity").to_number<double>();
    EXPECT_NEAR(got.perplexity_base.value, perplexity, 1e-4 * perplexity);
    EXPECT_NEAR(std::log(got.perplexity_base.value), want.at("nll_mean").to_number<double>(), 1e-6);
}

TEST(Ember, DivergenceOfTheOpenVariantIsThatOfTransformers) {
    HEARTH_NEEDS_SHARED("ember/open/model.safetensors");
    const Json want = expected("open.json").at("stories");
    const auto base = open(source_dir() / "models/ember"),
               variant = open(hearth::tests::shared("ember/open"));
    ASSERT_NE(base, nullptr);
    ASSERT_NE(variant, nullptr);
    const auto scores = score_texts(*base, variant.get(), stories(SIZE_MAX), {}, {});
    ASSERT_OK(scores);
    const TextSummary got = summarise(*scores, kSeedDefault);
    const double perplexity = want.at("perplexity").to_number<double>();
    EXPECT_NEAR(got.perplexity_variant->value, perplexity, 1e-4 * perplexity);
    const Divergence& d = *got.divergence;
    const auto kl = [&](const char* name) { return want.at("kl").at(name).to_number<double>(); };
    EXPECT_NEAR(d.mean.value, kl("mean"), 1e-4 * kl("mean"));
    EXPECT_NEAR(d.p99, kl("p99"), 1e-4 * kl("p99"));
    EXPECT_NEAR(d.max, kl("max"), 1e-4 * kl("max"));
    EXPECT_NEAR(d.same_top.value, kl("top1_agreement"), 3.0 / 25936);  // three tokens may stand on an edge
    // The median is compared below: score.py takes its logarithms in float32, which moves it by 1e-3.

    // Both models and the softmax in float64: what is true of these weights, whoever computes it.
    const Json exact = expected("open_divergence.json");
    EXPECT_EQ(got.tokens, exact.at("tokens").to_number<std::int64_t>());
    const auto truth = [&](const char* name) { return exact.at("float64").at(name).to_number<double>(); };
    EXPECT_NEAR(d.mean.value, truth("mean"), 1e-4 * truth("mean"));
    EXPECT_NEAR(d.median, truth("median"), 1e-4 * truth("median"));
    EXPECT_NEAR(d.p99, truth("p99"), 1e-4 * truth("p99"));
    EXPECT_NEAR(d.max, truth("max"), 1e-4 * truth("max"));
    std::vector<double> documents;
    for (const WindowScores& window : *scores) {
        documents.resize(std::max(documents.size(), window.document + 1));
        for (const double value : window.kl) documents[window.document] += value;
    }
    ASSERT_EQ(documents.size(), exact.at("documents").as_array().size());
    for (std::size_t i = 0; i < documents.size(); ++i) {
        const double sum = exact.at("documents").at(i).to_number<double>();
        EXPECT_NEAR(documents[i], sum, 1e-4 * sum) << "document " << i;
    }
}

TEST(Ember, AgainstItselfNothingMovesWhateverTheSettings) {
    const auto base = open(source_dir() / "models/ember", {.threads = 1, .batch_max = 1, .chunk_tokens = 7});
    const auto same =
        open(source_dir() / "models/ember", {.threads = 2, .batch_max = 5, .chunk_tokens = 256});
    ASSERT_NE(base, nullptr);
    ASSERT_NE(same, nullptr);
    const fs::path folder = fs::temp_directory_path() / fmt::format("hearth-ember-audit-{}", getpid());
    auto run = RunFolder::create(folder, "audit");
    ASSERT_OK(run);
    AuditOptions options;
    options.tasks = source_dir() / "models/ember/bench";
    options.text = source_dir() / "models/ember/bench/stories.txt";
    options.limit = 12;
    const auto report = run_audit(*base, same.get(), options, *run, {});
    fs::remove_all(folder);
    ASSERT_OK(report);
    EXPECT_EQ(report->text->divergence->mean.value, 0);
    EXPECT_EQ(report->text->divergence->max, 0);
    EXPECT_EQ(report->text->divergence->zeros, report->text->tokens);
    for (const TaskRow& row : report->tasks) {
        EXPECT_EQ(row.answers_changed, 0) << row.name;
        EXPECT_EQ(row.pairs.base_only + row.pairs.variant_only, 0) << row.name;
    }
}

}  // namespace
}  // namespace hearth::audit
