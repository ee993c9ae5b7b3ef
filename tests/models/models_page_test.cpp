// tests/models/models_page_test.cpp - docs/models.md says what the registry and the fixtures say. To write it
// again:
//   HEARTH_UPDATE_DOCS=1 build/release/src/models/test_models --gtest_filter='ModelsPage.*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "material.h"
#include "models/architecture.h"
#include "models/checkpoint.h"

namespace hearth::models {
namespace {

struct Checked {
    int n = 0, as_gguf = 0;
    std::set<std::string> versions;
};

std::map<std::string, Checked> checked() {
    std::map<std::string, Checked> by_architecture;
    for (const auto& entry : fs::directory_iterator(tests::fixture("models"))) {
        const auto checkpoint = Checkpoint::open(entry.path());
        EXPECT_TRUE(checkpoint.has_value()) << entry.path();
        if (!checkpoint) continue;
        Checked& row = by_architecture[checkpoint->config().architecture];
        ++row.n;
        row.as_gguf += fs::exists(entry.path() / "model.gguf") ? 1 : 0;
        const fs::path made = entry.path() / "made_with.json";
        const auto text = read_text(made, 1 << 20);
        const auto json = parse_json(text.value(), made.string());
        const JsonCursor cursor(json.value(), made.string());
        row.versions.insert(cursor.string_or("transformers", "").value());
    }
    return by_architecture;
}

std::string page() {
    std::string text =
        "# Models\n\n"
        "Each row is a file in `src/models/arch/`. *Checked* counts tiny random models whose logits agree "
        "with\n"
        "transformers to 1e-4 of the largest, as one prompt, decoded token by token, and after a fork and a "
        "rollback,\n"
        "with equal bits for any chunk and number of threads; *as GGUF* counts those that a GGUF twin "
        "repeats.\n"
        "`tools/fixtures/family_cases.py` has their configurations; `tools/check_families.py` draws others "
        "at "
        "random, stored\n"
        "in every way that checkpoints are. A model with a vision tower loads its text part. Where the notes "
        "name\n"
        "multi-token prediction, its heads are found by their tensors, and `hearth logits --mtp K` gives "
        "what "
        "the\n"
        "K-th drafts, held to transformers' modules in the same way; generation does not use them yet. Where "
        "Qwen's files have\n"
        "several, each is a layer of its own under one projection and one set of norms. "
        "nomic-embed-text-v2-moe runs from GGUF, held\n"
        "to transformers' modules put together as its own code does (`tools/fixtures/nomic_moe.py`).\n\n"
        "This page is made from the registry and the fixtures, and a test fails when it is not current.\n\n"
        "| architecture | transformers class | model_type | GGUF | notes | checked | as GGUF | against "
        "transformers |\n"
        "|---|---|---|---|---|---|---|---|\n";
    auto counts = checked();
    for (const Architecture* row : architectures()) {
        const Checked& of = counts[row->name];
        std::string versions;
        for (const std::string& version : of.versions) versions += (versions.empty() ? "" : ", ") + version;
        text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", row->name, row->hf_class,
                            row->model_types, *row->gguf_names == '\0' ? "-" : row->gguf_names, row->notes,
                            of.n, of.as_gguf, versions);
    }
    return text;
}

TEST(ModelsPage, IsCurrent) {
    const fs::path path = tests::source_dir() / "docs" / "models.md";
    if (std::getenv("HEARTH_UPDATE_DOCS") != nullptr) {
        ASSERT_OK(write_whole(path, page()));
    }
    const auto text = read_text(path, 1 << 20);
    ASSERT_OK(text);
    EXPECT_EQ(*text, page());
}

TEST(ModelsPage, EachArchitectureIsCheckedInThreeConfigurations) {
    auto counts = checked();
    for (const Architecture* row : architectures()) EXPECT_GE(counts[row->name].n, 3) << row->name;
}

}  // namespace
}  // namespace hearth::models
