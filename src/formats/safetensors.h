// formats/safetensors.h - safetensors files, single or sharded: a reader that trusts nothing and a writer
// that streams. Source: the format's README (huggingface/safetensors): u64 header length, JSON header, then
// the data.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/view.h"

namespace hearth::formats {

struct SafetensorsEntry {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    std::uint64_t begin = 0, end = 0;  // bytes in the data section of its file
    std::uint32_t file = 0;            // which shard
};

// A checkpoint's tensors: one file, or the shards that an index names. Views stay valid as long as this
// lives.
class Safetensors {
  public:
    // `path`: a .safetensors file, an index (*.safetensors.index.json), or a folder that holds
    // model.safetensors or an index. Errors: not_found, corrupt (where and what), unsupported (a dtype nobody
    // here knows).
    static Result<Safetensors> open(const fs::path& path);

    // For tests and fuzzing: one file's bytes in memory; views point into them.
    static Result<Safetensors> parse(std::span<const std::byte> bytes, std::string_view where);

    [[nodiscard]] std::span<const SafetensorsEntry> entries() const { return entries_; }  // by name
    [[nodiscard]] const SafetensorsEntry* find(std::string_view name) const;
    // The bytes lie where the file has them: they may not be aligned for the element type.
    [[nodiscard]] TensorView view(const SafetensorsEntry& entry) const;
    [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
    [[nodiscard]] std::uint64_t file_bytes() const;
    [[nodiscard]] std::span<const MappedFile> files() const { return files_; }

  private:
    static Result<Safetensors> open_index(const fs::path& path);
    Status add_file(const fs::path& path);
    Status add_bytes(std::span<const std::byte> bytes, std::string_view where);
    Status sort_by_name();
    std::vector<MappedFile> files_;                 // empty when parsed from memory
    std::vector<std::span<const std::byte>> data_;  // the data section of each file
    std::vector<SafetensorsEntry> entries_;
    std::map<std::string, std::string> metadata_;
};

// Writes one file: declare every tensor, then append their bytes in the same order. Nothing is visible under
// the file's name before `commit`. Errors: disk_full, io, internal (bytes that do not fit the declaration).
class SafetensorsWriter {
  public:
    struct Declaration {
        std::string name;
        DType dtype;
        Shape shape;
    };
    static Result<SafetensorsWriter> create(const fs::path& path, std::vector<Declaration> tensors,
                                            const std::map<std::string, std::string>& metadata,
                                            Partial partial = Partial::fresh);
    Status append(std::span<const std::byte> bytes);            // any split of the declared bytes
    Result<bool> keep(std::uint64_t n, std::string_view hash);  // instead of appending: see AtomicFile::keep
    Status settle() { return file_.settle(); }                  // see AtomicFile::settle
    Status commit();

  private:
    SafetensorsWriter(AtomicFile file, std::uint64_t data_bytes)
        : file_(std::move(file)), left_(data_bytes) {}
    AtomicFile file_;
    std::uint64_t left_;
};

}  // namespace hearth::formats
