// tests/models/recipe_test.cpp - what is quantized and what is not: names of real checkpoints.
#include "models/recipe.h"

#include <gtest/gtest.h>

namespace hearth::models {
namespace {

TEST(Recipe, GlobsTakeDotsLiterally) {
    EXPECT_TRUE(glob_matches("*mlp.gate.*", "model.layers.0.mlp.gate.weight"));
    EXPECT_FALSE(glob_matches("*mlp.gate.*", "model.layers.0.mlp.gate_proj.weight"));
    EXPECT_TRUE(glob_matches("", ""));
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("a*b*c", "aXbbYc"));
    EXPECT_FALSE(glob_matches("a*b*c", "aXbbYcd"));
    EXPECT_FALSE(glob_matches("a", ""));
    EXPECT_FALSE(glob_matches("", "a"));
    EXPECT_TRUE(glob_matches("mtp.*", "mtp.layers.0.weight"));
    EXPECT_FALSE(glob_matches("mtp.*", "model.mtp.layers.0.weight"));
    // A pattern that backtracking without care takes exponential time for.
    EXPECT_FALSE(glob_matches(std::string(50, '*') + "a*a*a*a*a*a*b", std::string(20'000, 'a')));
}

// Names: Qwen3.6-35B-A3B, Mixtral, Llama 4, DeepSeek (their published index files).
TEST(Recipe, KeepsWhatModelOptKeeps) {
    const auto why = [](std::string_view name) { return kept_because(name, DType::bf16, {64, 64}, 16, {}); };
    for (const char* name :
         {"lm_head.weight", "model.embed_tokens.weight", "model.layers.3.mlp.gate.weight",
          "model.layers.3.mlp.shared_expert_gate.weight", "model.layers.3.block_sparse_moe.gate.weight",
          "model.layers.3.feed_forward.router.weight", "model.layers.3.linear_attn.conv1d.weight",
          "model.layers.3.linear_attn.in_proj_a.weight", "model.layers.3.linear_attn.in_proj_b.weight",
          "mtp.layers.0.mlp.up_proj.weight", "model.visual.blocks.0.attn.qkv.weight",
          "model.vision_tower.encoder.layers.0.mlp.fc1.weight"})
        EXPECT_NE(why(name), "") << name;
    for (const char* name :
         {"model.layers.3.mlp.gate_proj.weight", "model.layers.3.self_attn.q_proj.weight",
          "model.layers.3.mlp.experts.7.gate_proj.weight",
          "model.layers.3.mlp.shared_expert.gate_proj.weight",
          "model.layers.3.linear_attn.in_proj_qkv.weight", "model.layers.3.linear_attn.out_proj.weight",
          "model.layers.3.block_sparse_moe.experts.0.w1.weight"})
        EXPECT_EQ(why(name), "") << name;
}

TEST(Recipe, KeepsWhatCannotBeQuantized) {
    const char* name = "model.layers.0.mlp.up_proj.weight";
    EXPECT_EQ(kept_because(name, DType::bf16, {4, 48}, 16, {}), "");
    EXPECT_EQ(kept_because(name, DType::bf16, {4, 40}, 16, {}), "rows of 40, no multiple of 16");
    EXPECT_EQ(kept_because(name, DType::bf16, {48}, 16, {}), "vector");
    EXPECT_EQ(kept_because(name, DType::i32, {4, 48}, 16, {}), "type i32");
    EXPECT_EQ(kept_because(name, DType::bf16, {2, 4, 48}, 16, {}), "3 dimensions");
    EXPECT_EQ(kept_because(name, DType::bf16, {0, 48}, 16, {}), "empty");
    const std::string globs[] = {"*.layers.0.*"};
    EXPECT_EQ(kept_because(name, DType::bf16, {4, 48}, 16, globs), "--keep *.layers.0.*");
}

}  // namespace
}  // namespace hearth::models
