// tests/cli/text_commands_test.cpp - tokenize and render from outside: bytes in, bytes out.
#include <boost/json.hpp>

#include "program.h"

namespace hearth::tests {
namespace {

class TextCommandsTest : public ProgramTest {};

TEST_F(TextCommandsTest, TokenizeGivesIdsPiecesAndOffsets) {
    const std::string text = "Hi <|im_end|>\n";
    const Json plain = run({"--json", "tokenize", "ember"}, text).json();
    const Json special = run({"--json", "tokenize", "ember", "--special"}, text).json();
    EXPECT_GT(plain.at("n_tokens").as_int64(), special.at("n_tokens").as_int64());
    std::size_t end = 0;
    std::string joined;
    for (const Json& token : special.at("tokens").as_array()) {
        EXPECT_EQ(token.at("begin").to_number<std::size_t>(), end);
        end = token.at("end").to_number<std::size_t>();
        joined += token.at("piece").as_string();
    }
    EXPECT_EQ(end, text.size());
    EXPECT_EQ(joined, text);
    const Outcome table = run({"tokenize", "ember", "--special"}, text);
    EXPECT_NE(table.out.find("\"<|im_end|>\""), std::string::npos) << table.out;
}

TEST_F(TextCommandsTest, DecodeGivesBackEveryByte) {
    // A file with NUL and every character that must not be touched on the way: line ends, BOM, no last
    // newline.
    const std::string text = std::string("\xEF\xBB\xBF a\r\n\tb", 9) + '\0' + "\u00e9\U0001f642 \n\n  c";
    ASSERT_OK(write_whole(folder_ / "text", text));
    const Outcome ids = run({"tokenize", "ember", (folder_ / "text").string(), "--ids"});
    EXPECT_EQ(ids.exit_code, 0) << ids.err;
    EXPECT_EQ(ids.out.find('\n'), ids.out.size() - 1);
    EXPECT_EQ(run({"tokenize", "ember", "--decode"}, ids.out).out, text);
    // Half a character stays half a character.
    const std::string half = run({"tokenize", "ember", "--ids"}, "\u00e9").out;
    EXPECT_EQ(run({"tokenize", "ember", "--decode"}, half.substr(0, half.find(' '))).out, "\xC3");
    EXPECT_EQ(run({"tokenize", "ember", "--decode"}, "[1, 2]").out, "<|im_start|><|im_end|>");
    for (const char* bad : {"1 x", "-1", "1661", "99999999999", "1.5"})
        EXPECT_EQ(run({"tokenize", "ember", "--decode"}, bad).exit_code, 2) << bad;
}

TEST_F(TextCommandsTest, RenderGivesTheTemplatesBytes) {
    const std::string conversation =
        R"({"messages": [{"role": "user", "content": "h\u00e9\n"}], "add_generation_prompt": true})";
    EXPECT_EQ(run({"render", "ember", "-"}, conversation).out,
              "<|im_start|>user\nh\u00e9\n<|im_end|>\n<|im_start|>assistant\n");
    ASSERT_OK(write_whole(folder_ / "bare.jinja", "{{ bos_token }}{{ messages[0].content|tojson }}"));
    ASSERT_OK(write_whole(folder_ / "c.json", R"({"messages": [{"content": "<a>"}], "bos_token": "B"})"));
    EXPECT_EQ(run({"render", (folder_ / "bare.jinja").string(), (folder_ / "c.json").string()}).out,
              "B\"<a>\"");
    EXPECT_EQ(run({"render", "ember", "-"}, "{\"messages\": [{}]}").exit_code, 2);
    EXPECT_EQ(run({"render", "ember", "-"}, "[]").exit_code, 4);
    EXPECT_EQ(run({"render", "ember", "no/such/file"}).exit_code, 3);
    ASSERT_OK(write_whole(folder_ / "bad.jinja", "a\n{% if %}"));
    const Outcome bad = run({"render", (folder_ / "bad.jinja").string(), "-"}, conversation);
    EXPECT_EQ(bad.exit_code, 4);
    EXPECT_NE(bad.err.find("bad.jinja: line 2"), std::string::npos) << bad.err;
}

}  // namespace
}  // namespace hearth::tests
