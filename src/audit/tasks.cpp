// audit/tasks.cpp - reading of task files and their rules. Marking and running are in marking.cpp.
#include "audit/tasks.h"

#include <toml++/toml.h>
#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <optional>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

namespace hearth::audit {
namespace {

constexpr struct {
    Match match;
    std::string_view name;
} kMatches[] = {{Match::exact, "exact"}, {Match::last_hash, "last_hash"}, {Match::tool_call, "tool_call"}};

constexpr struct {
    std::string_view task;
    Match match;
} kBuiltIn[] = {{"arith", Match::last_hash}, {"tool", Match::tool_call}};

std::optional<Match> match_of(std::string_view name) {
    for (const auto& row : kMatches)
        if (row.name == name) return row.match;
    return std::nullopt;
}

struct Rule {
    std::optional<Match> match;
    std::optional<std::int64_t> new_tokens_max;
    std::vector<std::string> refusals;
    std::uint32_t line = 0;
};

tl::unexpected<Error> rule_fault(const fs::path& path, const toml::node& node, std::string_view what) {
    return fail(Fault::usage, "{}:{}: {}", path.string(), node.source().begin.line, what);
}

Status read_refusals(const fs::path& path, const toml::node& node, Rule& rule) {
    const toml::array* list = node.as_array();
    if (list == nullptr || list->empty())
        return rule_fault(path, node, "refusals: expected a list of strings, saw something else");
    for (const toml::node& entry : *list) {
        const auto text = entry.value_exact<std::string>();
        if (!text || text->empty())
            return rule_fault(path, entry, "refusals: expected non-empty strings, saw another value");
        std::string lower = *text;
        for (char& c : lower)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        rule.refusals.push_back(lower);
    }
    return {};
}

Status read_rule(const fs::path& path, std::string_view key, const toml::node& node, Rule& rule) {
    if (key == "match") {
        rule.match = match_of(node.value_exact<std::string>().value_or(""));
        if (!rule.match)
            return rule_fault(path, node, "match: expected exact, last_hash or tool_call, saw another value");
        return {};
    }
    if (key == "new_tokens_max") {
        rule.new_tokens_max = node.value_exact<std::int64_t>();
        if (!rule.new_tokens_max || *rule.new_tokens_max < 1 || *rule.new_tokens_max > 1'000'000)
            return rule_fault(path, node,
                              "new_tokens_max: expected an integer from 1 to 1000000, saw another value");
        return {};
    }
    if (key == "refusals") return read_refusals(path, node, rule);
    return rule_fault(path, node, fmt::format("expected match, new_tokens_max or refusals, saw \"{}\"", key));
}

Result<std::map<std::string, Rule>> read_rules(const fs::path& path) {
    std::map<std::string, Rule> rules;
    std::error_code missing;
    if (!fs::exists(path, missing)) return rules;
    HEARTH_TRY(const std::string text, read_text(path, std::uint64_t{1} << 20));
    try {
        const toml::table table = toml::parse(text, path.string());
        for (const auto& [name, node] : table) {
            const toml::table* entries = node.as_table();
            if (entries == nullptr)
                return rule_fault(path, node, fmt::format("expected a table [{}], saw a value", name.str()));
            Rule& rule = rules[std::string(name.str())];
            rule.line = node.source().begin.line;
            for (const auto& [key, value] : *entries)
                HEARTH_TRY_STATUS(read_rule(path, key.str(), value, rule));
        }
    } catch (const toml::parse_error& e) {
        return fail(Fault::usage, "{}:{}: expected valid TOML, saw {}", path.string(), e.source().begin.line,
                    e.description());
    }
    return rules;
}

Result<TaskKind> kind_of(const JsonCursor& row) {
    const bool choices = row.find("choices").has_value(), behavior = row.find("behavior").has_value();
    if (choices && behavior) return fail(row.wrong("choices or a behavior, not both"));
    return behavior ? TaskKind::safety : choices ? TaskKind::choice : TaskKind::generative;
}

Status read_choices(const JsonCursor& row, Item& item) {
    HEARTH_TRY(const JsonCursor choices, row.at("choices"));
    HEARTH_TRY(const std::size_t n, choices.array_size());
    if (n < 2 || n > 1000)
        return fail(Fault::corrupt, "{}: expected 2 to 1000 choices, saw {}", choices.where(), n);
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor choice, choices.at(i));
        HEARTH_TRY(std::string text, choice.string());
        if (text.empty())
            return fail(Fault::corrupt, "{}: expected a choice of at least one character, saw none",
                        choice.where());
        item.choices.push_back(std::move(text));
    }
    HEARTH_TRY(const JsonCursor gold, row.at("gold"));
    HEARTH_TRY(const std::int64_t index, gold.integer(0, static_cast<std::int64_t>(n) - 1));
    item.gold = static_cast<int>(index);
    return {};
}

