// tests/engine/fixtures.h - reads what tools/fixtures/make_*_fixtures.py wrote to tests/fixtures/models.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"
#include "material.h"
#include "models/model.h"

namespace hearth::tests {

inline std::vector<int> read_ids(const fs::path& path) {
    const auto text = read_text(path, 1 << 24);
    const auto json = parse_json(text.value(), path.string());
    std::vector<int> ids;
    for (const auto& id : json.value().as_array()) ids.push_back(static_cast<int>(id.as_int64()));
    return ids;
}

// The float32 values of a .npy file of version 1: magic, header length at byte 8, data after the header.
inline std::vector<float> read_npy(const fs::path& path) {
    const auto text = read_text(path, 1 << 28).value();
    const std::size_t data =
        10 + static_cast<unsigned char>(text[8]) + 256u * static_cast<unsigned char>(text[9]);
    std::vector<float> values((text.size() - data) / sizeof(float));
    std::memcpy(values.data(), text.data() + data, values.size() * sizeof(float));
    return values;
}

inline std::shared_ptr<const models::Model> load(const fs::path& path, bool need_tokenizer = false) {
    ThreadPool pool({.threads = 2, .pin = false});
    auto model = models::load_model(path, pool, {.need_tokenizer = need_tokenizer});
    EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().message);
    return model ? *model : nullptr;
}

inline std::unique_ptr<engine::Engine> open(std::shared_ptr<const models::Model> model,
                                            engine::EngineOptions options) {
    auto opened = engine::Engine::open(std::move(model), options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
}

inline std::vector<float> score_all(engine::Engine& engine, std::span<const int> ids) {
    std::vector<float> all;
    const auto ok = engine.score(ids, [&](std::int64_t, std::span<const float> logits) {
        all.insert(all.end(), logits.begin(), logits.end());
    });
    EXPECT_TRUE(ok.has_value()) << (ok ? "" : ok.error().message);
    return all;
}

// The folders of tests/fixtures/models, in order.
inline std::vector<std::string> model_fixtures() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(fixture("models")))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace hearth::tests
