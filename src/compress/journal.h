// compress/journal.h - which tensors an earlier run finished, kept beside the target until the target is
// whole.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace hearth::compress {

struct JournalEntry {
    struct Part {
        std::uint64_t bytes;
        std::string hash;  // hash_hex: the bytes in the partial file are kept only when they have it
    };
    float tensor_scale = 1;
    double relative_rmse = 0;
    std::vector<Part> parts;  // in the order in which they are written
};

// `<target>.partial-journal`, JSON Lines: first the job, then a line for each tensor. A process that is
// killed leaves it; any other end takes it away. It says what may be skipped, never what is true: each part's
// bytes are hashed again before they are kept, so nothing needs to be synced and a torn last line costs one
// tensor.
class Journal {
  public:
    // Takes up the journal of an earlier run with the same job; another job's is begun anew. Errors: busy
    // (another process is at it), disk_full, io.
    static Result<Journal> open(const fs::path& target, const Json& job);

    Journal(Journal&& other) noexcept;
    Journal& operator=(Journal&&) = delete;
    ~Journal();

    [[nodiscard]] bool continues() const { return continues_; }
    [[nodiscard]] bool other_job() const { return other_job_; }  // there was one, of another job
    [[nodiscard]] const JournalEntry* find(std::string_view tensor) const;
    Status add(std::string_view tensor, const JournalEntry& entry);

  private:
    Journal(int fd, fs::path path) : fd_(fd), path_(std::move(path)) {}
    Status take_up(const std::string& head);
    Status append(std::string_view line);
    int fd_ = -1;
    fs::path path_;
    bool continues_ = false, other_job_ = false;
    std::map<std::string, JournalEntry, std::less<>> entries_;
};

}  // namespace hearth::compress
