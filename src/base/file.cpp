// base/file.cpp - POSIX files behind Results.
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace hearth {
namespace {

fs::path partial_name(const fs::path& path) {
    fs::path partial = path;
    partial += fmt::format(".partial-{}", getpid());
    return partial;
}

Status sync_folder(const fs::path& folder) {
    const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail(io_error(folder, "cannot open the folder", errno));
    const int rc = ::fsync(fd);
    const int error_number = errno;
    ::close(fd);
    // Some file systems refuse to sync a folder; the rename has still happened.
    if (rc != 0 && error_number != EINVAL)
        return fail(io_error(folder, "cannot sync the folder", error_number));
    return {};
}

}  // namespace

Error io_error(const fs::path& path, std::string_view action, int error_number) {
    const Fault fault = error_number == ENOSPC || error_number == EDQUOT    ? Fault::disk_full
                        : error_number == ENOENT || error_number == ENOTDIR ? Fault::not_found
                        : error_number == ENOMEM                            ? Fault::no_memory
                                                                            : Fault::io;
    return {fault,
            fmt::format("{}: {}: {}", path.string(), action, std::generic_category().message(error_number))};
}

Result<MappedFile> MappedFile::open(const fs::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(io_error(path, "cannot open", errno));
    struct stat status {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(fd);
        return fail(Fault::io, "{}: expected a regular file", path.string());
    }
    MappedFile file;
    file.path_ = path;
    file.size_ = static_cast<std::size_t>(status.st_size);
    if (file.size_ > 0) {  // mmap refuses an empty range
        void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd, 0);
        const int error_number = errno;
        ::close(fd);
        if (data == MAP_FAILED) return fail(io_error(path, "cannot map", error_number));
        file.data_ = static_cast<const std::byte*>(data);
    } else {
        ::close(fd);
    }
    return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(path_, other.path_);
    return *this;
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

Result<std::string> read_text(const fs::path& path, std::uint64_t bytes_max) {
    HEARTH_TRY(const MappedFile file, MappedFile::open(path));
    const auto bytes = file.bytes();
    if (bytes.size() > bytes_max)
        return fail(Fault::out_of_range, "{}: expected at most {} bytes, saw {}", path.string(), bytes_max,
                    bytes.size());
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

AtomicFile::AtomicFile(int fd, fs::path path, fs::path partial)
    : fd_(fd), path_(std::move(path)), partial_(std::move(partial)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      written_(other.written_),
      path_(std::move(other.path_)),
      partial_(std::move(other.partial_)) {}

AtomicFile::~AtomicFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(partial_.c_str());
}

Result<AtomicFile> AtomicFile::create(const fs::path& path) {
    fs::path partial = partial_name(path);
    const int fd = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return fail(io_error(partial, "cannot create", errno));
    return AtomicFile(fd, path, std::move(partial));
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(io_error(path_, "cannot write", errno));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        written_ += static_cast<std::uint64_t>(n);
    }
    return {};
}

Status AtomicFile::commit() {
    if (::fsync(fd_) != 0) return fail(io_error(path_, "cannot sync", errno));
    const int fd = std::exchange(fd_, -1);
    if (::close(fd) != 0 || ::rename(partial_.c_str(), path_.c_str()) != 0) {
        const int error_number = errno;
        ::unlink(partial_.c_str());
        return fail(io_error(path_, "cannot put the file in place", error_number));
    }
    return sync_folder(path_.parent_path());
}

Status write_whole(const fs::path& path, std::string_view text) {
    HEARTH_TRY(AtomicFile file, AtomicFile::create(path));
    HEARTH_TRY_STATUS(file.write(text));
    return file.commit();
}

AtomicFolder::AtomicFolder(fs::path path, fs::path partial, bool replace)
    : path_(std::move(path)), partial_(std::move(partial)), replace_(replace) {}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : path_(std::move(other.path_)), partial_(std::exchange(other.partial_, {})), replace_(other.replace_) {}

AtomicFolder::~AtomicFolder() {
    if (partial_.empty()) return;
    std::error_code ignored;
    fs::remove_all(partial_, ignored);
}

Result<AtomicFolder> AtomicFolder::create(const fs::path& path, bool replace) {
    fs::path clean = path;
    if (!clean.has_filename()) clean = clean.parent_path();  // "out/" names the folder "out"
    std::error_code error;
    if (!replace && fs::exists(clean, error))
        return fail(Fault::usage, "{}: the target exists already; name another or pass --force",
                    clean.string());
    fs::path partial = partial_name(clean);
    fs::remove_all(partial, error);
    if (!fs::create_directories(partial, error) || error)
        return fail(io_error(partial, "cannot create the folder", error.value()));
    return AtomicFolder(std::move(clean), std::move(partial), replace);
}

Status AtomicFolder::commit() {
    std::error_code error;
    fs::path old;
    if (replace_ && fs::exists(path_, error)) {
        old = path_;
        old += fmt::format(".old-{}", getpid());
        fs::rename(path_, old, error);
        if (error) return fail(io_error(path_, "cannot set the old folder aside", error.value()));
    }
    if (::rename(partial_.c_str(), path_.c_str()) != 0) {
        const int error_number = errno;
        if (!old.empty()) fs::rename(old, path_, error);
        return fail(io_error(path_, "cannot put the folder in place", error_number));
    }
    partial_.clear();
    if (!old.empty()) fs::remove_all(old, error);
    return sync_folder(path_.parent_path());
}

}  // namespace hearth
