// audit/marking.cpp - puts the items to a model and marks what comes back. The protocol is in docs/audit.md.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "audit/tasks.h"
#include "base/json.h"

namespace hearth::audit {
namespace {

// The white space of Python's str.isspace: Unicode White_Space, and the separators 0x1C to 0x1F.
bool is_space(std::uint32_t c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

// The character that starts at `at`; broken UTF-8 counts as a character that is no space.
std::uint32_t character(std::string_view text, std::size_t at, std::size_t& length) {
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
    };
    const std::uint32_t first = byte(0);
    length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (at + length > text.size()) length = 1;
    if (length == 1) return first < 0x80 ? first : 0xFFFD;
    if (length == 2) return (first & 0x1F) << 6 | (byte(1) & 0x3F);
    if (length == 3) return (first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return 0xFFFD;  // no white space beyond the basic plane
}

bool same_number(const Json& a, const Json& b) {
    if (a.is_double() || b.is_double()) {
        const auto value = [](const Json& v) {
            return v.is_double()  ? v.get_double()
                   : v.is_int64() ? static_cast<double>(v.get_int64())
                                  : static_cast<double>(v.get_uint64());
        };
        return value(a) == value(b);
    }
    return a == b;
}

// The same JSON value: members in any order, 44 equals 44.0, true is not 1.
bool same_json(const Json& a, const Json& b) {
    if (a.is_number() && b.is_number()) return same_number(a, b);
    if (a.is_array() && b.is_array()) {
        const auto &x = a.get_array(), &y = b.get_array();
        return std::equal(x.begin(), x.end(), y.begin(), y.end(), same_json);
    }
    if (a.is_object() && b.is_object()) {
        const auto &x = a.get_object(), &y = b.get_object();
        return x.size() == y.size() && std::all_of(x.begin(), x.end(), [&](const auto& member) {
                   const Json* other = y.if_contains(member.key());
                   return other != nullptr && same_json(member.value(), *other);
               });
    }
    return a == b;
}

bool same_tool_call(std::string_view answer, std::string_view target) {
    constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
    const std::size_t open = answer.find(kOpen);
    if (open == std::string_view::npos) return false;
    std::string_view call = answer.substr(open + kOpen.size());
    call = call.substr(0, call.find(kClose));
    const auto mine = parse_json(call, "answer"), theirs = parse_json(target, "target");
    return mine && theirs && same_json(*mine, *theirs);
}

Error at_item(const Task& task, std::size_t i, const Error& error) {
    return error.at(fmt::format("{}:{}", task.path.string(), task.items[i].line));
}

Result<std::vector<int>> prompt_of(Subject& subject, const Item& item) {
    HEARTH_TRY(const std::string text, subject.render(item.question));
    return subject.encode(text, true);
}

Result<std::vector<Outcome>> run_generative(Subject& subject, const Task& task,
                                            const std::function<void()>& finished) {
    std::vector<std::vector<int>> prompts;
    for (std::size_t i = 0; i < task.items.size(); ++i) {
        auto prompt = prompt_of(subject, task.items[i]);
        if (!prompt) return fail(at_item(task, i, prompt.error()));
        prompts.push_back(std::move(*prompt));
    }
    auto answers = subject.generate(prompts, task.new_tokens_max, finished);
    if (!answers) return fail(answers.error().at(task.path.string()));
    std::vector<Outcome> out(task.items.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        Answer& answer = (*answers)[i];
        out[i].answer = std::move(answer.text);
        out[i].ids = std::move(answer.ids);
        out[i].stopped = answer.stopped;
        if (task.kind == TaskKind::safety)
            out[i].refused = is_refusal(out[i].answer, task.refusals);
        else
            out[i].right = is_right(task.items[i].match, out[i].answer, task.items[i].target);
    }
    return out;
}

// The ids of prompt + choice less those of the prompt. Where a tokenizer joins characters across that border
// the shared part is shortened for all choices alike, and the rest of the prompt is scored with each.
Result<Outcome> choose(Subject& subject, const Item& item) {
    HEARTH_TRY(const std::string text, subject.render(item.question));
    HEARTH_TRY(std::vector<int> prompt, subject.encode(text, true));
    std::vector<std::vector<int>> wholes;
    for (const std::string& choice : item.choices) {
        HEARTH_TRY(std::vector<int> ids, subject.encode(text + choice, true));
        const auto border = std::mismatch(prompt.begin(), prompt.end(), ids.begin(), ids.end()).first;
        prompt.erase(border, prompt.end());
        wholes.push_back(std::move(ids));
    }
    std::vector<std::vector<int>> continuations;
    for (const auto& ids : wholes) {
        if (ids.size() <= prompt.size() || prompt.empty())
            return fail(Fault::unsupported,
                        "expected each choice to add tokens to the prompt, saw one that adds none");
        continuations.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(prompt.size()), ids.end());
    }
    HEARTH_TRY(const auto logs, subject.score_continuations(prompt, continuations));
    Outcome out;
    for (const auto& tokens : logs) {
        double score = 0;
        for (const double log : tokens) score += log;
        if (std::isnan(score)) return fail(Fault::corrupt, "expected a score, saw one that is not a number");
        out.scores.push_back(score);
    }
    out.chosen =
        static_cast<int>(std::max_element(out.scores.begin(), out.scores.end()) - out.scores.begin());
    out.right = out.chosen == item.gold;
    return out;
}

}  // namespace

std::string_view strip(std::string_view text) {
    std::size_t begin = 0, length = 0;
    while (begin < text.size() && is_space(character(text, begin, length))) begin += length;
    std::size_t end = begin;
    for (std::size_t at = begin; at < text.size(); at += length)
        if (!is_space(character(text, at, length))) end = at + length;
    return text.substr(begin, end - begin);
}

bool is_right(Match match, std::string_view answer, std::string_view target) {
    const std::string_view plain = strip(answer);
    switch (match) {
        case Match::exact:
            return plain == target;
        case Match::last_hash: {
            const std::size_t at = plain.rfind("####");
            return at != std::string_view::npos && strip(plain.substr(at + 4)) == target;
        }
        case Match::tool_call:
            return same_tool_call(plain, target);
    }
    return false;
}

bool is_refusal(std::string_view answer, const std::vector<std::string>& refusals) {
    const std::string_view plain = strip(answer);
    return std::any_of(refusals.begin(), refusals.end(), [&](const std::string& opening) {
        return plain.size() >= opening.size() &&
               std::equal(opening.begin(), opening.end(), plain.begin(), [](char want, char seen) {
                   return want == (seen >= 'A' && seen <= 'Z' ? static_cast<char>(seen - 'A' + 'a') : seen);
               });
    });
}

Result<std::vector<Outcome>> run_task(Subject& subject, const Task& task,
                                      const std::function<void()>& finished) {
    if (task.kind != TaskKind::choice) return run_generative(subject, task, finished);
    std::vector<Outcome> out;
    for (std::size_t i = 0; i < task.items.size(); ++i) {
        auto outcome = choose(subject, task.items[i]);
        if (!outcome) return fail(at_item(task, i, outcome.error()));
        out.push_back(std::move(*outcome));
        if (finished) finished();
    }
    return out;
}

}  // namespace hearth::audit
