// models/panel_cache.cpp - the key of a cache (files and code), its reading with every byte checked, its
// writing.
#include "models/panel_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"

namespace hearth::models {
namespace {

#include "panel_code.inc"  // kPanelCode: changes with every source that decides a byte of a panel

constexpr const char* kFormat = "hearth panels";
constexpr std::size_t kStretchBytes = 64u << 20;
constexpr std::int64_t kCountMax = std::int64_t{1} << 62;

// A file that the panels were made of.
struct Source {
    std::string name;
    std::int64_t bytes = 0, modified = 0;  // nanoseconds of the system's clock
};

Result<Source> source_of(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return fail(io_error(path, "cannot read", errno));
    return Source{path.filename().string(), static_cast<std::int64_t>(status.st_size),
                  std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<std::string> content_hash(const fs::path& path) {
    HEARTH_TRY(const MappedFile file, MappedFile::open(path));
    return hash_hex(file.bytes());
}

std::string text_hash(std::string_view text) { return hash_hex(std::as_bytes(std::span(text))); }

Status check_source(const JsonCursor& kept, const fs::path& path) {
    HEARTH_TRY(const Source now, source_of(path));
    HEARTH_TRY(const JsonCursor kept_name, kept.at("name"));
    HEARTH_TRY(const std::string name, kept_name.string());
    HEARTH_TRY(const std::int64_t bytes, kept.integer_or("bytes", -1, -1, kCountMax));
    HEARTH_TRY(const std::int64_t modified, kept.integer_or("modified", 0, -kCountMax, kCountMax));
    HEARTH_TRY(const std::string hash, kept.string_or("hash", ""));
    if (name != now.name || bytes != now.bytes)
        return fail(Fault::corrupt, "expected {} of {} bytes, saw {} of {}", name, bytes, now.name,
                    now.bytes);
    if (modified == now.modified) return {};
    HEARTH_TRY(const std::string now_hash, content_hash(path));  // copied, perhaps, or touched
    if (hash != now_hash) return fail(Fault::corrupt, "{} has changed", name);
    return {};
}

Json describe(const kernels::PackedMatrix& matrix) {
    std::uint32_t scale = 0;
    std::memcpy(&scale, &matrix.scale, sizeof scale);
    return {{"kind", static_cast<int>(matrix.kind)},
            {"source", info(matrix.source).name},
            {"rows", matrix.rows},
            {"cols", matrix.cols},
            {"scale_bits", scale},
            {"hash", hash_hex({reinterpret_cast<const std::byte*>(matrix.panels),
                               static_cast<std::size_t>(matrix.bytes())})}};
}

Result<kernels::PackedMatrix> described(const JsonCursor& at, std::span<const std::byte> panels) {
    kernels::PackedMatrix matrix;
    HEARTH_TRY(const std::int64_t kind, at.integer_or("kind", -1, -1, kernels::kPanelKinds));
    HEARTH_TRY(const std::string source, at.string_or("source", ""));
    HEARTH_TRY(matrix.rows, at.integer_or("rows", 0, 0, kCountMax));
    HEARTH_TRY(matrix.cols, at.integer_or("cols", 0, 0, kCountMax));
    HEARTH_TRY(const std::int64_t bits, at.integer_or("scale_bits", 0, 0, 0xffffffff));
    const auto dtype = dtype_from_name(source);
    if (!dtype) return fail(Fault::corrupt, "{}: expected a type, saw another word", at.where());
    matrix.kind = static_cast<kernels::PanelKind>(kind);
    matrix.source = *dtype;
    const auto scale = static_cast<std::uint32_t>(bits);
    std::memcpy(&matrix.scale, &scale, sizeof scale);
    auto packed = kernels::packed_before(matrix, panels);
    if (!packed) return fail(packed.error().at(at.where()));
    return packed;
}

Result<Json> metadata_json(const formats::Safetensors& file, const char* key) {
    const auto at = file.metadata().find(key);
    if (at == file.metadata().end()) return fail(Fault::corrupt, "expected metadata {}, saw none", key);
    return parse_json(at->second, key);
}

// A killed process left them: no other writes under its number.
void remove_left_overs(const fs::path& path) {
    std::error_code error;
    const std::string prefix = path.filename().string() + ".partial-";
    for (const auto& entry : fs::directory_iterator(path.parent_path(), error)) {
        const std::string name = entry.path().filename().string();
        pid_t pid = 0;
        if (!name.starts_with(prefix)) continue;
        const char* end = name.data() + name.size();
        if (std::from_chars(name.data() + prefix.size(), end, pid).ptr != end || pid <= 0) continue;
        if (::kill(pid, 0) != 0 && errno == ESRCH) fs::remove(entry.path(), error);
    }
}

std::uint64_t padded(std::int64_t bytes) {
    return (static_cast<std::uint64_t>(bytes) + Arena::kAlignment - 1) / Arena::kAlignment *
           Arena::kAlignment;
}

Result<std::string> sources_text(const Checkpoint& checkpoint) {
    boost::json::array sources;
    for (const fs::path& path : checkpoint.files()) {
        HEARTH_TRY(const Source source, source_of(path));
        HEARTH_TRY(const std::string hash, content_hash(path));
        sources.push_back(
            {{"name", source.name}, {"bytes", source.bytes}, {"modified", source.modified}, {"hash", hash}});
    }
    return to_json(sources);
}

}  // namespace

fs::path panel_cache_path(const fs::path& model) {
    std::error_code ignored;
    fs::path path = model;
    if (fs::is_directory(model, ignored)) return path / "hearth.panels";
    return path += ".panels";
}

PanelCache PanelCache::open(const Checkpoint& checkpoint, ThreadPool& pool) {
    PanelCache cache;
    const fs::path path = panel_cache_path(checkpoint.path());
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return cache;
    if (auto ok = cache.read(checkpoint, path, pool); !ok) {
        log::info("{}: not used: {}", path.string(), ok.error().message);
        return {};
    }
    return cache;
}

Status PanelCache::read(const Checkpoint& checkpoint, const fs::path& path, ThreadPool& pool) {
    HEARTH_TRY(file_, formats::Safetensors::open(path));
    const auto format = file_.metadata().find("format"), code = file_.metadata().find("code");
    if (format == file_.metadata().end() || format->second != kFormat || code == file_.metadata().end() ||
        code->second != kPanelCode)
        return fail(Fault::unsupported, "another version wrote it");
    const auto check = file_.metadata().find("check");
    HEARTH_TRY(const Json sources, metadata_json(file_, "sources"));
    const JsonCursor kept(sources, "sources");
    HEARTH_TRY(const std::size_t n, kept.array_size());
    const std::vector<fs::path> files = checkpoint.files();
    if (n != files.size()) return fail(Fault::corrupt, "expected {} files, saw {}", n, files.size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor source, kept.at(i));
        HEARTH_TRY_STATUS(check_source(source, files[i]));
    }

    HEARTH_TRY(const Json matrices, metadata_json(file_, "matrices"));
    if (check == file_.metadata().end() ||
        check->second != text_hash(file_.metadata().at("sources") + file_.metadata().at("matrices")))
        return fail(Fault::corrupt, "its description is not as it was written");
    const JsonCursor all(matrices, "matrices");
    std::vector<std::pair<kernels::PackedMatrix, std::string>> hashes;
    for (const formats::SafetensorsEntry& entry : file_.entries()) {
        HEARTH_TRY(const JsonCursor at, all.at(entry.name));
        HEARTH_TRY(const kernels::PackedMatrix matrix, described(at, file_.view(entry).bytes));
        HEARTH_TRY(std::string hash, at.string_or("hash", ""));
        hashes.emplace_back(matrix, std::move(hash));
        matrices_.emplace(entry.name, matrix);
    }
    // Reading all of it here also brings it into memory in order, at the disk's speed.
    std::atomic<std::size_t> changed{0};
    pool.claim(static_cast<std::int64_t>(hashes.size()), 1, [&](int, std::int64_t i, std::int64_t) {
        const auto& [matrix, hash] = hashes[static_cast<std::size_t>(i)];
        const auto* bytes = reinterpret_cast<const std::byte*>(matrix.panels);
        if (hash_hex({bytes, static_cast<std::size_t>(matrix.bytes())}) != hash) ++changed;
    });
    if (changed > 0) return fail(Fault::corrupt, "{} matrices are not as they were written", changed.load());
    return {};
}

const kernels::PackedMatrix* PanelCache::find(std::string_view name, std::int64_t rows,
                                              std::int64_t cols) const {
    const auto at = matrices_.find(name);
    if (at == matrices_.end() || at->second.rows != rows || at->second.cols != cols) return nullptr;
    return &at->second;
}

Result<Kept> keep_panels(const Checkpoint& checkpoint, std::span<const NamedMatrix> matrices,
                         const KeepOptions& options) {
    const fs::path path = panel_cache_path(checkpoint.path());
    std::uint64_t bytes = 0;
    for (const NamedMatrix& named : matrices) bytes += padded(named.matrix->bytes());
    if (bytes < options.bytes_min) return Kept::too_small;
    remove_left_overs(path);
    std::error_code error;
    const fs::space_info space = fs::space(fs::absolute(path).parent_path(), error);
    if (error || space.available / 2 < bytes) return Kept::no_room;

    HEARTH_TRY(std::string sources, sources_text(checkpoint));
    boost::json::object described;
    std::vector<formats::SafetensorsWriter::Declaration> declared;
    for (const NamedMatrix& named : matrices) {
        if (!options.go_on(0)) return Kept::stopped;
        described[named.name] = describe(*named.matrix);
        declared.push_back(
            {named.name, DType::u8, Shape{static_cast<std::int64_t>(padded(named.matrix->bytes()))}});
    }
    std::string described_text = to_json(described);
    std::string check = text_hash(sources + described_text);
    HEARTH_TRY(auto file, formats::SafetensorsWriter::create(path, std::move(declared),
                                                             {{"format", kFormat},
                                                              {"code", kPanelCode},
                                                              {"sources", std::move(sources)},
                                                              {"matrices", std::move(described_text)},
                                                              {"check", std::move(check)}}));
    std::uint64_t unsettled = 0;
    for (const NamedMatrix& named : matrices) {
        std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(named.matrix->panels),
                                        static_cast<std::size_t>(named.matrix->bytes()));
        const std::size_t tail = padded(named.matrix->bytes()) - rest.size();
        while (!rest.empty()) {
            const std::size_t n = std::min(rest.size(), kStretchBytes);
            HEARTH_TRY_STATUS(file.append(rest.first(n)));
            rest = rest.subspan(n);
            if (!options.go_on(n)) return Kept::stopped;
            if ((unsettled += n) < kStretchBytes) continue;
            HEARTH_TRY_STATUS(file.settle());
            unsettled = 0;
        }
        const std::byte zeros[Arena::kAlignment] = {};
        HEARTH_TRY_STATUS(file.append(std::span(zeros).first(tail)));
    }
    HEARTH_TRY_STATUS(file.commit());
    return Kept::written;
}

}  // namespace hearth::models
