// base/file.cpp - POSIX files behind Results.
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "base/hash.h"

namespace hearth {
namespace {

fs::path partial_name(const fs::path& path, Partial kind) {
    fs::path partial = path;
    partial += kind == Partial::fresh ? fmt::format(".partial-{}", getpid()) : ".partial-resumed";
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

fs::path partial_path(const fs::path& path) { return partial_name(path, Partial::resumed); }

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

AtomicFile::AtomicFile(int fd, fs::path path, fs::path partial, std::uint64_t earlier)
    : fd_(fd), earlier_(earlier), path_(std::move(path)), partial_(std::move(partial)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      written_(other.written_),
      earlier_(other.earlier_),
      path_(std::move(other.path_)),
      partial_(std::move(other.partial_)) {}

AtomicFile::~AtomicFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(partial_.c_str());
}

Result<AtomicFile> AtomicFile::create(const fs::path& path, Partial kind) {
    fs::path partial = partial_name(path, kind);
    const int fresh = kind == Partial::fresh ? O_TRUNC : 0;
    const int fd = ::open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | fresh, 0644);
    if (fd < 0) return fail(io_error(partial, "cannot create", errno));
    struct stat status {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(fd);
        return fail(Fault::io, "{}: expected a regular file", partial.string());
    }
    return AtomicFile(fd, path, std::move(partial), static_cast<std::uint64_t>(status.st_size));
}

// Takes off the front of `bytes` what stands in the file already.
Status AtomicFile::skip_equal(std::span<const std::byte>& bytes) {
    std::vector<std::byte> before(std::size_t{1} << 20);
    while (!bytes.empty() && written_ < earlier_) {
        const std::size_t n =
            std::min({bytes.size(), before.size(), static_cast<std::size_t>(earlier_ - written_)});
        const ssize_t got = ::pread(fd_, before.data(), n, static_cast<off_t>(written_));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(io_error(partial_, "cannot read", errno));
        const auto same = static_cast<std::size_t>(
            std::mismatch(before.begin(), before.begin() + got, bytes.begin()).first - before.begin());
        written_ += same;
        bytes = bytes.subspan(same);
        if (same < n) earlier_ = written_;
    }
    if (bytes.empty()) return {};
    earlier_ = written_;  // what an earlier process wrote past this point is of no use
    if (::ftruncate(fd_, static_cast<off_t>(written_)) != 0)
        return fail(io_error(partial_, "cannot cut off", errno));
    return {};
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
    if (earlier_ > written_) HEARTH_TRY_STATUS(skip_equal(bytes));
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(written_));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(io_error(path_, "cannot write", errno));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        written_ += static_cast<std::uint64_t>(n);
    }
    return {};
}

Result<bool> AtomicFile::keep(std::uint64_t n, std::string_view hash) {
    if (earlier_ < written_ || earlier_ - written_ < n) return false;
    if (n == 0) return true;
    // The map begins at a page; the file is not cut while it stands.
    const std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)), lead = written_ % page;
    const auto size = static_cast<std::size_t>(lead + n);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_, static_cast<off_t>(written_ - lead));
    if (data == MAP_FAILED) return fail(io_error(partial_, "cannot map", errno));
    const bool same =
        hash_hex({static_cast<const std::byte*>(data) + lead, static_cast<std::size_t>(n)}) == hash;
    ::munmap(data, size);
    if (same) written_ += n;
    return same;
}

Status AtomicFile::settle() {
    if (::fdatasync(fd_) != 0) return fail(io_error(path_, "cannot sync", errno));
    ::posix_fadvise(fd_, 0, static_cast<off_t>(written_), POSIX_FADV_DONTNEED);  // a hint: may do nothing
    return {};
}

Status AtomicFile::commit() {
    if (earlier_ > written_ && ::ftruncate(fd_, static_cast<off_t>(written_)) != 0)
        return fail(io_error(path_, "cannot cut off", errno));
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

Result<AtomicFolder> AtomicFolder::create(const fs::path& path, bool replace, Partial kind) {
    fs::path clean = path;
    if (!clean.has_filename()) clean = clean.parent_path();  // "out/" names the folder "out"
    std::error_code error;
    if (!replace && fs::exists(clean, error))
        return fail(Fault::usage, "{}: the target exists already; name another or pass --force",
                    clean.string());
    fs::path partial = partial_name(clean, kind);
    if (kind == Partial::fresh) fs::remove_all(partial, error);
    fs::create_directories(partial, error);
    if (error || !fs::is_directory(partial, error))
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
