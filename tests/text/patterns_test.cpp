// tests/text/patterns_test.cpp - splits by regular expressions, read as Oniguruma does, against the package
// `tokenizers` (tests/fixtures/text/pattern_splits.json, by tools/fixtures/make_pattern_splits.py).
#include <boost/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "material.h"
#include "text/oniguruma.h"
#include "text/splitter.h"

namespace hearth::text {
namespace {

TEST(Patterns, SplitAsTheReferenceDoes) {
    using Behavior = PreTokenizerStep::Behavior;
    const std::pair<std::string_view, Behavior> behaviors[] = {
        {"isolated", Behavior::isolated},
        {"removed", Behavior::removed},
        {"merged_with_previous", Behavior::merged_with_previous},
        {"merged_with_next", Behavior::merged_with_next},
        {"contiguous", Behavior::contiguous}};
    const Json json =
        parse_json(read_text(tests::fixture("text/pattern_splits.json"), 4 << 20).value(), "pattern_splits")
            .value();
    for (const Json& row : json.at("splits").get_array()) {
        PreTokenizerStep step{.pattern = std::string(row.at("pattern").get_string())};
        for (const auto& [name, behavior] : behaviors)
            if (row.at("behavior").get_string() == name) step.behavior = behavior;
        SCOPED_TRACE(to_json(row.at("behavior")) + " " + step.pattern + " " + as_pcre2(step.pattern));
        const auto splitter = Splitter::make(step, "t.json");
        ASSERT_OK(splitter);
        const auto& texts = json.at("texts").get_array();
        for (std::size_t i = 0; i < texts.size(); ++i) {
            const std::string text(texts[i].get_string());
            const auto words = splitter->split(text, {{0, text.size()}});
            ASSERT_OK(words);
            std::vector<ByteRange> expected;
            for (const Json& word : row.at("words").at(i).get_array())
                expected.emplace_back(word.at(0).to_number<std::size_t>(),
                                      word.at(1).to_number<std::size_t>());
            EXPECT_EQ(*words, expected) << "text " << i;
        }
    }
}

// What is cut off anywhere is translated to something, and PCRE2 has the last word.
TEST(Patterns, BrokenOnesAreErrorsOrExpressions) {
    const std::string whole =
        R"([^a[b&&[:alpha:]c]&&\p{^Han}[]d]]\u30fC\h(?im-x:\W){,2}\p{Han}\Q[\H\v]\E(?<n>[[[a]]]))";
    for (std::size_t begin = 0; begin < whole.size(); ++begin)
        for (std::size_t n = 0; begin + n <= whole.size(); ++n) {
            const std::string pattern = whole.substr(begin, n);
            EXPECT_LT(as_pcre2(pattern).size(), 64 * (n + 1));
            const auto regex = Regex::compile(pattern, false, "t.json");
            if (!regex) {
                EXPECT_NE(regex.error().message.find("t.json"), std::string::npos);
            }
        }
    EXPECT_FALSE(Regex::compile("[a", false, "t.json").has_value());
    EXPECT_FALSE(Regex::compile("[a[b]", false, "t.json").has_value());
    EXPECT_FALSE(Regex::compile(std::string(100'000, '['), false, "t.json").has_value());
}

}  // namespace
}  // namespace hearth::text
