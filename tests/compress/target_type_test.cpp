// tests/compress/target_type_test.cpp - the mix and the fallbacks, against sizes that llama.cpp publishes.
#include "compress/target_type.h"

#include <gtest/gtest.h>

#include "base/result.h"

namespace hearth::compress {
namespace {

TEST(TargetType, NamesAreFoundAndListed) {
    for (const TargetType& type : target_types()) {
        const auto found = target_type_from_name(type.name);
        ASSERT_TRUE(found.has_value());
        EXPECT_EQ(found->dtype, type.dtype);
        EXPECT_EQ(found->mix, type.mix);
        EXPECT_NE(target_type_names().find(type.name), std::string::npos);
    }
    EXPECT_FALSE(target_type_from_name("q2_k"));
    EXPECT_FALSE(target_type_from_name(""));
}

TEST(TargetType, RowsOf256OrTheirFallback) {
    EXPECT_EQ(fallback_for_rows(DType::q4_k, 4096), DType::q4_k);
    EXPECT_EQ(fallback_for_rows(DType::q4_k, 896), DType::q5_0);
    EXPECT_EQ(fallback_for_rows(DType::q5_k, 896), DType::q5_1);
    EXPECT_EQ(fallback_for_rows(DType::q6_k, 896), DType::q8_0);
    EXPECT_EQ(fallback_for_rows(DType::iq4_xs, 896), DType::iq4_nl);
    EXPECT_EQ(fallback_for_rows(DType::q8_0, 48), DType::q8_0);
}

TEST(TargetType, LayersAreRead) {
    EXPECT_EQ(layer_of("blk.31.attn_v.weight"), 31);
    for (const char* odd :
         {"blk.", "blk.x.attn_v", "blk.-1.attn_v", "blk.3", "blk.99999999999.a", "output.weight"})
        EXPECT_FALSE(layer_of(odd)) << odd;
}

// Bits per weight of a dense Llama under the mix, embedding, head and float32 norms included.
double bits_per_weight(double vocab, double d_model, double d_kv, double d_ff, std::int64_t n_layers) {
    double bits = 0, weights = 0;
    const auto add = [&](const std::string& name, double n) {
        bits += n * (type_in_mix(name, n_layers, false) == DType::q6_k ? 210 : 144) / 32;
        weights += n;
    };
    add("token_embd.weight", vocab * d_model);
    add("output.weight", vocab * d_model);
    for (std::int64_t i = 0; i < n_layers; ++i) {
        const auto name = [&](const char* leaf) { return fmt::format("blk.{}.{}.weight", i, leaf); };
        add(name("attn_q"), d_model * d_model);
        add(name("attn_k"), d_kv * d_model);
        add(name("attn_v"), d_kv * d_model);
        add(name("attn_output"), d_model * d_model);
        add(name("ffn_gate"), d_ff * d_model);
        add(name("ffn_up"), d_ff * d_model);
        add(name("ffn_down"), d_ff * d_model);
    }
    const double norms = static_cast<double>(2 * n_layers + 1) * d_model;
    return (bits + 32 * norms) / (weights + norms);
}

// Published in llama.cpp's tools/quantize/README.md, to the digits given there.
TEST(TargetType, TheMixHasThePublishedBitsPerWeight) {
    EXPECT_NEAR(bits_per_weight(128256, 4096, 1024, 14336, 32), 4.8944, 0.00005);  // Llama 3.1 8B
    EXPECT_NEAR(bits_per_weight(32000, 4096, 4096, 11008, 32), 4.84, 0.005);       // Llama 2 7B
    EXPECT_NEAR(bits_per_weight(32000, 5120, 5120, 13824, 40), 4.84, 0.02);        // Llama 2 13B
}

TEST(TargetType, ATiedEmbeddingIsTheHead) {
    EXPECT_EQ(type_in_mix("token_embd.weight", 6, true), DType::q6_k);
    EXPECT_EQ(type_in_mix("token_embd.weight", 6, false), DType::q4_k);
    EXPECT_EQ(type_in_mix("output.weight", 6, false), DType::q6_k);
}

}  // namespace
}  // namespace hearth::compress
