// formats/gguf_parse.cpp - one GGUF file's bytes to keys and tensors. Every count is held against the bytes
// that are left before memory is taken for it.
#include <algorithm>
#include <bit>
#include <cstring>

#include "base/limits.h"
#include "formats/gguf.h"
#include "formats/json_keys.h"

namespace hearth::formats {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the reader copies little-endian numbers as they are");

constexpr std::uint64_t kPairBytesMin = 8 + 4 + 1;        // an empty key, a type, a one-byte value
constexpr std::uint64_t kTensorBytesMin = 8 + 4 + 4 + 8;  // an empty name, no dimensions, a type, an offset
constexpr std::uint32_t kGgufDimsMax = 4;                 // ggml's GGML_MAX_DIMS
constexpr std::int32_t kTypeCount = static_cast<std::int32_t>(GgufType::f64) + 1;

// Bytes of a number; 0 for strings and arrays.
std::uint64_t size_of(GgufType type) {
    constexpr std::uint8_t kSizes[kTypeCount] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return kSizes[static_cast<std::size_t>(type)];
}

// Walks the bytes; each read fails with the place when they run out.
class Cursor {
  public:
    Cursor(std::span<const std::byte> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

    [[nodiscard]] std::uint64_t at() const { return at_; }
    [[nodiscard]] std::uint64_t left() const { return bytes_.size() - at_; }
    [[nodiscard]] std::string place() const { return fmt::format("{}: byte {}", where_, at_); }

    Result<std::span<const std::byte>> take(std::uint64_t n, std::string_view what) {
        if (n > left())
            return fail(Fault::corrupt, "{}: expected {} bytes of {}, saw {}", place(), n, what, left());
        const auto taken = bytes_.subspan(static_cast<std::size_t>(at_), static_cast<std::size_t>(n));
        at_ += n;
        return taken;
    }
    template <class T>
    Result<T> number(std::string_view what) {
        HEARTH_TRY(const auto raw, take(sizeof(T), what));
        T value;
        std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }
    Result<std::string> string(std::uint64_t bytes_max, std::string_view what) {
        const std::string from = place();
        HEARTH_TRY(const auto length, number<std::uint64_t>(what));
        if (length > bytes_max || length > left())
            return fail(Fault::corrupt, "{}: expected a {} of at most {} bytes, saw {}", from, what,
                        std::min(bytes_max, left()), length);
        HEARTH_TRY(const auto raw, take(length, what));
        return std::string(reinterpret_cast<const char*>(raw.data()), raw.size());
    }

  private:
    std::span<const std::byte> bytes_;
    std::string_view where_;
    std::uint64_t at_ = 0;
};

Result<GgufType> read_type(Cursor& in, std::string_view key) {
    const std::string from = in.place();
    HEARTH_TRY(const auto type, in.number<std::int32_t>("a value's type"));
    if (type < 0 || type >= kTypeCount)
        return fail(Fault::corrupt, "{}: key {}: expected a type from 0 to {}, saw {}", from, key,
                    kTypeCount - 1, type);
    return static_cast<GgufType>(type);
}

Result<GgufScalar> read_scalar(Cursor& in, GgufType type, std::string_view key) {
    const auto widened = [](auto value) { return GgufScalar(value); };
    switch (type) {
        case GgufType::u8:
            return in.number<std::uint8_t>(key).map([&](auto v) { return widened(std::uint64_t{v}); });
        case GgufType::i8:
            return in.number<std::int8_t>(key).map([&](auto v) { return widened(std::int64_t{v}); });
        case GgufType::u16:
            return in.number<std::uint16_t>(key).map([&](auto v) { return widened(std::uint64_t{v}); });
        case GgufType::i16:
            return in.number<std::int16_t>(key).map([&](auto v) { return widened(std::int64_t{v}); });
        case GgufType::u32:
            return in.number<std::uint32_t>(key).map([&](auto v) { return widened(std::uint64_t{v}); });
        case GgufType::i32:
            return in.number<std::int32_t>(key).map([&](auto v) { return widened(std::int64_t{v}); });
        case GgufType::f32:
            return in.number<float>(key).map([&](auto v) { return widened(double{v}); });
        case GgufType::u64:
            return in.number<std::uint64_t>(key).map(widened);
        case GgufType::i64:
            return in.number<std::int64_t>(key).map(widened);
        case GgufType::f64:
            return in.number<double>(key).map(widened);
        case GgufType::string:
            return in.string(kGgufStringBytesMax, key).map([](std::string v) {
                return GgufScalar(std::move(v));
            });
        case GgufType::boolean: {
            const std::string from = in.place();
            HEARTH_TRY(const auto v, in.number<std::uint8_t>(key));
            if (v > 1) return fail(Fault::corrupt, "{}: key {}: expected 0 or 1, saw {}", from, key, v);
            return GgufScalar(v == 1);
        }
        case GgufType::array:
            break;
    }
    return fail(Fault::internal, "a scalar is no array");
}

Result<GgufArray> read_array(Cursor& in, std::string_view key) {
    GgufArray array;
    HEARTH_TRY(array.type, read_type(in, key));
    const std::string from = in.place();
    if (array.type == GgufType::array)
        return fail(Fault::unsupported, "{}: key {}: expected plain elements, saw arrays in an array", from,
                    key);
    HEARTH_TRY(array.n, in.number<std::uint64_t>("an array's length"));
    const std::uint64_t bytes_each = array.type == GgufType::string ? 8 : size_of(array.type);
    if (array.n > kGgufArrayElemsMax || array.n > in.left() / bytes_each)
        return fail(Fault::corrupt, "{}: key {}: expected at most {} elements, saw {}", from, key,
                    std::min(kGgufArrayElemsMax, in.left() / bytes_each), array.n);
    if (array.type == GgufType::string) {
        array.strings.reserve(static_cast<std::size_t>(array.n));
        for (std::uint64_t i = 0; i < array.n; ++i) {
            HEARTH_TRY(std::string text, in.string(kGgufStringBytesMax, key));
            array.strings.push_back(std::move(text));
        }
        return array;
    }
    HEARTH_TRY(const auto raw, in.take(array.n * bytes_each, key));
    array.raw.assign(raw.begin(), raw.end());
    if (array.type == GgufType::boolean)
        for (const std::byte b : raw)
            if (b > std::byte{1})
                return fail(Fault::corrupt, "{}: key {}: expected 0 or 1 in each element, saw {}", from, key,
                            static_cast<int>(b));
    return array;
}

Result<GgufPair> read_pair(Cursor& in) {
    const std::string from = in.place();
    GgufPair pair;
    HEARTH_TRY(pair.key, in.string(kGgufKeyBytesMax, "key"));
    if (!plain_name(pair.key))
        return fail(Fault::corrupt, "{}: expected a key without control characters, saw one of {} bytes",
                    from, pair.key.size());
    HEARTH_TRY(pair.value.type, read_type(in, pair.key));
    if (pair.value.type == GgufType::array) {
        HEARTH_TRY(pair.value.value, read_array(in, pair.key));
    } else {
        HEARTH_TRY(pair.value.value, read_scalar(in, pair.value.type, pair.key));
    }
    return pair;
}

Result<GgufEntry> read_entry(Cursor& in, std::uint64_t alignment) {
    const std::string from = in.place();
    GgufEntry entry;
    HEARTH_TRY(entry.name, in.string(kGgufNameBytesMax, "tensor name"));
    if (!plain_name(entry.name))
        return fail(Fault::corrupt,
                    "{}: expected a tensor name without control characters, saw one of {} bytes", from,
                    entry.name.size());
    HEARTH_TRY(const auto n_dims, in.number<std::uint32_t>("a tensor's dimensions"));
    if (n_dims > kGgufDimsMax)
        return fail(Fault::corrupt, "{}: tensor {}: expected at most {} dimensions, saw {}", from, entry.name,
                    kGgufDimsMax, n_dims);
    std::vector<std::int64_t> dims(n_dims);
    for (std::uint32_t i = 0; i < n_dims; ++i) {  // ne[0] is the contiguous one: ours is the last
        HEARTH_TRY(dims[n_dims - 1 - i], in.number<std::int64_t>("a tensor's dimension"));
    }
    HEARTH_TRY(const auto type, in.number<std::int32_t>("a tensor's type"));
    HEARTH_TRY(entry.offset, in.number<std::uint64_t>("a tensor's offset"));
    const auto dtype = dtype_from_gguf(type);
    if (!dtype)
        return fail(Fault::unsupported, "{}: tensor {}: expected a known type, saw number {}", from,
                    entry.name, type);
    entry.dtype = *dtype;
    const auto shape = Shape::make(dims);
    if (!shape)
        return fail(Fault::corrupt, "{}: tensor {}: expected dimensions whose product fits 63 bits, saw [{}]",
                    from, entry.name, fmt::join(dims, ", "));
    entry.shape = *shape;
    const int block = info(entry.dtype).block_elems;
    if (entry.shape.back() % block != 0 || !bytes_of(entry.dtype, entry.shape.n_elems()))
        return fail(Fault::corrupt,
                    "{}: tensor {}: expected rows of a multiple of {} elements for {}, saw {}", from,
                    entry.name, block, info(entry.dtype).name, entry.shape.text());
    if (entry.offset % alignment != 0)
        return fail(Fault::corrupt, "{}: tensor {}: expected an offset that is a multiple of {}, saw {}",
                    from, entry.name, alignment, entry.offset);
    return entry;
}

Result<std::uint64_t> read_head(Cursor& in, std::uint64_t& n_pairs) {
    HEARTH_TRY(const auto magic, in.take(4, "magic"));
    if (std::memcmp(magic.data(), "GGUF", 4) != 0)
        return fail(Fault::corrupt, "{}: expected the magic \"GGUF\", saw other bytes", in.place());
    HEARTH_TRY(const auto version, in.number<std::uint32_t>("version"));
    if (version == __builtin_bswap32(2) || version == __builtin_bswap32(3))
        return fail(Fault::unsupported, "{}: expected a little-endian file, saw a big-endian one",
                    in.place());
    if (version != 2 && version != 3)
        return fail(Fault::unsupported, "{}: expected GGUF version 2 or 3, saw {}", in.place(), version);
    std::string from = in.place();
    HEARTH_TRY(const auto n_tensors, in.number<std::uint64_t>("the number of tensors"));
    if (n_tensors > in.left() / kTensorBytesMin)
        return fail(Fault::corrupt, "{}: expected at most {} tensors in the bytes left, saw {}", from,
                    in.left() / kTensorBytesMin, n_tensors);
    from = in.place();
    HEARTH_TRY(n_pairs, in.number<std::uint64_t>("the number of keys"));
    if (n_pairs > in.left() / kPairBytesMin)
        return fail(Fault::corrupt, "{}: expected at most {} keys in the bytes left, saw {}", from,
                    in.left() / kPairBytesMin, n_pairs);
    return n_tensors;
}

Status check_keys(std::span<const GgufPair> pairs, std::string_view where) {
    std::vector<std::string_view> keys;
    for (const GgufPair& pair : pairs) keys.push_back(pair.key);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end())
        return fail(Fault::corrupt, "{}: expected each key once, saw {} again", where, twice->substr(0, 200));
    return {};
}

Result<std::uint64_t> read_alignment(std::span<const GgufPair> pairs, std::string_view where) {
    for (const GgufPair& pair : pairs) {
        if (pair.key != "general.alignment") continue;
        if (pair.value.type != GgufType::u32)
            return fail(Fault::corrupt, "{}: general.alignment: expected type 4 (u32), saw {}", where,
                        static_cast<std::int32_t>(pair.value.type));
        const std::uint64_t alignment = std::get<std::uint64_t>(std::get<GgufScalar>(pair.value.value));
        if (!std::has_single_bit(alignment) || alignment > kGgufAlignmentMax)
            return fail(Fault::corrupt, "{}: general.alignment: expected a power of two up to {}, saw {}",
                        where, kGgufAlignmentMax, alignment);
        return alignment;
    }
    return 32;  // the format's default
}

// Tensors lie within the data section and do not overlap; gaps are padding.
Status check_places(std::span<const GgufEntry> entries, std::uint64_t data_bytes, std::string_view where) {
    std::vector<const GgufEntry*> order;
    for (const GgufEntry& entry : entries) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
    std::uint64_t free_from = 0;
    for (const GgufEntry* entry : order) {
        const std::uint64_t bytes = *bytes_of(entry->dtype, entry->shape.n_elems());
        if (entry->offset > data_bytes || bytes > data_bytes - entry->offset)
            return fail(Fault::corrupt,
                        "{}: tensor {}: expected its {} bytes at {} within the {} bytes of data", where,
                        entry->name, bytes, entry->offset, data_bytes);
        if (bytes == 0) continue;
        if (entry->offset < free_from)
            return fail(Fault::corrupt,
                        "{}: tensor {}: expected its data from byte {} on, saw {}, inside another tensor",
                        where, entry->name, free_from, entry->offset);
        free_from = entry->offset + bytes;
    }
    return {};
}

}  // namespace

