// tests/hub/default_model_test.cpp - the embedded model unpacks whole, heals, and equals the tree's files.
#include "hub/default_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "material.h"

namespace hearth::hub {
namespace {

TEST(DefaultModel, UnpacksWholeAndHeals) {
    const fs::path cache = fs::temp_directory_path() / fmt::format("hearth-cache-test-{}", getpid());
    ASSERT_EQ(setenv("HEARTH_CACHE", cache.c_str(), 1), 0);
    const auto first = default_model();
    ASSERT_OK(first);
    const fs::path source = tests::source_dir() / "models" / "ember";
    for (const char* name :
         {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "bench/arith.jsonl"})
        EXPECT_EQ(read_text(*first / name, 1 << 28).value(), read_text(source / name, 1 << 28).value())
            << name;
    fs::remove(*first / "config.json");
    ASSERT_OK(write_whole(*first / "tokenizer.json", "{}"));
    const auto again = default_model();
    ASSERT_OK(again);
    EXPECT_EQ(*again, *first);
    EXPECT_EQ(read_text(*again / "tokenizer.json", 1 << 28).value(),
              read_text(source / "tokenizer.json", 1 << 28).value());
    EXPECT_TRUE(fs::exists(*again / "config.json"));
    EXPECT_EQ(find_model("").value(), *first);
    EXPECT_EQ(find_model("ember").value(), *first);
    EXPECT_EQ(find_model("no/such/model").error().fault, Fault::not_found);
    fs::remove_all(cache);
}

}  // namespace
}  // namespace hearth::hub
