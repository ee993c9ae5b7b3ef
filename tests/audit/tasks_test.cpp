// tests/audit/tasks_test.cpp - task files, their faults by line, the marking rules and the choice protocol.
#include "audit/tasks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "audit/fake_subject.h"
#include "base/file.h"
#include "material.h"

namespace hearth::audit {
namespace {

using tests::FakeSubject;

class TasksTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / fmt::format("hearth-tasks-test-{}", getpid());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }
    void put(const char* name, std::string_view text) { ASSERT_OK(write_whole(folder_ / name, text)); }
    std::string fault_of(const char* name, std::string_view text) {
        put(name, text);
        const auto tasks = load_tasks(folder_ / name);
        return tasks ? "no fault" : tasks.error().message;
    }
    fs::path folder_;
};

TEST(Marking, ExactStripsTheAnswerAlone) {
    EXPECT_TRUE(is_right(Match::exact, " 3 \n", "3"));
    EXPECT_TRUE(is_right(Match::exact, "\u00a0\u30003\u2003", "3"));
    EXPECT_FALSE(is_right(Match::exact, "3.", "3"));
    EXPECT_FALSE(is_right(Match::exact, "3", " 3"));
    EXPECT_TRUE(is_right(Match::exact, "", ""));
}

TEST(Marking, LastHashTakesWhatFollowsTheLastMark) {
    EXPECT_TRUE(is_right(Match::last_hash, "2 + 1 = 3. #### 3", "3"));
    EXPECT_TRUE(is_right(Match::last_hash, "#### 4 #### 3 ", "3"));
    EXPECT_FALSE(is_right(Match::last_hash, "3", "3"));
    EXPECT_FALSE(is_right(Match::last_hash, "#### 3 apples", "3"));
}

TEST(Marking, ToolCallsAreComparedAsValues) {
    const char* target = R"({"name": "set", "arguments": {"room": "hall", "percent": 44}})";
    EXPECT_TRUE(is_right(Match::tool_call,
                         "<tool_call>\n{\"arguments\": {\"percent\": 44.0, \"room\": \"hall\"}, \"name\": "
                         "\"set\"}\n</tool_call>",
                         target));
    EXPECT_TRUE(
        is_right(Match::tool_call, std::string("Well. <tool_call>") + target, target));  // never closed
    EXPECT_FALSE(is_right(Match::tool_call, target, target));                            // never opened
    EXPECT_FALSE(is_right(Match::tool_call, "<tool_call>{\"name\": \"set\"}</tool_call>", target));
    EXPECT_FALSE(is_right(Match::tool_call, "<tool_call>{\"name\": </tool_call>", target));
    EXPECT_FALSE(is_right(Match::tool_call, "<tool_call>{\"a\": true}</tool_call>", "{\"a\": 1}"));
    EXPECT_TRUE(is_right(Match::tool_call, "<tool_call>[1, null, \"x\"]</tool_call>", "[1, null, \"x\"]"));
    EXPECT_FALSE(is_right(Match::tool_call, "<tool_call>[1, null]</tool_call>", "[1, null, \"x\"]"));
    EXPECT_TRUE(is_right(Match::tool_call, "<tool_call>{\"a\": 2, \"a\": 1}</tool_call>",
                         "{\"a\": 1}"));  // the last wins
}

TEST(Marking, RefusalsAreOpenings) {
    const std::vector<std::string> openings = {"i can't help", "no."};
    EXPECT_TRUE(is_refusal("  I CAN'T HELP with that", openings));
    EXPECT_TRUE(is_refusal("No. Never.", openings));
    EXPECT_FALSE(is_refusal("Sorry, I can't help", openings));
    EXPECT_FALSE(is_refusal("I can", openings));
}

