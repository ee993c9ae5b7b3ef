// tests/engine/ember_test.cpp - the default model answers as transformers does, token for token.
// Expected: tests/fixtures/ember/base.json, made by tools/ember/score.py (versions inside).
#include "fixtures.h"

namespace hearth::engine {
namespace {

TEST(Ember, GreedyAnswersEqualTransformers) {
    const auto model = tests::load(tests::source_dir() / "models" / "ember", true);
    ASSERT_NE(model, nullptr);
    const fs::path path = tests::fixture("ember") / "base.json";
    const auto json = parse_json(read_text(path, 1 << 24).value(), path.string());
    ASSERT_OK(json);
    const auto& rows = json->at("greedy").as_array();
    ASSERT_EQ(rows.size(), 50u);
    std::vector<Request> requests;
    for (const auto& row : rows) {
        Request request;
        for (const auto& id : row.at("prompt_ids").as_array())
            request.prompt.push_back(static_cast<int>(id.as_int64()));
        request.new_tokens_max = 160;
        requests.push_back(std::move(request));
    }
    const auto engine = tests::open(model, {.threads = 2});
    const auto done = engine->generate(std::move(requests));
    ASSERT_OK(done);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        std::vector<int> want;
        for (const auto& id : rows[i].at("ids").as_array()) want.push_back(static_cast<int>(id.as_int64()));
        EXPECT_EQ((*done)[i].ids, want) << i;
        EXPECT_EQ((*done)[i].text, rows[i].at("text").as_string().c_str()) << i;
        EXPECT_EQ((*done)[i].reason, StopReason::stop) << i;
    }
}

TEST(Ember, StopStringsCutTheTextAndStreamsEqualTheWhole) {
    const auto model = tests::load(tests::source_dir() / "models" / "ember", true);
    ASSERT_NE(model, nullptr);
    const auto engine = tests::open(model, {.threads = 2});
    const std::string prompt =
        "<|im_start|>user\nRemy has 2 jars. Remy buys 1 more. How many jars does Remy have now?<|im_end|>\n"
        "<|im_start|>assistant\n";
    Request request;
    request.prompt = model->tokenizer->encode(prompt, {.parse_special = true}).value();
    std::string streamed;
    request.on_token = [&](const TokenOut& out) {
        streamed += out.text;
        return true;
    };
    // The whole answer is "2 + 1 = 3. #### 3" (tests/fixtures/ember/base.json).
    request.stop_strings = {"= 3.", "never"};
    const auto cut = engine->generate({request});
    ASSERT_OK(cut);
    EXPECT_EQ(cut->front().text, "2 + 1 ");
    EXPECT_EQ(streamed, cut->front().text);
    EXPECT_EQ(cut->front().reason, StopReason::stop);
    streamed.clear();
    request.stop_strings = {"#### 4"};  // begins like the end of the answer, and must not swallow it
    const auto whole = engine->generate({request});
    ASSERT_OK(whole);
    EXPECT_EQ(whole->front().text, "2 + 1 = 3. #### 3");
    EXPECT_EQ(streamed, whole->front().text);
    int seen = 0;
    request.on_token = [&](const TokenOut&) { return ++seen < 3; };
    const auto gone = engine->generate({request});
    ASSERT_OK(gone);
    EXPECT_EQ(gone->front().reason, StopReason::cancelled);
    EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace hearth::engine
