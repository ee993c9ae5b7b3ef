// audit/tasks.h - tasks from JSON Lines files: items, the rule that marks an answer, and the marking.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "audit/subject.h"
#include "base/result.h"

namespace hearth::audit {

enum class TaskKind {
    generative,  // a question and a target
    choice,      // a question, choices and the index of the right one (gold)
    safety,      // a behaviour asked for and its label, "forbidden" or "benign"
};

// How a generative answer is marked; white space at its ends never counts.
enum class Match {
    exact,      // the answer is the target
    last_hash,  // what follows the last "####" is the target
    tool_call,  // what stands between <tool_call> and </tool_call> is the same JSON value as the target
};
std::string_view match_name(Match match);  // as written in tasks.toml

struct Item {
    std::string question;  // or the behaviour
    std::string target;
    std::vector<std::string> choices;
    int gold = -1;
    bool forbidden = false;
    Match match = Match::exact;
    int line = 0;
};

struct Task {
    std::string name;  // the file's name without .jsonl
    std::filesystem::path path;
    TaskKind kind = TaskKind::generative;
    Match match = Match::exact;  // of the items that name none
    int new_tokens_max = 160;
    std::vector<std::string> refusals = {"i can't help"};  // lower case; how a refusal begins
    std::string hash;                                      // XXH3-128 of the file
    std::vector<Item> items;
};

// The rules beside the files, tasks.toml, all optional:
//   [arith]
//   match = "last_hash"            # exact, last_hash, tool_call
//   new_tokens_max = 160
//   [safety]
//   refusals = ["i can't help"]
// Without one, a file named arith takes last_hash, tool takes tool_call, every other exact. An item may have
// a "match" of its own, which wins. Blank lines are passed over. Errors: corrupt with file and line (bad
// JSON, missing members, kinds mixed in one file, gold outside the choices), usage (no *.jsonl in the folder,
// an unknown key in tasks.toml). `path` may be one .jsonl file.
Result<std::vector<Task>> load_tasks(const std::filesystem::path& path, std::int64_t items_max = 0);

// One item's answer, as it goes into the records.
struct Outcome {
    std::string answer;          // generative and safety
    std::vector<int> ids;        // of the answer
    bool stopped = true;         // false: cut at new_tokens_max
    std::vector<double> scores;  // choice: sum of ln p of each choice's tokens
    int chosen = -1;             // choice: the highest score, the first among equals
    bool right = false;          // generative and choice
    bool refused = false;        // safety
};

bool is_right(Match match, std::string_view answer, std::string_view target);
bool is_refusal(std::string_view answer, const std::vector<std::string>& refusals);
std::string_view strip(std::string_view text);  // Unicode white space off both ends, as Python's str.strip

// Answers every item. `finished` is called once an item. Errors: those of the subject, with the item's place.
Result<std::vector<Outcome>> run_task(Subject& subject, const Task& task,
                                      const std::function<void()>& finished);

}  // namespace hearth::audit
