// formats/gguf.cpp - what an open GGUF answers: typed reads of keys, tensors by name, splits.
#include "formats/gguf.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace hearth::formats {
namespace {

template <class T>
T load(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

Error wrong(std::string_view key, std::string_view expected, const GgufValue* seen) {
    if (seen == nullptr)
        return {Fault::corrupt, fmt::format("GGUF key {}: expected {}, saw no such key", key, expected)};
    return {Fault::corrupt, fmt::format("GGUF key {}: expected {}, saw type {}", key, expected,
                                        static_cast<std::int32_t>(seen->type))};
}

}  // namespace

GgufScalar GgufArray::at(std::uint64_t index) const {
    HEARTH_CHECK(index < n, "an index within the array");
    if (type == GgufType::string) return strings[static_cast<std::size_t>(index)];
    const std::byte* const base = raw.data();
    const auto i = static_cast<std::size_t>(index);
    switch (type) {
        case GgufType::u8:
            return std::uint64_t{load<std::uint8_t>(base + i)};
        case GgufType::i8:
            return std::int64_t{load<std::int8_t>(base + i)};
        case GgufType::u16:
            return std::uint64_t{load<std::uint16_t>(base + i * 2)};
        case GgufType::i16:
            return std::int64_t{load<std::int16_t>(base + i * 2)};
        case GgufType::u32:
            return std::uint64_t{load<std::uint32_t>(base + i * 4)};
        case GgufType::i32:
            return std::int64_t{load<std::int32_t>(base + i * 4)};
        case GgufType::f32:
            return double{load<float>(base + i * 4)};
        case GgufType::boolean:
            return load<std::uint8_t>(base + i) != 0;
        case GgufType::u64:
            return load<std::uint64_t>(base + i * 8);
        case GgufType::i64:
            return load<std::int64_t>(base + i * 8);
        case GgufType::f64:
            return load<double>(base + i * 8);
        case GgufType::string:
        case GgufType::array:
            break;
    }
    HEARTH_CHECK(false, "arrays hold no arrays");
}

GgufValue GgufValue::strings(std::vector<std::string> v) {
    GgufArray array;
    array.type = GgufType::string;
    array.n = v.size();
    array.strings = std::move(v);
    return {GgufType::array, std::move(array)};
}

GgufValue GgufValue::i32s(std::span<const std::int32_t> v) {
    GgufArray array;
    array.type = GgufType::i32;
    array.n = v.size();
    const auto bytes = std::as_bytes(v);
    array.raw.assign(bytes.begin(), bytes.end());
    return {GgufType::array, std::move(array)};
}

const GgufValue* Gguf::find_key(std::string_view key) const {
    for (const GgufPair& pair : metadata_)
        if (pair.key == key) return &pair.value;
    return nullptr;
}

Result<std::int64_t> Gguf::integer(std::string_view key, std::int64_t min, std::int64_t max) const {
    const GgufValue* value = find_key(key);
    const auto* scalar = value == nullptr ? nullptr : std::get_if<GgufScalar>(&value->value);
    std::int64_t n = 0;
    if (scalar != nullptr && std::holds_alternative<std::int64_t>(*scalar)) {
        n = std::get<std::int64_t>(*scalar);
    } else if (scalar != nullptr && std::holds_alternative<std::uint64_t>(*scalar)) {
        const std::uint64_t wide = std::get<std::uint64_t>(*scalar);
        if (wide > static_cast<std::uint64_t>(INT64_MAX))
            return fail(Fault::out_of_range, "GGUF key {}: expected {} to {}, saw {}", key, min, max, wide);
        n = static_cast<std::int64_t>(wide);
    } else {
        return fail(wrong(key, "an integer", value));
    }
    if (n < min || n > max)
        return fail(Fault::out_of_range, "GGUF key {}: expected {} to {}, saw {}", key, min, max, n);
    return n;
}

Result<double> Gguf::number(std::string_view key) const {
    const GgufValue* value = find_key(key);
    const auto* scalar = value == nullptr ? nullptr : std::get_if<GgufScalar>(&value->value);
    if (scalar != nullptr) {
        if (const auto* real = std::get_if<double>(scalar)) return *real;
        if (const auto* wide = std::get_if<std::uint64_t>(scalar)) return static_cast<double>(*wide);
        if (const auto* n = std::get_if<std::int64_t>(scalar)) return static_cast<double>(*n);
    }
    return fail(wrong(key, "a number", value));
}

Result<std::string> Gguf::string(std::string_view key) const {
    const GgufValue* value = find_key(key);
    const auto* scalar = value == nullptr ? nullptr : std::get_if<GgufScalar>(&value->value);
    if (scalar == nullptr || !std::holds_alternative<std::string>(*scalar))
        return fail(wrong(key, "a string", value));
    return std::get<std::string>(*scalar);
}

Result<bool> Gguf::boolean(std::string_view key) const {
    const GgufValue* value = find_key(key);
    const auto* scalar = value == nullptr ? nullptr : std::get_if<GgufScalar>(&value->value);
    if (scalar == nullptr || !std::holds_alternative<bool>(*scalar))
        return fail(wrong(key, "a boolean", value));
    return std::get<bool>(*scalar);
}

Result<const GgufArray*> Gguf::array(std::string_view key) const {
    const GgufValue* value = find_key(key);
    const auto* array = value == nullptr ? nullptr : std::get_if<GgufArray>(&value->value);
    if (array == nullptr) return fail(wrong(key, "an array", value));
    return array;
}

const GgufEntry* Gguf::find(std::string_view name) const {
    const auto at =
        std::lower_bound(by_name_.begin(), by_name_.end(), name,
                         [&](std::uint32_t i, std::string_view n) { return entries_[i].name < n; });
    return at != by_name_.end() && entries_[*at].name == name ? &entries_[*at] : nullptr;
}

TensorView Gguf::view(const GgufEntry& entry) const {
    HEARTH_CHECK(entry.file < parts_.size(), "an entry of this file");
    const auto bytes = bytes_of(entry.dtype, entry.shape.n_elems());
    return {entry.dtype, entry.shape,
            parts_[entry.file].data.subspan(static_cast<std::size_t>(entry.offset),
                                            static_cast<std::size_t>(*bytes))};
}

std::vector<fs::path> Gguf::paths() const {
    std::vector<fs::path> paths;
    for (const Part& part : parts_) paths.push_back(part.file.path());
    return paths;
}

std::uint64_t Gguf::file_bytes() const {
    std::uint64_t bytes = 0;
    for (const Part& part : parts_) bytes += part.bytes;
    return bytes;
}

Status Gguf::sort_by_name(std::string_view where) {
    by_name_.resize(entries_.size());
    for (std::uint32_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
    std::sort(by_name_.begin(), by_name_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return entries_[a].name < entries_[b].name; });
    for (std::size_t i = 1; i < by_name_.size(); ++i)
        if (entries_[by_name_[i]].name == entries_[by_name_[i - 1]].name)
            return fail(Fault::corrupt, "{}: expected each tensor name once, saw {} again", where,
                        entries_[by_name_[i]].name);
    return {};
}

Result<Gguf> Gguf::parse(std::span<const std::byte> bytes, std::string_view where) {
    Gguf gguf;
    HEARTH_TRY_STATUS(gguf.add_part(bytes, where));
    HEARTH_TRY_STATUS(gguf.sort_by_name(where));
    return gguf;
}

Result<Gguf> Gguf::open(const fs::path& path) {
    Gguf gguf;
    HEARTH_TRY(MappedFile file, MappedFile::open(path));
    HEARTH_TRY_STATUS(gguf.add_part(file.bytes(), path.string()));
    gguf.parts_.back().file = std::move(file);
    if (gguf.find_key("split.count") != nullptr) HEARTH_TRY_STATUS(gguf.add_splits(path));
    HEARTH_TRY_STATUS(gguf.sort_by_name(path.string()));
    return gguf;
}

fs::path gguf_split_path(const fs::path& prefix, int part, int n_parts) {
    return fmt::format("{}-{:05}-of-{:05}.gguf", prefix.string(), part + 1, n_parts);
}

Status Gguf::add_splits(const fs::path& first) {
    const std::string where = first.string();
    const auto in_file = [&](Error error) { return error.at(where); };
    HEARTH_TRY(const std::int64_t count, integer("split.count", 0, 65'535).map_error(in_file));
    if (count <= 1) return {};
    HEARTH_TRY(const std::int64_t number, integer("split.no", 0, 65'535).map_error(in_file));
    if (number != 0)
        return fail(Fault::usage, "{}: expected the first part of a split model, saw part {} of {}", where,
                    number + 1, count);
    const std::string suffix = fmt::format("-00001-of-{:05}.gguf", count);
    if (!where.ends_with(suffix))
        return fail(Fault::corrupt,
                    "{}: expected a name that ends in {}, since the file is the first of {} parts", where,
                    suffix, count);
    const fs::path prefix = where.substr(0, where.size() - suffix.size());
    for (int part = 1; part < count; ++part) {
        const fs::path path = gguf_split_path(prefix, part, static_cast<int>(count));
        HEARTH_TRY(MappedFile file, MappedFile::open(path));
        Gguf other;
        HEARTH_TRY_STATUS(other.add_part(file.bytes(), path.string()));
        const auto in_part = [&](Error error) { return error.at(path.string()); };
        HEARTH_TRY(const std::int64_t own_number, other.integer("split.no", part, part).map_error(in_part));
        HEARTH_TRY(const std::int64_t own_count,
                   other.integer("split.count", count, count).map_error(in_part));
        static_cast<void>(own_number + own_count);  // the ranges were the check
        for (GgufEntry& entry : other.entries_) {
            entry.file = static_cast<std::uint32_t>(parts_.size());
            entries_.push_back(std::move(entry));
        }
        parts_.push_back(std::move(other.parts_.back()));
        parts_.back().file = std::move(file);
    }
    if (find_key("split.tensors.count") != nullptr) {
        const auto expected = integer("split.tensors.count", 0, INT64_MAX).map_error(in_file);
        HEARTH_TRY_STATUS(expected.map([](std::int64_t) {}));
        if (static_cast<std::uint64_t>(*expected) != entries_.size())
            return fail(Fault::corrupt, "{}: expected {} tensors in {} parts, saw {}", where, *expected,
                        count, entries_.size());
    }
    return {};
}

}  // namespace hearth::formats