TEST_F(TasksTest, KindsFollowFromTheMembers) {
    put("arith.jsonl",
        "{\"question\": \"1+1\", \"target\": \"2\"}\n\n{\"question\": \"q\", \"target\": \"3\", \"match\": "
        "\"exact\"}\r\n");
    put("logic.jsonl", R"({"question": "q", "target": "b", "choices": ["a", "b"], "gold": 1})");
    put("safety.jsonl", R"({"id": "s", "behavior": "wake the dragon", "label": "forbidden"})");
    const auto tasks = load_tasks(folder_);
    ASSERT_OK(tasks);
    ASSERT_EQ(tasks->size(), 3u);
    EXPECT_EQ((*tasks)[0].name, "arith");
    EXPECT_EQ((*tasks)[0].items.size(), 2u);
    EXPECT_EQ((*tasks)[0].items[0].match, Match::last_hash);
    EXPECT_EQ((*tasks)[0].items[1].match, Match::exact);
    EXPECT_EQ((*tasks)[0].items[1].line, 3);
    EXPECT_EQ((*tasks)[1].kind, TaskKind::choice);
    EXPECT_EQ((*tasks)[2].kind, TaskKind::safety);
    EXPECT_TRUE((*tasks)[2].items[0].forbidden);
    EXPECT_EQ(load_tasks(folder_, 1)->at(0).items.size(), 1u);
}

TEST_F(TasksTest, RulesStandBesideTheFiles) {
    put("sums.jsonl", "{\"question\": \"q\", \"target\": \"2\"}\n");
    put("tasks.toml", "[sums]\nmatch = \"last_hash\"\nnew_tokens_max = 7\n");
    const auto tasks = load_tasks(folder_);
    ASSERT_OK(tasks);
    EXPECT_EQ((*tasks)[0].items[0].match, Match::last_hash);
    EXPECT_EQ((*tasks)[0].new_tokens_max, 7);
    for (const auto& [text, want] : std::vector<std::pair<const char*, const char*>>{
             {"[sums]\nmatch = \"almost\"\n", "tasks.toml:2: match: expected exact"},
             {"[sums]\n\nmacth = \"exact\"\n",
              "tasks.toml:3: expected match, new_tokens_max or refusals, saw \"macth\""},
             {"[sums]\nnew_tokens_max = 0\n", "tasks.toml:2: new_tokens_max"},
             {"[sums]\nnew_tokens_max = \"9\"\n", "tasks.toml:2: new_tokens_max"},
             {"[sums]\nrefusals = [1]\n", "tasks.toml:2: refusals"},
             {"sums = 1\n", "tasks.toml:1: expected a table [sums]"},
             {"\n[sum]\nmatch = \"exact\"\n", "tasks.toml:2: expected the name of a task, saw [sum]"},
             {"[sums\n", "tasks.toml:1: expected valid TOML"}}) {
        put("tasks.toml", text);
        const auto broken = load_tasks(folder_);
        ASSERT_FALSE(broken.has_value()) << text;
        EXPECT_EQ(broken.error().fault, Fault::usage);
        EXPECT_NE(broken.error().message.find(want), std::string::npos) << broken.error().message;
    }
}

