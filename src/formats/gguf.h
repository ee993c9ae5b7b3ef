// formats/gguf.h - GGUF v3 files, single or split: a reader that trusts nothing and a writer that streams.
// Source: ggml docs/gguf.md; limits as gguf.cpp's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/view.h"

namespace hearth::formats {

enum class GgufType : std::int32_t {
    u8 = 0,
    i8,
    u16,
    i16,
    u32,
    i32,
    f32,
    boolean,
    string,
    array,
    u64,
    i64,
    f64,
};

struct GgufArray;
// Integers widen to 64 bits in memory; `type` keeps what the file says.
using GgufScalar = std::variant<std::uint64_t, std::int64_t, double, bool, std::string>;
struct GgufArray {
    GgufType type = GgufType::u8;
    // One of these, by type: texts for strings, else numbers as raw little-endian bytes of the file.
    std::vector<std::string> strings;
    std::vector<std::byte> raw;
    std::uint64_t n = 0;
    [[nodiscard]] GgufScalar at(std::uint64_t index) const;
};
struct GgufValue {
    GgufType type = GgufType::u8;
    std::variant<GgufScalar, GgufArray> value;
    static GgufValue u32(std::uint32_t v) { return {GgufType::u32, GgufScalar(std::uint64_t{v})}; }
    static GgufValue f32(float v) { return {GgufType::f32, GgufScalar(double{v})}; }
    static GgufValue boolean(bool v) { return {GgufType::boolean, GgufScalar(v)}; }
    static GgufValue string(std::string v) { return {GgufType::string, GgufScalar(std::move(v))}; }
    static GgufValue strings(std::vector<std::string> v);
    static GgufValue i32s(std::span<const std::int32_t> v);
};
struct GgufPair {
    std::string key;
    GgufValue value;
};

struct GgufEntry {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;               // outermost first: GGUF's ne[] reversed
    std::uint64_t offset = 0;  // in the data section of its file
    std::uint32_t file = 0;    // which split
};

class Gguf {
  public:
    // `path`: a .gguf file; the first of a split brings the others. Errors: not_found, corrupt, unsupported.
    static Result<Gguf> open(const fs::path& path);
    // For tests and fuzzing: the same over bytes in memory; views point into them.
    static Result<Gguf> parse(std::span<const std::byte> bytes, std::string_view where);

    [[nodiscard]] std::span<const GgufPair> metadata() const { return metadata_; }
    [[nodiscard]] const GgufValue* find_key(std::string_view key) const;
    // Typed reads. Errors: corrupt (absent or of another type), out_of_range.
    [[nodiscard]] Result<std::int64_t> integer(std::string_view key, std::int64_t min,
                                               std::int64_t max) const;
    [[nodiscard]] Result<double> number(std::string_view key) const;
    [[nodiscard]] Result<std::string> string(std::string_view key) const;
    [[nodiscard]] Result<bool> boolean(std::string_view key) const;
    [[nodiscard]] Result<const GgufArray*> array(std::string_view key) const;

    [[nodiscard]] std::span<const GgufEntry> entries() const { return entries_; }  // in file order
    [[nodiscard]] const GgufEntry* find(std::string_view name) const;
    [[nodiscard]] TensorView view(const GgufEntry& entry) const;
    [[nodiscard]] std::uint64_t file_bytes() const;
    [[nodiscard]] std::vector<fs::path> paths()
        const;  // of the splits, in order; empty ones for parsed bytes

  private:
    struct Part {
        MappedFile file;                  // empty when parsed from memory
        std::span<const std::byte> data;  // the data section
        std::uint64_t bytes = 0;          // of the whole file
    };
    Status add_part(std::span<const std::byte> bytes, std::string_view where);
    Status add_splits(const fs::path& first);
    Status sort_by_name(std::string_view where);
    std::vector<Part> parts_;
    std::vector<GgufPair> metadata_;
    std::vector<GgufEntry> entries_;
    std::vector<std::uint32_t> by_name_;  // indices of entries_, sorted by name
};

// "PREFIX-00002-of-00005.gguf" for part 1 (0-based) of 5. A split's first part carries the metadata; each has
// the keys split.no, split.count (u16) and split.tensors.count (i32).
fs::path gguf_split_path(const fs::path& prefix, int part, int n_parts);

// Declare metadata and tensors, then append the tensors' bytes in order; padding is the writer's.
class GgufWriter {
  public:
    struct Declaration {
        std::string name;
        DType dtype;
        Shape shape;  // outermost first
    };
    // Errors: usage (what GGUF cannot hold: a name over 63 bytes, more than 4 dimensions, a row that is no
    // whole number of blocks, a name or key twice, a type without a GGUF number), disk_full, io.
    static Result<GgufWriter> create(const fs::path& path, std::span<const GgufPair> metadata,
                                     std::vector<Declaration> tensors, std::uint32_t alignment = 32,
                                     Partial partial = Partial::fresh);
    Status append(std::span<const std::byte> bytes);            // any split within a tensor; never across two
    Result<bool> keep(std::uint64_t n, std::string_view hash);  // instead of appending: see AtomicFile::keep
    Status commit();

  private:
    GgufWriter(AtomicFile file, std::vector<Declaration> tensors, std::uint32_t alignment);
    Status close_tensor();  // pads after a finished tensor and steps over empty ones
    AtomicFile file_;
    std::vector<Declaration> tensors_;
    std::uint32_t alignment_;
    std::size_t at_ = 0;      // the tensor being written
    std::uint64_t left_ = 0;  // bytes it still needs
};

}  // namespace hearth::formats
