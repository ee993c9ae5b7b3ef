// tests/models/tokenizer_files_test.cpp - vocabularies of real models against the ids that their makers'
// tokenizers gave, and where templates are found.
#include "models/tokenizer_files.h"

#include <boost/json.hpp>
#include <sstream>

#include "base/json.h"
#include "material.h"

namespace hearth::models {
namespace {

// Texts stand between lines of "__ggml_vocab_test__", each with a newline before that line.
std::vector<std::string> split_texts(const std::string& all) {
    static const std::string kSeparator = "\n__ggml_vocab_test__\n";
    std::vector<std::string> texts;
    std::size_t at = 0;
    for (std::size_t end = all.find(kSeparator); end != std::string::npos; end = all.find(kSeparator, at)) {
        texts.push_back(all.substr(at, end - at));
        at = end + kSeparator.size();
    }
    if (at < all.size()) texts.push_back(all.substr(at));
    return texts;
}

class Vocabularies : public testing::TestWithParam<const char*> {};

TEST_P(Vocabularies, GiveTheExpectedIdsOnEveryLine) {
    HEARTH_NEEDS_SHARED("data/vocabs");
    const std::string base = (tests::shared("data/vocabs") / GetParam()).string();
    const auto tokenizer = load_tokenizer(base + ".gguf");
    ASSERT_OK(tokenizer);
    const auto texts = split_texts(read_text(base + ".inp", 1 << 20).value());
    std::istringstream expected(read_text(base + ".out", 1 << 20).value());
    std::string line;
    std::size_t n = 0;
    for (; std::getline(expected, line); ++n) {
        ASSERT_LT(n, texts.size());
        std::istringstream numbers(line);
        std::vector<int> want;
        for (int id = 0; numbers >> id;) want.push_back(id);
        const auto ids = tokenizer->encode(texts[n]);
        ASSERT_OK(ids);
        EXPECT_EQ(*ids, want) << texts[n];
        // WordPiece keeps neither case nor accents nor spaces.
        if (std::string_view(GetParam()) != "bert-bge") {
            EXPECT_EQ(tokenizer->decode_bytes(*ids), texts[n]);
        }
    }
    EXPECT_EQ(n, texts.size());
    EXPECT_GE(n, 46u);
}
INSTANTIATE_TEST_SUITE_P(Real, Vocabularies,
                         testing::Values("gpt-2", "llama-bpe", "qwen2", "qwen35", "deepseek-llm", "llama-spm",
                                         "gemma-4", "bert-bge"));

TEST(TokenizerFiles, FindsEmbersTokenizerAndTemplate) {
    const auto folder = tests::source_dir() / "models/ember";
    const auto tokenizer = load_tokenizer(folder);
    ASSERT_OK(tokenizer);
    EXPECT_EQ(tokenizer->eos(), 2);
    const auto loaded = load_chat_template(folder);
    ASSERT_OK(loaded);
    EXPECT_EQ(loaded->eos_token, "<|im_end|>");
    EXPECT_EQ(loaded->bos_token, std::nullopt);
    const Json conversation = {{"messages", {{{"role", "user"}, {"content", "hi"}}}},
                               {"add_generation_prompt", true}};
    const auto text = render(*loaded, conversation);
    ASSERT_OK(text);
    EXPECT_EQ(text->text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    EXPECT_EQ(load_chat_template(folder / "absent").error().fault, Fault::not_found);
    EXPECT_EQ(load_tokenizer(folder / "absent").error().fault, Fault::not_found);
}

TEST(TokenizerFiles, FindsTheTemplateInAConfigurationAndInAGguf) {
    const fs::path folder = fs::path(testing::TempDir()) / "hearth_template_in_config";
    fs::create_directories(folder);
    ASSERT_OK(write_whole(
        folder / "tokenizer_config.json",
        R"({"bos_token": {"content": "<s>"}, "chat_template": [{"name": "tool_use", "template": "no"},
                              {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"}]})"));
    const auto loaded = load_chat_template(folder);
    ASSERT_OK(loaded);
    EXPECT_EQ(render(*loaded, {{"messages", {{{"content", "x"}}}}}).value().text, "<s>x");
    EXPECT_EQ(render(*loaded, {{"messages", {{{"content", "x"}}}}, {"bos_token", "B"}}).value().text, "Bx");
    fs::remove_all(folder);
    HEARTH_NEEDS_SHARED("data/vocabs");
    const auto from_gguf = load_chat_template(tests::shared("data/vocabs") / "qwen2.gguf");
    ASSERT_OK(from_gguf);
    EXPECT_EQ(from_gguf->eos_token, "<|endoftext|>");
    EXPECT_EQ(load_chat_template(tests::shared("data/vocabs") / "gpt-2.gguf").error().fault,
              Fault::not_found);
}

}  // namespace
}  // namespace hearth::models
