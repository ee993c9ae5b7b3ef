// compress/journal.cpp - a locked file of lines; what cannot be read ends it.
#include "compress/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <bit>
#include <boost/json.hpp>
#include <cerrno>

#include "base/limits.h"

namespace hearth::compress {
namespace {

// Floating point as its bits: a report of a resumed run has the same digits.
std::int64_t bits(double value) { return std::bit_cast<std::int64_t>(value); }

Result<std::pair<std::string, JournalEntry>> read_entry(std::string_view line) {
    HEARTH_TRY(const Json json, parse_json(line, "journal"));
    const JsonCursor row(json, "journal");
    const auto number = [&](std::string_view key) -> Result<double> {
        HEARTH_TRY(const JsonCursor member, row.at(key));
        HEARTH_TRY(const std::int64_t raw, member.integer(INT64_MIN, INT64_MAX));
        return std::bit_cast<double>(raw);
    };
    JournalEntry entry;
    HEARTH_TRY(const JsonCursor name, row.at("tensor"));
    HEARTH_TRY(std::string tensor, name.string());
    HEARTH_TRY(const double scale, number("tensor_scale_bits"));
    HEARTH_TRY(entry.relative_rmse, number("relative_rmse_bits"));
    entry.tensor_scale = static_cast<float>(scale);
    HEARTH_TRY(const JsonCursor parts, row.at("parts"));
    HEARTH_TRY(const std::size_t n, parts.array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor part, parts.at(i));
        HEARTH_TRY(const JsonCursor size, part.at("bytes"));
        HEARTH_TRY(const std::int64_t bytes, size.integer(0, INT64_MAX));
        HEARTH_TRY(const JsonCursor hash, part.at("hash"));
        HEARTH_TRY(std::string text, hash.string());
        entry.parts.push_back({static_cast<std::uint64_t>(bytes), std::move(text)});
    }
    return std::pair(std::move(tensor), std::move(entry));
}

}  // namespace

Result<Journal> Journal::open(const fs::path& target, const Json& job) {
    fs::path path = target;
    path += ".partial-journal";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
    if (fd < 0) return fail(io_error(path, "cannot open", errno));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ::close(fd);
        return fail(Fault::busy, "{}: another process is writing this target", target.string());
    }
    Journal journal(fd, std::move(path));
    HEARTH_TRY_STATUS(journal.take_up(to_json(job)));
    return journal;
}

Status Journal::take_up(const std::string& head) {
    HEARTH_TRY(const std::string text, read_text(path_, kTextFileBytesMax));
    std::size_t at = text.find('\n');
    continues_ = at != std::string::npos && text.compare(0, at, head) == 0;
    other_job_ = at != std::string::npos && !continues_;
    std::size_t good = continues_ ? at + 1 : 0;
    while (continues_ && good < text.size()) {
        const std::size_t end = text.find('\n', good);
        if (end == std::string::npos) break;  // torn
        auto entry = read_entry(std::string_view(text).substr(good, end - good));
        if (!entry) break;
        entries_.insert_or_assign(std::move(entry->first), std::move(entry->second));
        good = end + 1;
    }
    if (::ftruncate(fd_, static_cast<off_t>(good)) != 0)
        return fail(io_error(path_, "cannot cut off", errno));
    return continues_ ? Status() : append(head);
}

Journal::Journal(Journal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      continues_(other.continues_),
      other_job_(other.other_job_),
      entries_(std::move(other.entries_)) {}

Journal::~Journal() {
    if (fd_ < 0) return;
    ::unlink(path_.c_str());  // before the lock goes, so that nobody takes up what is about to vanish
    ::close(fd_);
}

const JournalEntry* Journal::find(std::string_view tensor) const {
    const auto found = entries_.find(tensor);
    return found == entries_.end() ? nullptr : &found->second;
}

Status Journal::append(std::string_view line) {
    std::string text(line);
    text += '\n';
    const ssize_t n = ::write(fd_, text.data(), text.size());
    if (n != static_cast<ssize_t>(text.size()))
        return fail(io_error(path_, "cannot write", n < 0 ? errno : ENOSPC));
    return {};
}

Status Journal::add(std::string_view tensor, const JournalEntry& entry) {
    boost::json::array parts;
    for (const JournalEntry::Part& part : entry.parts)
        parts.push_back({{"bytes", part.bytes}, {"hash", part.hash}});
    return append(to_json(Json{{"tensor", tensor},
                               {"tensor_scale_bits", bits(static_cast<double>(entry.tensor_scale))},
                               {"relative_rmse_bits", bits(entry.relative_rmse)},
                               {"parts", std::move(parts)}}));
}

}  // namespace hearth::compress
