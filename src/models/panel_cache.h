// models/panel_cache.h - packed weights kept on disk beside the model, so that the next start maps them
// instead of packing them anew. A safetensors file of bytes (a matrix's panels each), whose metadata say of
// which files and by which code they were made, and the hash of each.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "kernels/pack.h"
#include "models/checkpoint.h"

namespace hearth::models {

// "model.gguf" -> "model.gguf.panels", a folder -> "folder/hearth.panels".
fs::path panel_cache_path(const fs::path& model);

class PanelCache {
  public:
    PanelCache() = default;  // holds nothing: all is packed anew
    // What an earlier start kept. Of other files than these (sizes and times, and where times differ,
    // contents), of other code, or with a byte that changed since: nothing, and the log says why.
    static PanelCache open(const Checkpoint& checkpoint, ThreadPool& pool);

    [[nodiscard]] const kernels::PackedMatrix* find(std::string_view name, std::int64_t rows,
                                                    std::int64_t cols) const;
    [[nodiscard]] std::size_t size() const { return matrices_.size(); }

  private:
    Status read(const Checkpoint& checkpoint, const fs::path& path, ThreadPool& pool);
    formats::Safetensors file_;  // stays mapped
    std::map<std::string, kernels::PackedMatrix, std::less<>> matrices_;
};

struct NamedMatrix {
    std::string name;
    const kernels::PackedMatrix* matrix;
};

struct KeepOptions {
    // Smaller models are packed again in a moment.
    std::uint64_t bytes_min = 256u << 20;
    // Called after each stretch with the bytes written since; false: stop, and leave nothing.
    std::function<bool(std::uint64_t)> go_on = [](std::uint64_t) { return true; };
};
enum class Kept { written, too_small, no_room, stopped };
// Writes them beside the model, whole or not at all. At least as much room stays free as the file takes.
// Errors: io, disk_full (a folder that cannot be written among them).
Result<Kept> keep_panels(const Checkpoint& checkpoint, std::span<const NamedMatrix> matrices,
                         const KeepOptions& options = {});

}  // namespace hearth::models