Status Gguf::add_part(std::span<const std::byte> bytes, std::string_view where) {
    Cursor in(bytes, where);
    std::uint64_t n_pairs = 0;
    HEARTH_TRY(const std::uint64_t n_tensors, read_head(in, n_pairs));
    for (std::uint64_t i = 0; i < n_pairs; ++i) {
        HEARTH_TRY(GgufPair pair, read_pair(in));
        metadata_.push_back(std::move(pair));
    }
    HEARTH_TRY_STATUS(check_keys(metadata_, where));
    HEARTH_TRY(const std::uint64_t alignment, read_alignment(metadata_, where));
    for (std::uint64_t i = 0; i < n_tensors; ++i) {
        HEARTH_TRY(GgufEntry entry, read_entry(in, alignment));
        entries_.push_back(std::move(entry));
    }
    // A vocabulary without tensors may end before the padding.
    const std::uint64_t begin =
        std::min<std::uint64_t>((in.at() + alignment - 1) / alignment * alignment, bytes.size());
    Part part;
    part.data = bytes.subspan(static_cast<std::size_t>(begin));
    part.bytes = bytes.size();
    HEARTH_TRY_STATUS(check_places(entries_, part.data.size(), where));
    parts_.push_back(std::move(part));
    return {};
}

}  // namespace hearth::formats