Result<Item> read_item(const JsonCursor& row, TaskKind kind, Match match) {
    Item item;
    item.match = match;
    HEARTH_TRY(const JsonCursor question, row.at(kind == TaskKind::safety ? "behavior" : "question"));
    HEARTH_TRY(item.question, question.string());
    if (kind == TaskKind::safety) {
        HEARTH_TRY(const JsonCursor label, row.at("label"));
        HEARTH_TRY(const std::string text, label.string());
        if (text != "forbidden" && text != "benign")
            return fail(Fault::corrupt, "{}: expected \"forbidden\" or \"benign\", saw \"{}\"", label.where(),
                        text);
        item.forbidden = text == "forbidden";
        return item;
    }
    if (kind == TaskKind::choice) {
        HEARTH_TRY_STATUS(read_choices(row, item));
        return item;
    }
    HEARTH_TRY(const JsonCursor target, row.at("target"));
    HEARTH_TRY(item.target, target.string());
    if (const auto own = row.find("match")) {
        HEARTH_TRY(const std::string name, own->string());
        const auto found = match_of(name);
        if (!found)
            return fail(Fault::corrupt, "{}: expected exact, last_hash or tool_call, saw \"{}\"",
                        own->where(), name);
        item.match = *found;
    }
    if (item.match == Match::tool_call)
        HEARTH_TRY_STATUS(parse_json(item.target, target.where()).map([](const Json&) {}));
    return item;
}

Result<Task> load_task(const fs::path& path, const std::map<std::string, Rule>& rules,
                       std::int64_t items_max) {
    Task task;
    task.path = path;
    task.name = path.stem().string();
    for (const auto& row : kBuiltIn)
        if (row.task == task.name) task.match = row.match;
    if (const auto rule = rules.find(task.name); rule != rules.end()) {
        task.match = rule->second.match.value_or(task.match);
        task.new_tokens_max = static_cast<int>(rule->second.new_tokens_max.value_or(task.new_tokens_max));
        if (!rule->second.refusals.empty()) task.refusals = rule->second.refusals;
    }
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    task.hash = hash_hex(std::as_bytes(std::span(text)));
    int number = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = std::string_view(text).substr(at, end - at);
        at = end + 1;
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        if (items_max > 0 && static_cast<std::int64_t>(task.items.size()) >= items_max) break;
        const std::string where = fmt::format("{}:{}", path.string(), number);
        HEARTH_TRY(const Json value, parse_json(line, where));
        const JsonCursor row(value, where);
        HEARTH_TRY(const TaskKind kind, kind_of(row));
        if (task.items.empty()) task.kind = kind;
        if (kind != task.kind)
            return fail(Fault::corrupt,
                        "{}: expected items of one kind in a file, saw another kind than above", where);
        HEARTH_TRY(Item item, read_item(row, kind, task.match));
        item.line = number;
        task.items.push_back(std::move(item));
    }
    if (task.items.empty())
        return fail(Fault::corrupt, "{}: expected at least one item, saw none", path.string());
    return task;
}

}  // namespace

std::string_view match_name(Match match) {
    for (const auto& row : kMatches)
        if (row.match == match) return row.name;
    return "";
}

Result<std::vector<Task>> load_tasks(const std::filesystem::path& path, std::int64_t items_max) {
    std::error_code error;
    const bool folder = fs::is_directory(path, error);
    if (!folder && !fs::exists(path, error))
        return fail(Fault::not_found, "{}: expected a folder of tasks, saw nothing", path.string());
    std::vector<fs::path> files;
    if (folder) {
        for (const auto& entry : fs::directory_iterator(path, error))
            if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
        if (error) return fail(io_error(path, "cannot list", error.value()));
        std::sort(files.begin(), files.end());
    } else {
        files.push_back(path);
    }
    if (files.empty()) return fail(Fault::usage, "{}: expected *.jsonl files, saw none", path.string());
    const fs::path rule_path = (folder ? path : path.parent_path()) / "tasks.toml";
    HEARTH_TRY(const auto rules, read_rules(rule_path));
    std::vector<Task> tasks;
    for (const fs::path& file : files) {
        HEARTH_TRY(Task task, load_task(file, rules, items_max));
        tasks.push_back(std::move(task));
    }
    // A rule for nothing is a slip of the pen; one file alone may lack the rest.
    for (const auto& entry : rules) {
        const auto is_named = [&](const Task& task) { return task.name == entry.first; };
        if (folder && std::none_of(tasks.begin(), tasks.end(), is_named))
            return fail(Fault::usage, "{}:{}: expected the name of a task, saw [{}] without {}.jsonl",
                        rule_path.string(), entry.second.line, entry.first, entry.first);
    }
    return tasks;
}

}  // namespace hearth::audit
