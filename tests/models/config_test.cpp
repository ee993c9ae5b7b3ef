// tests/models/config_test.cpp - configs at and beyond their limits: an error that names the key, never a
// crash.
#include "models/config.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <boost/json.hpp>

#include <cmath>
#include <cstring>

#include "material.h"
#include "models/checkpoint.h"

namespace hearth::models {
namespace {

Json ember_config() {
    const fs::path path = tests::source_dir() / "models" / "ember" / "config.json";
    return parse_json(read_text(path, 1 << 20).value(), "config.json").value();
}

TEST(Config, ReadsEmber) {
    const auto config = read_hf_config(ember_config(), "config.json");
    ASSERT_OK(config);
    EXPECT_EQ(config->architecture, "qwen3");
    EXPECT_EQ(config->n_layers, 6);
    EXPECT_EQ(config->n_heads, 8);
    EXPECT_EQ(config->n_kv_heads, 2);
    EXPECT_EQ(config->head_dim, 64);
    EXPECT_EQ(config->d_ff, 768);
    EXPECT_TRUE(config->tied_embeddings);
    EXPECT_EQ(config->eos_ids, std::vector<int>{2});
    EXPECT_EQ(config->rope.theta, 10000);
}

TEST(Config, RefusesEveryCountOutsideItsLimits) {
    for (const char* key :
         {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
          "num_key_value_heads", "head_dim", "max_position_embeddings"})
        for (const Json& bad : {Json(0), Json(-1), Json(INT64_MAX), Json(UINT64_MAX), Json(1e300), Json(2.5),
                                Json("8"), Json(boost::json::array{8})}) {
            Json json = ember_config();
            json.as_object()[key] = bad;
            const auto config = read_hf_config(json, "config.json");
            ASSERT_FALSE(config.has_value()) << key << " " << boost::json::serialize(bad);
            EXPECT_NE(config.error().message.find(key), std::string::npos) << config.error().message;
        }
    for (const char* key :
         {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "model_type"}) {
        Json json = ember_config();
        json.as_object().erase(key);
        const auto config = read_hf_config(json, "config.json");
        ASSERT_FALSE(config.has_value()) << key;
        EXPECT_NE(config.error().message.find(key), std::string::npos);
    }
}

TEST(Config, RefusesWhatItWouldComputeWrongly) {
    const auto fault = [](const char* key, Json value) {
        Json json = ember_config();
        json.as_object()[key] = std::move(value);
        const auto config = read_hf_config(json, "config.json");
        return config ? Fault::internal : config.error().fault;
    };
    EXPECT_EQ(fault("model_type", "gpt_bigcode"), Fault::unsupported);
    EXPECT_EQ(fault("hidden_act", "gelu"), Fault::unsupported);
    EXPECT_EQ(fault("layer_types", {"linear_attention"}), Fault::internal);  // not read without a window
    EXPECT_EQ(fault("rope_parameters", {{"rope_type", "axial"}, {"factor", 4}}), Fault::unsupported);
    EXPECT_EQ(fault("rope_parameters", {{"rope_type", "yarn"}, {"factor", -4}}), Fault::out_of_range);
    EXPECT_EQ(fault("rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}),
              Fault::unsupported);
    EXPECT_EQ(fault("rope_parameters", {{"rope_type", "default"}, {"rope_theta", 0}}), Fault::out_of_range);
    EXPECT_EQ(
        fault("rope_parameters",
              {{"rope_type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 4}}),
        Fault::out_of_range);
    EXPECT_EQ(fault("num_key_value_heads", 3), Fault::out_of_range);
    EXPECT_EQ(fault("head_dim", 63), Fault::out_of_range);
    EXPECT_EQ(fault("rms_norm_eps", 0), Fault::out_of_range);
    EXPECT_EQ(fault("eos_token_id", -5), Fault::out_of_range);
    EXPECT_EQ(fault("eos_token_id", "2"), Fault::corrupt);
}

TEST(Config, OldAndNewSpellingsOfRopeAgree) {
    Json old = ember_config();
    old.as_object().erase("rope_parameters");
    old.as_object()["rope_theta"] = 500000.0;
    old.as_object()["rope_scaling"] = {{"type", "llama3"},
                                       {"factor", 8.0},
                                       {"low_freq_factor", 1.0},
                                       {"high_freq_factor", 4.0},
                                       {"original_max_position_embeddings", 8192}};
    Json fresh = ember_config();
    fresh.as_object()["rope_parameters"] = {
        {"rope_type", "llama3"},  {"rope_theta", 500000.0},  {"factor", 8.0},
        {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 8192}};
    const auto a = read_hf_config(old, "old"), b = read_hf_config(fresh, "fresh");
    ASSERT_OK(a);
    ASSERT_OK(b);
    EXPECT_EQ(rope_frequencies(a->rope, 128, 4096), rope_frequencies(b->rope, 128, 4096));
}

// The keys of nomic-ai's own files; the numbers are those of nomic-embed-text-v1.5, as transformers'
// NomicBertConfig has them for defaults.
TEST(Config, ReadsNomicEmbedAsPublished) {
    Json config = {{"model_type", "nomic_bert"},
                   {"activation_function", "swiglu"},
                   {"n_embd", 768},
                   {"n_head", 12},
                   {"n_inner", 3072},
                   {"n_layer", 12},
                   {"n_positions", 8192},
                   {"max_trained_positions", 2048},
                   {"layer_norm_epsilon", 1e-12},
                   {"rotary_emb_base", 1000},
                   {"rotary_emb_fraction", 1.0},
                   {"type_vocab_size", 2},
                   {"vocab_size", 30528},
                   {"prenorm", false},
                   {"qkv_proj_bias", false}};
    const auto read = read_hf_config(config, "config.json");
    ASSERT_OK(read);
    EXPECT_EQ(read->d_model, 768);
    EXPECT_EQ(read->n_heads, 12);
    EXPECT_EQ(read->n_layers, 12);
    EXPECT_EQ(read->d_ff, 3072);
    EXPECT_EQ(read->context_max, 2048);
    EXPECT_EQ(read->rms_eps, 1e-12);
    EXPECT_EQ(read->rope.theta, 1000);
    config.as_object()["moe_every_n_layers"] = 2;  // version 2
    EXPECT_EQ(read_hf_config(config, "config.json").error().fault, Fault::unsupported);
}

// DeepSeek's and transformers' spelling, and that of compressed-tensors' groups.
TEST(Config, ScaleBlocksOfFp8) {
    const auto read = [](std::string_view quantization) {
        Json config = ember_config();
        config.as_object()["quantization_config"] = parse_json(quantization, "q").value();
        return read_hf_config(config, "config.json");
    };
    const auto group = [](std::string_view structure) {
        return fmt::format(R"({{"weights": {{"strategy": "block", "block_structure": {}}}}})", structure);
    };
    EXPECT_EQ(read(R"({"weight_block_size": [64, 32]})")->scale_block, (ScaleBlock{64, 32}));
    EXPECT_EQ(read(R"({"weight_block_size": null})")->scale_block, (ScaleBlock{128, 128}));
    EXPECT_EQ(read(fmt::format(R"({{"config_groups": {{"group_0": {}}}}})", group("[16, 256]")))->scale_block,
              (ScaleBlock{16, 256}));
    EXPECT_EQ(read(R"({"config_groups": {"group_0": {"weights": null}}})")->scale_block, ScaleBlock());
    EXPECT_EQ(read(fmt::format(R"({{"config_groups": {{"a": {}, "b": {}}}}})", group("[16, 256]"),
                               group("[16, 128]")))
                  .error()
                  .fault,
              Fault::unsupported);
    for (const char* sizes : {"[0, 128]", "[128, 0]", "[-1, 128]", "[128, 99999999999]"})
        EXPECT_EQ(read(fmt::format(R"({{"weight_block_size": {}}})", sizes)).error().fault,
                  Fault::out_of_range)
            << sizes;
    for (const char* sizes : {"128", "[128]", "[128, 128, 128]", R"(["a", 1])", "[1.5, 2]"})
        EXPECT_EQ(read(fmt::format(R"({{"weight_block_size": {}}})", sizes)).error().fault, Fault::corrupt)
            << sizes;
}

TEST(Config, LongRopeHasAFactorForEachPair) {
    Json config = ember_config();
    const auto factors = [](std::size_t n, double value) {
        boost::json::array list;
        list.resize(n);
        std::fill(list.begin(), list.end(), Json(value));
        return list;
    };
    const auto read = [&](std::size_t n_short, std::size_t n_long, double value) {
        config.as_object()["rope_parameters"] = {{"rope_type", "longrope"},
                                                 {"rope_theta", 10000.0},
                                                 {"short_factor", factors(n_short, 1)},
                                                 {"long_factor", factors(n_long, value)},
                                                 {"original_max_position_embeddings", 100}};
        return read_hf_config(config, "config.json");
    };
    const auto model = read_hf_config(ember_config(), "config.json");
    ASSERT_OK(model);
    const auto n = static_cast<std::size_t>(rotary_pairs(model->rope, model->head_dim));
    const auto good = read(n, n, 4);
    ASSERT_OK(good);
    const auto near = rope_frequencies(good->rope, good->head_dim, 100);
    const auto far = rope_frequencies(good->rope, good->head_dim, 101);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(near[i], 4 * far[i]);
    EXPECT_EQ(read(n - 1, n, 4).error().fault, Fault::out_of_range);
    EXPECT_EQ(read(n, n + 1, 4).error().fault, Fault::out_of_range);
    EXPECT_EQ(read(n, n, 0).error().fault, Fault::out_of_range);
    EXPECT_EQ(read(n, n, -1).error().fault, Fault::out_of_range);
}

// Frequencies of transformers 5.23's _compute_yarn_parameters, equal for truncate true and false where layers
// have RoPEs of their own.
TEST(Config, YarnOfLayerTypesIsCutWhateverItSays) {
    const std::vector<float> want = {1.0f,
                                     0.209323853f,
                                     0.0420638211f,
                                     0.0105659533f,
                                     0.00265404768f,
                                     0.000666666660f,
                                     0.000167459046f,
                                     4.20638280e-05f,
                                     1.05659528e-05f,
                                     2.65404856e-06f};
    for (const bool truncate : {true, false}) {
        const boost::json::object yarn = {{"rope_type", "yarn"},
                                          {"factor", 1.5},
                                          {"attention_factor", 0.8},
                                          {"original_max_position_embeddings", 64},
                                          {"truncate", truncate}};
        const boost::json::object shape = {{"model_type", "gemma3_text"},
                                           {"architectures", {"Gemma3ForCausalLM"}},
                                           {"vocab_size", 97},
                                           {"hidden_size", 8},
                                           {"intermediate_size", 20},
                                           {"num_hidden_layers", 2},
                                           {"num_attention_heads", 1},
                                           {"num_key_value_heads", 1},
                                           {"head_dim", 20},
                                           {"max_position_embeddings", 256}};
        boost::json::object nested = shape, older = shape;
        nested["rope_parameters"] = {{"full_attention", yarn},
                                     {"sliding_attention", {{"rope_type", "default"}}}};
        older["rope_scaling"] = yarn;
        for (const Json& config : {Json(nested), Json(older)}) {
            const auto read = read_hf_config(config, "config.json");
            ASSERT_OK(read);
            const auto seen = rope_frequencies(read->rope, 20, 64);
            ASSERT_EQ(seen.size(), want.size());
            for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(seen[i], want[i], 1e-6f * want[i]);
            EXPECT_EQ(read->rope.attention_factor, 0.8);
        }
    }
}

// What a stranger's folder may hold: each is refused with the tensor's name.
class CheckpointTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / fmt::format("hearth-checkpoint-test-{}", getpid());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        fs::copy(tests::source_dir() / "models" / "ember" / "config.json", folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }
    void write(const std::vector<formats::SafetensorsWriter::Declaration>& tensors,
               const std::vector<std::vector<std::byte>>& data) {
        auto writer = formats::SafetensorsWriter::create(folder_ / "model.safetensors", tensors, {});
        ASSERT_OK(writer);
        for (const auto& bytes : data) ASSERT_OK(writer->append(bytes));
        ASSERT_OK(writer->commit());
    }
    static std::vector<std::byte> f32(float value) {
        std::vector<std::byte> bytes(4);
        std::memcpy(bytes.data(), &value, 4);
        return bytes;
    }
    fs::path folder_;
};

TEST_F(CheckpointTest, Nvfp4WithAReciprocalOrBrokenScaleIsRefused) {
    for (const float scale : {2688.0f, 1.0f, 0.0f, -0.5f, std::nanf(""), HUGE_VALF}) {
        write({{"a.weight", DType::u8, Shape{4, 8}},
               {"a.weight_scale", DType::f8_e4m3, Shape{4, 1}},
               {"a.weight_scale_2", DType::f32, Shape{}}},
              {std::vector<std::byte>(32), std::vector<std::byte>(4, std::byte{0x38}), f32(scale)});
        const auto checkpoint = Checkpoint::open(folder_);
        ASSERT_OK(checkpoint);
        const auto linear = checkpoint->linear("a.weight", Shape{4, 16});
        ASSERT_FALSE(linear.has_value()) << scale;
        EXPECT_NE(linear.error().message.find("a.weight"), std::string::npos);
    }
    write({{"a.weight", DType::u8, Shape{4, 8}},
           {"a.weight_scale", DType::f8_e4m3, Shape{4, 1}},
           {"a.weight_scale_2", DType::f32, Shape{}}},
          {std::vector<std::byte>(32), std::vector<std::byte>(4, std::byte{0x38}), f32(0.25f)});
    const auto checkpoint = Checkpoint::open(folder_);
    ASSERT_OK(checkpoint);
    EXPECT_OK(checkpoint->linear("a.weight", Shape{4, 16}));
    EXPECT_EQ(checkpoint->linear("a.weight", Shape{4, 32}).error().fault, Fault::corrupt);
    EXPECT_EQ(checkpoint->linear("a.weight", Shape{8, 16}).error().fault, Fault::corrupt);
    EXPECT_EQ(checkpoint->linear("gone.weight", Shape{4, 16}).error().fault, Fault::corrupt);
}

TEST_F(CheckpointTest, CompressedTensorsScaleIsADivisor) {
    write({{"a.weight_global_scale", DType::f32, Shape{1}},
           {"a.weight_packed", DType::u8, Shape{4, 8}},
           {"a.weight_scale", DType::f8_e4m3, Shape{4, 1}}},
          {f32(8.0f), std::vector<std::byte>(32), std::vector<std::byte>(4, std::byte{0x38})});
    const auto checkpoint = Checkpoint::open(folder_);
    ASSERT_OK(checkpoint);
    const auto linear = checkpoint->linear("a.weight", Shape{4, 16});
    ASSERT_OK(linear);
    EXPECT_EQ(linear->scale, 0.125f);
}

TEST_F(CheckpointTest, Fp8ScalesAreOneOrOfRowsOrOfBlocks) {
    const auto read = [&](const char* name, const Shape& scales, float value) -> Result<LinearSource> {
        std::vector<std::byte> bytes;
        for (std::int64_t i = 0; i < scales.n_elems(); ++i)
            for (const std::byte byte : f32(value)) bytes.push_back(byte);
        write({{"a.weight", DType::f8_e4m3, Shape{4, 200}}, {name, DType::f32, scales}},
              {std::vector<std::byte>(800, std::byte{0x38}), bytes});
        HEARTH_TRY(const Checkpoint checkpoint, Checkpoint::open(folder_));
        return checkpoint.linear("a.weight", Shape{4, 200});
    };
    EXPECT_EQ(read("a.weight_scale", Shape{}, 0.5f)->scale, 0.5f);
    EXPECT_EQ(read("a.weight_scale", Shape{4, 1}, 0.5f)->fp8.block.cols, 200);
    EXPECT_EQ(read("a.weight_scale", Shape{4}, 0.5f)->fp8.block.rows, 1);
    EXPECT_EQ(read("a.weight_scale_inv", Shape{1, 2}, 0.5f)->fp8.block.cols, 128);
    for (const Shape& shape : {Shape{2, 2}, Shape{2}, Shape{4, 2}, Shape{1, 2, 1}, Shape{0}})
        EXPECT_EQ(read("a.weight_scale_inv", shape, 0.5f).error().fault, Fault::corrupt) << shape.text();
    for (const float value : {-1.0f, std::nanf(""), HUGE_VALF})
        EXPECT_EQ(read("a.weight_scale_inv", Shape{1, 2}, value).error().fault, Fault::corrupt) << value;
    EXPECT_OK(read("other", Shape{}, 0.5f));  // nothing says that the model is quantized
    Json config = ember_config();
    config.as_object()["quantization_config"] = {{"quant_method", "fp8"}};
    ASSERT_OK(write_whole(folder_ / "config.json", to_json(config)));
    const auto without = read("other", Shape{}, 0.5f);
    ASSERT_FALSE(without.has_value());
    EXPECT_EQ(without.error().fault, Fault::corrupt);
    EXPECT_NE(without.error().message.find("a.weight"), std::string::npos);
}

}  // namespace
}  // namespace hearth::models
