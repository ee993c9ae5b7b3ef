// tests/models/hostile_config_test.cpp - every family's config with every value broken: an error that names
// the file, or a program; never a crash, never a wait.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstring>

#include "base/file.h"
#include "material.h"
#include "models/architecture.h"

namespace hearth::models {
namespace {

const Json* member_of(const Json& json, const std::string& key) {
    return json.is_object() ? json.as_object().if_contains(key) : nullptr;
}

// Reads and, where that works, builds: what every command does before it looks at a tensor.
void try_config(const Json& json, const std::string& what) {
    const auto start = std::chrono::steady_clock::now();
    const auto config = read_hf_config(json, "config.json");
    if (config) {
        const Program program = find_architecture(config->architecture)->build(*config);
        EXPECT_FALSE(program.ops.empty()) << what;
    } else {
        EXPECT_NE(config.error().message.find("config.json"), std::string::npos)
            << what << config.error().message;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5)) << what;
}

void break_members(Json& whole, boost::json::object& object, const std::string& name) {
    std::vector<std::string> keys;
    for (const auto& member : object) keys.emplace_back(member.key());
    for (const std::string& key : keys) {
        const Json before = object[key];
        for (const Json& bad : {Json(nullptr), Json(0), Json(-1), Json(1), Json(7), Json(INT64_MAX),
                                Json(1e300), Json(0.1), Json("x"), Json(true), Json(boost::json::array{}),
                                Json(boost::json::array{-1, "x"}), Json(boost::json::object{})}) {
            object[key] = bad;
            try_config(whole, name + " " + key + " " + boost::json::serialize(bad) + ": ");
        }
        object.erase(key);
        try_config(whole, name + " without " + key + ": ");
        object[key] = before;
        if (object[key].is_object()) break_members(whole, object[key].as_object(), name + "/" + key);
    }
}

TEST(HostileConfig, EveryValueOfEveryFamily) {
    for (const auto& entry : fs::directory_iterator(tests::fixture("models"))) {
        const auto text = read_text(entry.path() / "config.json", 1 << 20);
        ASSERT_OK(text);
        auto json = parse_json(*text, "config.json");
        ASSERT_OK(json);
        ASSERT_NE(member_of(*json, "model_type"), nullptr);
        break_members(*json, json->as_object(), entry.path().filename().string());
    }
}

// Every number of a GGUF's metadata, and the first of every list, in place of which others stand.
TEST(HostileConfig, EveryNumberOfEveryGguf) {
    constexpr std::uint32_t kU32 = 4, kF32 = 6, kBool = 7, kArray = 9;  // GGUF's types of values
    int n_broken = 0;
    std::vector<fs::path> paths;
    for (const char* folder : {"models", "gguf_models"})
        for (const auto& entry : fs::directory_iterator(tests::fixture(folder)))
            paths.push_back(entry.path() / "model.gguf");
    for (const fs::path& path : paths) {
        if (!fs::exists(path)) continue;
        const std::string whole = read_text(path, 1 << 24).value();
        const auto file = formats::Gguf::parse(std::as_bytes(std::span(whole)), "model.gguf");
        ASSERT_OK(file);
        for (const formats::GgufPair& pair : file->metadata()) {
            std::size_t at = whole.find(pair.key) + pair.key.size();
            const auto word = [&](std::size_t offset) {
                std::uint32_t value = 0;
                std::memcpy(&value, whole.data() + offset, sizeof value);
                return value;
            };
            std::uint32_t type = word(at);
            at += 4;
            if (type == kArray) type = word(at), at += 12;
            if (type != kU32 && type != kF32 && type != kBool) continue;
            for (const std::uint32_t bad :
                 {0u, 1u, 7u, 0x7fffffffu, 0xffffffffu, 0x7fc00000u, 0x7f800000u, 0xbf800000u, 0x7149f2cau}) {
                std::string broken = whole;
                std::memcpy(broken.data() + at, &bad, type == kBool ? 1 : 4);
                const auto start = std::chrono::steady_clock::now();
                const auto parsed = formats::Gguf::parse(std::as_bytes(std::span(broken)), "model.gguf");
                if (!parsed) continue;
                const auto config = read_gguf_config(*parsed, "model.gguf");
                const auto what = fmt::format("{} {} {:x}", path.string(), pair.key, bad);
                if (config) {
                    EXPECT_FALSE(find_architecture(config->architecture)->build(*config).ops.empty()) << what;
                }
                EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5)) << what;
                ++n_broken;
            }
        }
    }
    EXPECT_GT(n_broken, 1000);
}

TEST(HostileConfig, ZeroHeadsIsAnErrorOfMilliseconds) {
    const Json json = {{"model_type", "llama"},   {"vocab_size", 64},       {"hidden_size", 32},
                       {"intermediate_size", 48}, {"num_hidden_layers", 2}, {"num_attention_heads", 0}};
    const auto start = std::chrono::steady_clock::now();
    const auto config = read_hf_config(json, "config.json");
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
    ASSERT_FALSE(config.has_value());
    EXPECT_EQ(config.error().fault, Fault::out_of_range);
    EXPECT_NE(config.error().message.find("num_attention_heads"), std::string::npos);
}

}  // namespace
}  // namespace hearth::models
