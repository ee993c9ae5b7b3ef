// formats/safetensors.cpp - the reader: each number of the header is checked before anything rests on it.
#include "formats/safetensors.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>

#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "formats/json_keys.h"

namespace hearth::formats {
namespace {

constexpr std::size_t kHeaderDepthMax = 8;  // the format nests three deep
constexpr std::string_view kIndexSuffix = ".safetensors.index.json";
constexpr std::int64_t kInt64Max = INT64_MAX;

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<SafetensorsEntry> read_entry(const JsonCursor& json, std::uint64_t data_bytes) {
    SafetensorsEntry entry;
    HEARTH_TRY(const JsonCursor dtype_at, json.at("dtype"));
    HEARTH_TRY(const std::string dtype, dtype_at.string());
    const auto known = dtype_from_safetensors(dtype);
    if (!known)
        return fail(Fault::unsupported, "{}: expected a known element type, saw \"{}\"", dtype_at.where(),
                    plain_name(dtype) ? dtype.substr(0, 32) : "");
    entry.dtype = *known;

    HEARTH_TRY(const JsonCursor shape_at, json.at("shape"));
    HEARTH_TRY(const std::size_t rank, shape_at.array_size());
    if (rank > kTensorDimsMax)
        return fail(Fault::out_of_range, "{}: expected at most {} dimensions, saw {}", shape_at.where(),
                    kTensorDimsMax, rank);
    std::vector<std::int64_t> dims;
    for (std::size_t i = 0; i < rank; ++i) {
        HEARTH_TRY(const JsonCursor dim, shape_at.at(i));
        HEARTH_TRY(const std::int64_t n, dim.integer(0, kInt64Max));
        dims.push_back(n);
    }
    const auto shape = Shape::make(dims);
    const auto bytes = shape ? bytes_of(entry.dtype, shape->n_elems()) : std::nullopt;
    if (!bytes)
        return fail(Fault::corrupt, "{}: expected a product that fits 63 bits, saw an overflow",
                    shape_at.where());
    entry.shape = *shape;

    HEARTH_TRY(const JsonCursor offsets, json.at("data_offsets"));
    HEARTH_TRY(const std::size_t n_offsets, offsets.array_size());
    if (n_offsets != 2)
        return fail(Fault::corrupt, "{}: expected two numbers, saw {}", offsets.where(), n_offsets);
    HEARTH_TRY(const JsonCursor begin_at, offsets.at(std::size_t{0}));
    HEARTH_TRY(const JsonCursor end_at, offsets.at(std::size_t{1}));
    HEARTH_TRY(const std::int64_t begin, begin_at.integer(0, kInt64Max));
    HEARTH_TRY(const std::int64_t end, end_at.integer(0, kInt64Max));
    entry.begin = static_cast<std::uint64_t>(begin);
    entry.end = static_cast<std::uint64_t>(end);
    if (entry.begin > entry.end || entry.end > data_bytes)
        return fail(Fault::corrupt, "{}: expected a range within the {} bytes of data, saw {} to {}",
                    offsets.where(), data_bytes, begin, end);
    if (entry.end - entry.begin != *bytes)
        return fail(Fault::corrupt, "{}: expected {} bytes for {} of type {}, saw {}", offsets.where(),
                    *bytes, entry.shape.text(), dtype, entry.end - entry.begin);
    return entry;
}

// The tensors fill the data section with neither gap nor overlap: nothing can hide in the file, no byte has
// two meanings.
Status check_tiling(std::vector<const SafetensorsEntry*> entries, std::uint64_t data_bytes,
                    std::string_view where) {
    std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
        return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    std::uint64_t at = 0;
    for (const SafetensorsEntry* entry : entries) {
        if (entry->begin != at)
            return fail(Fault::corrupt, "{}: tensor {}: expected its data at byte {}, saw {}, {}", where,
                        entry->name, at, entry->begin,
                        entry->begin < at ? "inside another tensor" : "after a gap");
        at = entry->end;
    }
    if (at != data_bytes)
        return fail(Fault::corrupt, "{}: expected {} bytes of data for the tensors, saw {}", where, at,
                    data_bytes);
    return {};
}

}  // namespace

Status Safetensors::add_bytes(std::span<const std::byte> bytes, std::string_view where) {
    std::uint64_t header_bytes = 0;
    if (bytes.size() < sizeof header_bytes)
        return fail(Fault::corrupt, "{}: expected 8 bytes of header length, saw {}", where, bytes.size());
    std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
    if (header_bytes > kSafetensorsHeaderBytesMax || header_bytes > bytes.size() - 8)
        return fail(Fault::corrupt, "{}: byte 0: expected a safetensors header of at most {} bytes, saw {}",
                    where, std::min<std::uint64_t>(kSafetensorsHeaderBytesMax, bytes.size() - 8),
                    header_bytes);
    const std::string_view header = text_of(bytes.subspan(8, static_cast<std::size_t>(header_bytes)));
    const std::string header_where = fmt::format("{}: header", where);
    HEARTH_TRY(const Json json, parse_json(header, header_where, kHeaderDepthMax));
    if (!json.is_object()) return fail(JsonCursor(json, header_where).wrong("an object"));
    HEARTH_TRY_STATUS(refuse_duplicate_keys(header, header_where, kHeaderDepthMax));

    const std::span<const std::byte> data = bytes.subspan(8 + static_cast<std::size_t>(header_bytes));
    const std::size_t first = entries_.size();
    for (const auto& member : json.get_object()) {
        const std::string name(member.key());
        if (!plain_name(name))
            return fail(Fault::corrupt, "{}: expected names without control characters", header_where);
        const JsonCursor cursor(member.value(), fmt::format("{}: {}", where, name.substr(0, 200)));
        if (name == "__metadata__") {
            if (!member.value().is_object()) return fail(cursor.wrong("an object"));
            for (const auto& pair : member.value().get_object()) {
                HEARTH_TRY(std::string text, JsonCursor(pair.value(), cursor.where()).string());
                metadata_.insert_or_assign(std::string(pair.key()), std::move(text));
            }
            continue;
        }
        HEARTH_TRY(SafetensorsEntry entry, read_entry(cursor, data.size()));
        entry.name = name;
        entry.file = static_cast<std::uint32_t>(data_.size());
        entries_.push_back(std::move(entry));
    }
    std::vector<const SafetensorsEntry*> own;
    for (std::size_t i = first; i < entries_.size(); ++i) own.push_back(&entries_[i]);
    HEARTH_TRY_STATUS(check_tiling(std::move(own), data.size(), where));
    data_.push_back(data);
    return {};
}

Status Safetensors::add_file(const fs::path& path) {
    HEARTH_TRY(MappedFile file, MappedFile::open(path));
    HEARTH_TRY_STATUS(add_bytes(file.bytes(), path.string()));
    files_.push_back(std::move(file));
    return {};
}

Status Safetensors::sort_by_name() {
    std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
        return std::pair(std::string_view(a.name), a.file) < std::pair(std::string_view(b.name), b.file);
    });
    const auto twice = std::adjacent_find(entries_.begin(), entries_.end(),
                                          [](const auto& a, const auto& b) { return a.name == b.name; });
    if (twice != entries_.end())
        return fail(Fault::corrupt, "{}: expected the tensor {} in one shard, saw it in {} too",
                    files_[twice->file].path().string(), twice->name,
                    files_[(twice + 1)->file].path().filename().string());
    return {};
}

