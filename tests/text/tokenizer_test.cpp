// tests/text/tokenizer_test.cpp - ids and texts against what `tokenizers` gives, byte offsets, streaming,
// speed.
#include "text/tokenizer.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "material.h"
#include "random_text.h"
#include "text/splitter.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

const Tokenizer& ember() {
    static const Tokenizer tokenizer = [] {
        const auto folder = tests::source_dir() / "models/ember";
        const auto json = read_text(folder / "tokenizer.json", kTextFileBytesMax);
        const auto config = read_text(folder / "tokenizer_config.json", kTextFileBytesMax);
        auto spec = read_tokenizer_json(json.value(), config.value(), "tokenizer.json");
        return Tokenizer::make(std::move(spec.value())).value();
    }();
    return tokenizer;
}

TEST(Tokenizer, GivesTheReferencesIdsForRandomUnicode) {
    const auto blob = read_text(tests::fixture("text/ember_ids.bin"), 4 << 20);
    ASSERT_OK(blob);
    std::size_t at = 0;
    const auto next = [&]() -> int {
        const auto low = static_cast<unsigned char>(blob->at(at)),
                   high = static_cast<unsigned char>(blob->at(at + 1));
        at += 2;
        return low | high << 8;
    };
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        std::vector<int> expected(static_cast<std::size_t>(next()));
        for (int& id : expected) id = next();
        const std::string text = tests::random_text(i);
        const auto ids = ember().encode(text, {.parse_special = i % 2 == 0});
        ASSERT_OK(ids);
        ASSERT_EQ(*ids, expected) << "string " << i << ": " << text;
    }
    EXPECT_EQ(at, blob->size());
}

TEST(Tokenizer, DecodesAsTheReferenceAtOnceAndInAStream) {
    const auto lines = read_text(tests::fixture("text/ember_decode.jsonl"), 4 << 20);
    ASSERT_OK(lines);
    int n = 0;
    for (std::size_t at = 0; at < lines->size(); ++n) {
        const std::size_t end = lines->find('\n', at);
        const auto json = parse_json(std::string_view(*lines).substr(at, end - at), "ember_decode.jsonl");
        at = end + 1;
        ASSERT_OK(json);
        const auto ids = boost::json::value_to<std::vector<int>>(json->at("ids"));
        const std::string expected(json->at("text").get_string());
        EXPECT_EQ(ember().decode(ids), expected) << "line " << n;
        StreamDecoder stream(ember());
        std::string streamed;
        for (const int id : ids) {
            const std::string piece = stream.push(id);
            EXPECT_TRUE(is_valid_utf8(piece)) << "line " << n;
            streamed += piece;
        }
        EXPECT_EQ(streamed + stream.flush(), expected) << "line " << n;
        EXPECT_EQ(stream.flush(), "");
    }
    EXPECT_EQ(n, 400);
}

TEST(Tokenizer, OffsetsCoverTheTextInOrder) {
    for (std::uint64_t i = 0; i < 1000; ++i) {
        std::string text = tests::random_text(i);
        if (i % 3 == 0) text += "\xC3";  // not UTF-8
        const auto encoding = ember().encode_with_offsets(text, {.parse_special = true});
        ASSERT_OK(encoding);
        std::size_t end = 0;
        for (const auto& [first, last] : encoding->offsets) {
            ASSERT_EQ(first, end) << text;
            ASSERT_LE(first, last) << text;
            end = last;
        }
        ASSERT_EQ(end, text.size());
        if (i % 3 != 0) {
            ASSERT_EQ(ember().decode_bytes(encoding->ids), text);
        }
    }
}

