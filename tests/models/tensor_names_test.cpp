// tests/models/tensor_names_test.cpp - names against the gguf package's map, the permutation against its
// definition.
#include "models/tensor_names.h"

#include <gtest/gtest.h>

namespace hearth::models {
namespace {

// gguf 0.19.0: get_tensor_name_map(MODEL_ARCH.QWEN3 or LLAMA, 8).get_name(hf, try_suffixes=(".weight",
// ".bias")).
TEST(TensorNames, AreThoseOfTheGgufPackage) {
    const std::pair<const char*, const char*> rows[] = {
        {"model.embed_tokens.weight", "token_embd.weight"},
        {"model.norm.weight", "output_norm.weight"},
        {"lm_head.weight", "output.weight"},
        {"model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight"},
        {"model.layers.7.self_attn.q_proj.weight", "blk.7.attn_q.weight"},
        {"model.layers.7.self_attn.q_proj.bias", "blk.7.attn_q.bias"},
        {"model.layers.7.self_attn.k_proj.weight", "blk.7.attn_k.weight"},
        {"model.layers.7.self_attn.v_proj.weight", "blk.7.attn_v.weight"},
        {"model.layers.7.self_attn.o_proj.weight", "blk.7.attn_output.weight"},
        {"model.layers.7.self_attn.q_norm.weight", "blk.7.attn_q_norm.weight"},
        {"model.layers.7.self_attn.k_norm.weight", "blk.7.attn_k_norm.weight"},
        {"model.layers.7.post_attention_layernorm.weight", "blk.7.ffn_norm.weight"},
        {"model.layers.7.mlp.gate_proj.weight", "blk.7.ffn_gate.weight"},
        {"model.layers.7.mlp.up_proj.weight", "blk.7.ffn_up.weight"},
        {"model.layers.7.mlp.down_proj.weight", "blk.7.ffn_down.weight"}};
    for (const auto& [hf, gguf] : rows) {
        EXPECT_EQ(gguf_tensor_name(hf), gguf);
        EXPECT_EQ(hf_tensor_name(gguf), hf);
    }
    EXPECT_EQ(hf_tensor_name("blk.123.ffn_down.scale"), "model.layers.123.mlp.down_proj.scale");
    for (const char* name :
         {"", ".", "model", "model.layers.", "model.layers.x.mlp.up_proj.weight", "blk.", "blk.1",
          "model.layers.1.", "model.layers..mlp.up_proj.weight", "model.layers.1.mlp.gates.weight",
          "model.layers.1.mlp.up_proj", "model.layers.1.mlp.up_proj.", "visual.norm.weight"})
        EXPECT_FALSE(gguf_tensor_name(name).has_value()) << name;
}

TEST(TensorNames, PermutationPairsHalves) {
    // LlamaModel.permute of llama.cpp's converter: reshape(heads, 2, head_dim / 2, in).swapaxes(1, 2). With
    // head_dim 8 numpy gives rows 0 4 1 5 2 6 3 7 of each head.
    const std::int64_t expected[16] = {0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15};
    for (std::int64_t row = 0; row < 16; ++row) {
        EXPECT_EQ(hf_row_of_permuted(row, 8), expected[row]);
        EXPECT_EQ(permuted_row_of_hf(expected[row], 8), row);
    }
    EXPECT_TRUE(gguf_permutes_qk("llama"));
    EXPECT_FALSE(gguf_permutes_qk("qwen3"));
    EXPECT_TRUE(is_qk_projection("model.layers.0.self_attn.k_proj.bias"));
    EXPECT_FALSE(is_qk_projection("model.layers.0.self_attn.q_norm.weight"));
}

}  // namespace
}  // namespace hearth::models