Result<Safetensors> Safetensors::parse(std::span<const std::byte> bytes, std::string_view where) {
    Safetensors checkpoint;
    HEARTH_TRY_STATUS(checkpoint.add_bytes(bytes, where));
    HEARTH_TRY_STATUS(checkpoint.sort_by_name());
    return checkpoint;
}

Result<Safetensors> Safetensors::open_index(const fs::path& path) {
    HEARTH_TRY(const std::string text, read_text(path, kSafetensorsHeaderBytesMax));
    const std::string where = path.string();
    HEARTH_TRY(const Json json, parse_json(text, where, kHeaderDepthMax));
    HEARTH_TRY_STATUS(refuse_duplicate_keys(text, where, kHeaderDepthMax));
    HEARTH_TRY(const JsonCursor map, JsonCursor(json, where).at("weight_map"));
    if (!map.value().is_object()) return fail(map.wrong("an object"));

    Safetensors checkpoint;
    std::map<std::string, std::uint32_t, std::less<>> shards;  // file name to its number
    for (const auto& member : map.value().get_object()) {
        HEARTH_TRY(const std::string shard, JsonCursor(member.value(), map.where()).string());
        // A name alone: an index must not reach outside its folder.
        if (!plain_name(shard) || shard.find_first_of("/\\") != std::string::npos || shard == "." ||
            shard == "..")
            return fail(Fault::corrupt, "{}: expected a plain file name, saw \"{}\"", map.where(),
                        plain_name(shard) ? shard : "");
        if (!shards.contains(shard)) {
            shards.emplace(shard, static_cast<std::uint32_t>(shards.size()));
            HEARTH_TRY_STATUS(checkpoint.add_file(path.parent_path() / shard));
        }
    }
    HEARTH_TRY_STATUS(checkpoint.sort_by_name());
    for (const auto& member : map.value().get_object()) {
        const std::string_view name(member.key().data(), member.key().size());
        const std::string_view shard(member.value().get_string().data(), member.value().get_string().size());
        const SafetensorsEntry* entry = checkpoint.find(name);
        if (entry == nullptr || entry->file != shards.find(shard)->second)
            return fail(Fault::corrupt, "{}: expected the tensor {} in {}, saw none", where,
                        plain_name(name) ? name : "(a name with control characters)", shard);
    }
    return checkpoint;
}

Result<Safetensors> Safetensors::open(const fs::path& path) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
        if (fs::exists(path / "model.safetensors", ignored)) return open(path / "model.safetensors");
        const fs::path index = path / "model.safetensors.index.json";
        if (fs::exists(index, ignored)) return open_index(index);
        return fail(Fault::not_found,
                    "{}: expected model.safetensors or model.safetensors.index.json, saw neither",
                    path.string());
    }
    if (path.string().ends_with(kIndexSuffix)) return open_index(path);
    Safetensors checkpoint;
    HEARTH_TRY_STATUS(checkpoint.add_file(path));
    HEARTH_TRY_STATUS(checkpoint.sort_by_name());
    return checkpoint;
}

const SafetensorsEntry* Safetensors::find(std::string_view name) const {
    const auto at =
        std::lower_bound(entries_.begin(), entries_.end(), name,
                         [](const SafetensorsEntry& e, std::string_view n) { return e.name < n; });
    return at != entries_.end() && at->name == name ? &*at : nullptr;
}

TensorView Safetensors::view(const SafetensorsEntry& entry) const {
    HEARTH_CHECK(entry.file < data_.size(), "an entry of this checkpoint");
    return {entry.dtype, entry.shape,
            data_[entry.file].subspan(static_cast<std::size_t>(entry.begin),
                                      static_cast<std::size_t>(entry.end - entry.begin))};
}

std::uint64_t Safetensors::file_bytes() const {
    std::uint64_t bytes = 0;
    for (const MappedFile& file : files_) bytes += file.bytes().size();
    return bytes;
}

}  // namespace hearth::formats
