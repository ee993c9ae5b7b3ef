// base/file.h - files: read-only maps, whole reads with a limit, and writes that appear whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth {

namespace fs = std::filesystem;

// A whole file, mapped read-only. Moves; the bytes stay where they are until the last owner goes.
class MappedFile {
  public:
    static Result<MappedFile> open(const fs::path& path);

    MappedFile() = default;
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    fs::path path_;
};

// Errors: not_found, io, out_of_range (larger than bytes_max).
Result<std::string> read_text(const fs::path& path, std::uint64_t bytes_max);

// fresh: begins anew in `<name>.partial-<pid>`. resumed: goes on in `<name>.partial-resumed`, where a process
// that was killed may have left a beginning; the caller sees to it that two processes do not meet there.
enum class Partial { fresh, resumed };
fs::path partial_path(const fs::path& path);  // of `resumed`

// A file that appears under its name only when `commit` has succeeded: until then the bytes are in a partial
// file beside it, removed on destruction. Errors: disk_full, io.
class AtomicFile {
  public:
    static Result<AtomicFile> create(const fs::path& path, Partial partial = Partial::fresh);

    AtomicFile(AtomicFile&& other) noexcept;
    AtomicFile& operator=(AtomicFile&&) = delete;
    ~AtomicFile();

    // Bytes that an earlier process left at this place are compared and kept; the first that differ, and all
    // after them, are written.
    Status write(std::span<const std::byte> bytes);
    // Steps over the next n bytes when an earlier process left them with this hash (hash_hex); else nothing
    // happens and the answer is no.
    Result<bool> keep(std::uint64_t n, std::string_view hash);
    Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
    // What was written so far goes to the disk and out of the system's memory for files: a large file does
    // not push out what others use.
    Status settle();
    Status commit();  // flush, fsync, rename, fsync of the folder
    [[nodiscard]] std::uint64_t bytes_written() const { return written_; }

  private:
    AtomicFile(int fd, fs::path path, fs::path partial, std::uint64_t earlier);
    Status skip_equal(std::span<const std::byte>& bytes);
    int fd_ = -1;
    std::uint64_t written_ = 0;
    std::uint64_t earlier_ = 0;  // bytes of an earlier process from the start; those past written_ may go on
    fs::path path_, partial_;
};

Status write_whole(const fs::path& path, std::string_view text);

// A folder that appears under its name only when `commit` has succeeded; until then it is
// `<name>.partial-<pid>`, or `<name>.partial-resumed` with what an earlier process left there. Refuses an
// existing target, unless `replace` is given. Errors: usage, disk_full, io.
class AtomicFolder {
  public:
    static Result<AtomicFolder> create(const fs::path& path, bool replace, Partial partial = Partial::fresh);

    AtomicFolder(AtomicFolder&& other) noexcept;
    AtomicFolder& operator=(AtomicFolder&&) = delete;
    ~AtomicFolder();

    [[nodiscard]] const fs::path& partial() const { return partial_; }  // write the files here
    Status commit();

  private:
    AtomicFolder(fs::path path, fs::path partial, bool replace);
    fs::path path_, partial_;
    bool replace_ = false;
};

// The error for `errno` after a failed call on `path`: ENOSPC and EDQUOT are disk_full, ENOENT not_found.
Error io_error(const fs::path& path, std::string_view action, int error_number);

}  // namespace hearth
