// tests/text/scripts_test.cpp - words that end where the script changes, against the package `tokenizers`
// (tests/fixtures/text/script_splits.json, by tools/fixtures/make_script_splits.py).
#include <boost/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "material.h"
#include "random_text.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_json_steps.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

const Json& fixture() {
    static const Json json =
        parse_json(read_text(tests::fixture("text/script_splits.json"), 4 << 20).value(), "script_splits")
            .value();
    return json;
}

Result<PreTokenizer> pre_tokenizer(const Json& json) {
    TokenizerSpec spec;
    HEARTH_TRY_STATUS(read_pre_tokenizer(JsonCursor(json, "t.json"), spec));
    return PreTokenizer::make(spec.pre_tokenizer, "t.json");
}

Result<Words> words_by_script(std::string text) {
    HEARTH_TRY(const PreTokenizer cut, pre_tokenizer(Json{{"type", "UnicodeScripts"}}));
    return cut.run({std::move(text), {}});
}

// Every character in order: where one word ends and the next begins says which neighbours are of one script.
TEST(UnicodeScripts, KnowEveryCharacter) {
    std::string text;
    std::vector<std::size_t> offsets;  // of each character
    for (char32_t c = 0; c < 0x110000; ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        offsets.push_back(text.size());
        append_code_point(text, c);
    }
    const auto words = words_by_script(text);
    ASSERT_OK(words);
    const auto expected = boost::json::value_to<std::vector<std::size_t>>(fixture().at("all"));
    ASSERT_EQ(words->ranges.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
        ASSERT_EQ(words->ranges[i].first, offsets[expected[i]]) << "word " << i;
}

TEST(UnicodeScripts, CutRandomTexts) {
    const auto& rows = fixture().at("random").get_array();
    ASSERT_EQ(rows.size(), 1000u);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string text = tests::random_text(i);
        const auto words = words_by_script(text);
        ASSERT_OK(words);
        std::vector<ByteRange> expected;  // each ends where the next begins
        for (const Json& begin : rows[i].get_array()) {
            if (!expected.empty()) expected.back().second = begin.to_number<std::size_t>();
            expected.emplace_back(begin.to_number<std::size_t>(), text.size());
        }
        EXPECT_EQ(words->ranges, expected) << i << ": " << text;
    }
}

TEST(UnicodeScripts, StandAmongOtherSteps) {
    int n_words = 0;
    for (const Json& row : fixture().at("steps").get_array()) {
        SCOPED_TRACE(to_json(row.at("pre_tokenizer")));
        const auto cut = pre_tokenizer(row.at("pre_tokenizer"));
        ASSERT_OK(cut);
        for (const Json& one : row.at("cases").get_array()) {
            const std::string text(one.at(0).get_string());
            const auto words = cut->run({text, {}});
            ASSERT_OK(words);
            const auto& expected = one.at(1).get_array();
            ASSERT_EQ(words->ranges.size(), expected.size()) << text;
            for (std::size_t i = 0; i < expected.size(); ++i, ++n_words) {
                const auto& [begin, end] = words->ranges[i];
                const std::string word = words->text.text.substr(begin, end - begin);
                EXPECT_EQ(word, std::string(expected[i].at(0).get_string())) << text;
                EXPECT_EQ(words->text.origin_of(begin), expected[i].at(1).to_number<std::size_t>()) << text;
                // A mark put before the text has no width here; the reference gives it the character after.
                if (word == kMetaspace && words->text.origin_of(end) == words->text.origin_of(begin))
                    continue;
                EXPECT_EQ(words->text.origin_of(end), expected[i].at(2).to_number<std::size_t>()) << text;
            }
        }
    }
    EXPECT_GT(n_words, 1000);
}

}  // namespace
}  // namespace hearth::text
