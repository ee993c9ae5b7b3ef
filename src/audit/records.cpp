// audit/records.cpp - writes the raw records. Numbers keep every digit, so that a report can be made again.
#include "audit/records.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>

#include "base/file.h"
#include "base/hash.h"

namespace hearth::audit {
namespace {

std::string now(const char* format) {
    const std::time_t seconds = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char buffer[32];
    return {buffer, std::strftime(buffer, sizeof buffer, format, &parts)};
}

template <class T>
boost::json::array array_of(const std::vector<T>& values) {
    boost::json::array out;
    out.reserve(values.size());
    for (const T& v : values) out.emplace_back(v);
    return out;
}

Json outcome_json(const Task& task, const Outcome& outcome) {
    boost::json::object out;
    if (task.kind == TaskKind::choice) {
        out["scores"] = array_of(outcome.scores);
        out["chosen"] = outcome.chosen;
    } else {
        out["answer"] = outcome.answer;
        out["ids"] = array_of(outcome.ids);
        out["stopped"] = outcome.stopped;
    }
    if (task.kind == TaskKind::safety)
        out["refused"] = outcome.refused;
    else
        out["right"] = outcome.right;
    return out;
}

}  // namespace

std::string utc_now() { return now("%Y-%m-%dT%H:%M:%SZ"); }

Result<RunFolder> RunFolder::create(fs::path path, std::string_view what) {
    if (path.empty()) {
        const fs::path wanted = fs::path("runs") / fmt::format("{}-{}", now("%Y%m%d-%H%M%S"), what);
        path = wanted;
        std::error_code ignored;
        for (int i = 2; fs::exists(path, ignored); ++i)
            path = fs::path(fmt::format("{}-{}", wanted.string(), i));
    }
    std::error_code error;
    if (fs::exists(path / "report.json", error))
        return fail(Fault::usage, "{}: expected a new or empty folder, saw a finished run", path.string());
    fs::create_directories(path, error);
    if (error) return fail(io_error(path, "cannot create", error.value()));
    return RunFolder(std::move(path));
}

Status RunFolder::write(const std::string& name, std::string_view text) {
    const fs::path file = path_ / name;
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    if (error) return fail(io_error(file.parent_path(), "cannot create", error.value()));
    HEARTH_TRY_STATUS(write_whole(file, text));
    files_.push_back({name, hash_hex(std::as_bytes(std::span(text))), text.size()});
    return {};
}

std::string task_records(const Task& task, const std::vector<Outcome>& base,
                         const std::vector<Outcome>* variant) {
    std::string out;
    for (std::size_t i = 0; i < base.size(); ++i) {
        const Item& item = task.items[i];
        boost::json::object row;
        row["task"] = task.name;
        row["line"] = item.line;
        row[task.kind == TaskKind::safety ? "behavior" : "question"] = item.question;
        if (task.kind == TaskKind::safety) {
            row["label"] = item.forbidden ? "forbidden" : "benign";
        } else if (task.kind == TaskKind::choice) {
            row["choices"] = array_of(item.choices);
            row["gold"] = item.gold;
        } else {
            row["target"] = item.target;
            row["match"] = match_name(item.match);
        }
        row["base"] = outcome_json(task, base[i]);
        if (variant != nullptr) row["variant"] = outcome_json(task, (*variant)[i]);
        out += to_json(row) + "\n";
    }
    return out;
}

std::string text_records(const std::vector<WindowScores>& windows) {
    std::string out;
    for (const WindowScores& w : windows) {
        boost::json::object row;
        row["document"] = w.document;
        row["ids"] = array_of(w.ids);
        row["nll_base"] = array_of(w.nll_base);
        if (!w.kl.empty()) {
            row["nll_variant"] = array_of(w.nll_variant);
            row["kl"] = array_of(w.kl);
            row["same_top"] = array_of(w.same_top);
        }
        out += to_json(row) + "\n";
    }
    return out;
}

}  // namespace hearth::audit