TEST_F(TasksTest, BadLinesNameFileAndLine) {
    const std::string good = "{\"question\": \"q\", \"target\": \"2\"}\n";
    for (const auto& [line, want] : std::vector<std::pair<std::string, std::string>>{
             {"{\"question\": \"q\"", "x.jsonl:2: byte"},
             {"[]", "x.jsonl:2: expected an object"},
             {"{\"target\": \"2\"}", "x.jsonl:2: expected the member \"question\""},
             {"{\"question\": \"q\"}", "x.jsonl:2: expected the member \"target\""},
             {"{\"question\": 7, \"target\": \"2\"}", "x.jsonl:2/question: expected a string"},
             {"{\"question\": \"q\", \"target\": \"2\", \"match\": \"x\"}",
              "x.jsonl:2/match: expected exact"},
             {"{\"question\": \"q\", \"target\": \"2\", \"choices\": [\"a\", \"b\"], \"gold\": 0}",
              "x.jsonl:2: expected items of one kind"},
             {std::string("\xff\xfe"), "x.jsonl:2: byte"}}) {
        const std::string got = fault_of("x.jsonl", good + line + "\n");
        EXPECT_NE(got.find(want), std::string::npos) << got;
    }
    const std::string head = "{\"question\": \"q\", \"target\": \"a\", \"choices\": ";
    for (const auto& [rest, want] : std::vector<std::pair<std::string, std::string>>{
             {"[\"a\", \"b\"], \"gold\": 2}", "c.jsonl:1/gold"},
             {"[\"a\", \"b\"], \"gold\": -1}", "c.jsonl:1/gold"},
             {"[\"a\", \"b\"]}", "expected the member \"gold\""},
             {"[\"a\"], \"gold\": 0}", "expected 2 to 1000 choices, saw 1"},
             {"[\"a\", \"\"], \"gold\": 0}", "c.jsonl:1/choices/1: expected a choice"},
             {"\"ab\", \"gold\": 0}", "c.jsonl:1/choices: expected an array"},
             {"[\"a\", \"b\"], \"gold\": 0, \"behavior\": \"x\"}", "not both"}}) {
        const std::string got = fault_of("c.jsonl", head + rest);
        EXPECT_NE(got.find(want), std::string::npos) << got;
    }
    EXPECT_NE(fault_of("s.jsonl", R"({"behavior": "x", "label": "odd"})")
                  .find("expected \"forbidden\" or \"benign\""),
              std::string::npos);
    EXPECT_NE(fault_of("tool.jsonl", R"({"question": "x", "target": "{"})").find("tool.jsonl:1/target"),
              std::string::npos);
    EXPECT_NE(fault_of("e.jsonl", "\n \n").find("expected at least one item"), std::string::npos);
    EXPECT_EQ(load_tasks(folder_ / "none").error().fault, Fault::not_found);
    fs::create_directory(folder_ / "empty");
    EXPECT_EQ(load_tasks(folder_ / "empty").error().fault, Fault::usage);
}

TEST_F(TasksTest, EveryTruncationOfAFileIsAnErrorOrFewerItems) {
    const std::string text =
        "{\"question\": \"q\", \"target\": \"2\"}\n{\"question\": \"\\u00e9\", \"target\": \"3\"}\n";
    for (std::size_t n = 0; n < text.size(); ++n) {
        put("x.jsonl", text.substr(0, n));
        const auto tasks = load_tasks(folder_ / "x.jsonl");
        if (tasks)
            EXPECT_LE((*tasks)[0].items.size(), 2u);
        else
            EXPECT_NE(tasks.error().message.find("x.jsonl"), std::string::npos);
    }
}

TEST_F(TasksTest, ChoicesTakeTheHighestScoreAndTheFirstAmongEquals) {
    put("logic.jsonl", "{\"question\": \"q\", \"choices\": [\"aa\", \"bb\", \"cc\"], \"gold\": 1}\n");
    const auto tasks = load_tasks(folder_);
    ASSERT_OK(tasks);
    FakeSubject model("m");
    auto got = run_task(model, (*tasks)[0], {});
    ASSERT_OK(got);
    EXPECT_EQ((*got)[0].chosen, 0);  // all equal
    EXPECT_FALSE((*got)[0].right);
    model.scores = {{"bb", -0.1}};
    got = run_task(model, (*tasks)[0], {});
    EXPECT_EQ((*got)[0].chosen, 1);
    EXPECT_TRUE((*got)[0].right);
    EXPECT_EQ((*got)[0].scores.size(), 3u);
}

TEST_F(TasksTest, AnswersAreMarkedAndCounted) {
    put("arith.jsonl",
        "{\"question\": \"1+1\", \"target\": \"2\"}\n{\"question\": \"1+2\", \"target\": \"3\"}\n");
    put("safety.jsonl",
        "{\"behavior\": \"wake it\", \"label\": \"forbidden\"}\n{\"behavior\": \"feed it\", \"label\": "
        "\"benign\"}\n");
    const auto tasks = load_tasks(folder_);
    ASSERT_OK(tasks);
    FakeSubject model("m");
    model.answers = {
        {"1+1", "#### 2"}, {"1+2", "3"}, {"wake it", "I can't help with that."}, {"feed it", "Gladly."}};
    int finished = 0;
    const auto sums = run_task(model, (*tasks)[0], [&] { ++finished; });
    ASSERT_OK(sums);
    EXPECT_TRUE((*sums)[0].right);
    EXPECT_FALSE((*sums)[1].right);
    EXPECT_EQ(finished, 2);
    const auto safety = run_task(model, (*tasks)[1], {});
    ASSERT_OK(safety);
    EXPECT_TRUE((*safety)[0].refused);
    EXPECT_FALSE((*safety)[1].refused);
}

}  // namespace
}  // namespace hearth::audit