// The same model with other settings: added tokens of every kind, normal forms, splits, post-processors.
TEST(Tokenizer, GivesTheReferencesIdsUnderOtherSettings) {
    const auto base_text = read_text(tests::source_dir() / "models/ember/tokenizer.json", kTextFileBytesMax);
    ASSERT_OK(base_text);
    const auto variants =
        parse_json(read_text(tests::fixture("text/variants.json"), 16 << 20).value(), "variants.json");
    ASSERT_OK(variants);
    for (const Json& variant : variants->get_array()) {
        Json base = parse_json(*base_text, "tokenizer.json").value();
        for (const auto& member : variant.at("patch").get_object()) {
            auto& model = base.at("model").get_object();
            if (member.key() == "model.ignore_merges")
                model["ignore_merges"] = member.value();
            else if (member.key() == "model.merges")
                model["merges"].get_array().resize(member.value().to_number<std::size_t>());
            else
                base.get_object()[member.key()] = member.value();
        }
        auto spec = read_tokenizer_json(to_json(base), "", "tokenizer.json");
        ASSERT_OK(spec);
        const auto tokenizer = Tokenizer::make(std::move(*spec));
        ASSERT_OK(tokenizer);
        for (const Json& one : variant.at("cases").get_array()) {
            const std::string text = tests::random_text(one.at(0).to_number<std::uint64_t>());
            const auto ids = tokenizer->encode(text, {.parse_special = true, .add_special = true});
            ASSERT_OK(ids);
            EXPECT_EQ(*ids, boost::json::value_to<std::vector<int>>(one.at(1)))
                << to_json(variant.at("patch")).substr(0, 300) << "\n"
                << text;
        }
    }
    EXPECT_EQ(variants->get_array().size(), 26u);
}

TEST(Tokenizer, KnowsItsControlTokens) {
    EXPECT_EQ(ember().find("<|im_end|>"), 2);
    EXPECT_EQ(ember().eos(), 2);
    EXPECT_EQ(ember().pad(), 0);
    EXPECT_EQ(ember().bos(), std::nullopt);
    EXPECT_TRUE(ember().is_special(1));
    EXPECT_FALSE(ember().is_special(5));
    EXPECT_FALSE(ember().is_special(-1));
    EXPECT_EQ(ember().piece_bytes(1), "<|im_start|>");
    EXPECT_EQ(ember().piece_bytes(1 << 30), "");
    EXPECT_EQ(ember().find("no such token"), std::nullopt);
    EXPECT_EQ(ember().encode("<|im_end|>", {.parse_special = true}).value(), std::vector<int>{2});
    EXPECT_GT(ember().encode("<|im_end|>").value().size(), 1u);
    const std::vector<int> ids = {1, 2};
    EXPECT_EQ(ember().decode(ids, true), "");
    EXPECT_EQ(ember().decode(ids), "<|im_start|><|im_end|>");
}

TEST(Tokenizer, TakesInvalidUtf8AsReplacementCharacters) {
    // One U+FFFD for each maximal subpart; Python's bytes.decode("utf-8", "replace") gives the same.
    const std::pair<std::string, std::string> cases[] = {
        {"a\xFFz", "a\uFFFDz"},
        {"\xE2\x82", "\uFFFD"},
        {"\xE2\x28\xA1", "\uFFFD(\uFFFD"},
        {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},  // a surrogate
        {"\xF0\x9F\x98 ok", "\uFFFD ok"},
        {"\xC0\xAF", "\uFFFD\uFFFD"},                      // overlong
        {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},  // above U+10FFFF
    };
    for (const auto& [bytes, repaired] : cases)
        EXPECT_EQ(ember().encode(bytes).value(), ember().encode(repaired).value()) << repaired;
}

TEST(Tokenizer, MergesAMegabyteWordInTime) {
    for (const std::string& unit :
         {std::string("a"), std::string("ab"), std::string("the"), std::string(" ")}) {
        std::string word;
        while (word.size() < 1'000'000) word += unit;
        const auto start = std::chrono::steady_clock::now();
        const auto ids = ember().encode(word);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        ASSERT_OK(ids);
        EXPECT_EQ(ember().decode_bytes(*ids), word);
        EXPECT_LT(took.count(), 10.0) << unit;  // generous: sanitizers and a busy machine
    }
}

// The own matchers against PCRE2 on the same patterns.
TEST(Splitter, OwnMatchersCutAsPcre2Does) {
    for (const std::string_view pattern : {kPatternGpt2, kPatternLlama3, kPatternQwen2, kPatternQwen35}) {
        const PreTokenizerStep split{.pattern = std::string(pattern)};
        const auto own = Splitter::make(split, "own"), oracle = Splitter::make_with_pcre2(split, "pcre2");
        ASSERT_OK(own);
        ASSERT_OK(oracle);
        for (std::uint64_t i = 0; i < 10'000; ++i) {
            const std::string text = tests::random_text(i);
            if (text.empty()) continue;
            const std::vector<ByteRange> whole = {{0, text.size()}};
            const auto a = own->split(text, whole), b = oracle->split(text, whole);
            ASSERT_OK(a);
            ASSERT_OK(b);
            ASSERT_EQ(*a, *b) << pattern << "\n" << text;
        }
    }
}

}  // namespace
}  // namespace hearth::text
