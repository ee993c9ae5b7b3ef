// audit/records.h - a run folder: one JSON Lines file a task and model, one for the text; each whole or
// absent.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "audit/report.h"
#include "base/result.h"

namespace hearth::audit {

class RunFolder {
  public:
    // Makes the folder; an empty `path` means runs/<UTC time>-<what>/. Errors: usage (it holds a finished
    // run), io, disk_full.
    static Result<RunFolder> create(std::filesystem::path path, std::string_view what);

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] const std::vector<RecordFile>& files() const { return files_; }

    // Writes one file, whole or not at all, and notes its hash.
    Status write(const std::string& name, std::string_view text);

  private:
    explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
    std::filesystem::path path_;
    std::vector<RecordFile> files_;
};

// tasks/<task>.jsonl: one line an item: what was asked, what each model answered, how it was marked.
std::string task_records(const Task& task, const std::vector<Outcome>& base,
                         const std::vector<Outcome>* variant);
// text.jsonl: one line a window: its token ids and the numbers of each token, in order.
std::string text_records(const std::vector<WindowScores>& windows);

// "2026-11-23T11:45:00Z" of now, in UTC.
std::string utc_now();

}  // namespace hearth::audit
