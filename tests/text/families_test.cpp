// tests/text/families_test.cpp - tokenizers with the settings of each family, from each container, against
// the packages that made them (tests/fixtures/text/families, by tools/fixtures/make_tokenizer_families.py).
#include <boost/json.hpp>
#include <chrono>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "material.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

constexpr const char* kFamilies[] = {"llama3",   "o200k",   "qwen35",  "deepseek_v3", "llama2",     "gemma",
                                     "mistral",  "t5",      "xlm",     "bert",        "bert_cased", "clip",
                                     "prefixed", "unigram", "spm_bpe", "spm_fold",    "tekken"};

fs::path file_of(const std::string& family) {
    const fs::path folder = tests::fixture("text/families");
    for (const char* ending : {".json", ".model", ".tekken.json"})
        if (fs::exists(folder / (family + ending))) return folder / (family + ending);
    return folder / family;
}

Result<TokenizerSpec> read_spec(const fs::path& file, std::string_view bytes) {
    const std::string name = file.filename().string();
    return name.ends_with(".model")         ? read_sentencepiece_model(bytes, name)
           : name.ends_with(".tekken.json") ? read_tekken_json(bytes, name)
                                            : read_tokenizer_json(bytes, "", name);
}

Result<Tokenizer> load(const std::string& family) {
    const fs::path file = file_of(family);
    HEARTH_TRY(const std::string bytes, read_text(file, kTextFileBytesMax));
    HEARTH_TRY(TokenizerSpec spec, read_spec(file, bytes));
    return Tokenizer::make(std::move(spec));
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, GiveTheIdsAndTextsOfTheirOwnPackages) {
    const std::string family = GetParam();
    const auto tokenizer = load(family);
    ASSERT_OK(tokenizer);
    const Json json =
        parse_json(read_text(tests::fixture("text/families") / (family + ".cases.json"), 1 << 24).value(),
                   family)
            .value();
    const bool add_special = json.at("add_special").get_bool(),
               from_json = file_of(family).extension() == ".json" && family != "tekken";
    int wrong = 0, texts_wrong = 0;
    for (const Json& one : json.at("cases").get_array()) {
        const std::string text(one.at(0).get_string());
        const auto ids = tokenizer->encode(text, {.parse_special = from_json, .add_special = add_special});
        ASSERT_OK(ids);
        const auto want = boost::json::value_to<std::vector<int>>(one.at(1));
        EXPECT_EQ(*ids, want) << text;
        EXPECT_EQ(tokenizer->decode(want), std::string(one.at(2).get_string())) << text;
        wrong += *ids == want ? 0 : 1;
        texts_wrong += tokenizer->decode(want) == std::string(one.at(2).get_string()) ? 0 : 1;
        ASSERT_LT(wrong + texts_wrong, 4);
        StreamDecoder stream(*tokenizer);
        std::string streamed;
        for (const int id : want) streamed += stream.push(id);
        EXPECT_EQ(streamed + stream.flush(), tokenizer->decode(want));
    }
}

TEST_P(Families, TakeAMegabyteWordInTime) {
    const auto tokenizer = load(GetParam());
    ASSERT_OK(tokenizer);
    for (const std::string& unit :
         {std::string("a"), std::string("the"), std::string(" "), std::string("\u4f60"),
          std::string("e\u0301"), std::string("\U0001f600"), std::string("!")}) {
        std::string word;
        while (word.size() < 1'000'000) word += unit;
        const auto start = std::chrono::steady_clock::now();
        const auto ids = tokenizer->encode(word);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        EXPECT_OK(ids);
        EXPECT_LT(took.count(), 10.0) << unit;  // generous: sanitizers and a busy machine
    }
}
INSTANTIATE_TEST_SUITE_P(Each, Families, testing::ValuesIn(kFamilies),
                         [](const auto& family) { return std::string(family.param); });

// Random models, normalizers, pre-tokenizers, post-processors and added tokens, against `tokenizers`.
TEST(RandomTokenizers, EncodeAsTokenizersDoes) {
    const auto text = read_text(tests::fixture("text/random_tokenizers.json"), 16 << 20);
    ASSERT_OK(text);
    const Json fixture = parse_json(*text, "random_tokenizers").value();
    for (const Json& one : fixture.at("tokenizers").get_array()) {
        const std::string json = to_json(one.at("json"));
        auto spec = read_tokenizer_json(json, {}, "random");
        ASSERT_OK(spec);
        const auto tokenizer = Tokenizer::make(std::move(*spec));
        ASSERT_OK(tokenizer);
        const bool add_special = one.at("add_special").get_bool();
        for (const Json& pair : one.at("cases").get_array()) {
            const std::string given(pair.at(0).get_string());
            std::vector<int> expected;
            for (const Json& id : pair.at(1).get_array()) expected.push_back(static_cast<int>(id.as_int64()));
            const auto ids = tokenizer->encode(given, {.parse_special = true, .add_special = add_special});
            // A byte without a token is an error here, where the reference drops it.
            if (!ids && ids.error().message.find("a token for each byte") != std::string::npos) continue;
            ASSERT_OK(ids);
            EXPECT_EQ(*ids, expected) << given << "\n" << json.substr(0, 2000);
        }
    }
    EXPECT_EQ(fixture.at("tokenizers").get_array().size(), 26u);
}

}  // namespace
}  // namespace hearth::text
