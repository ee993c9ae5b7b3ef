// tests/formats/hostile.h - what the format tests share: edge numbers, a folder that goes away, whole files.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"
#include "material.h"

namespace hearth::tests {

// Each length, count, offset and dimension is tried with these (and each test adds what is special to it).
inline constexpr std::uint64_t kEdges[] = {
    0,          1,          (1ull << 31) - 1, 1ull << 31, (1ull << 32) - 1, 1ull << 32,
    1ull << 61, 1ull << 62, (1ull << 63) - 1, 1ull << 63, ~0ull - 7,        ~0ull};

class TempFolder {
  public:
    TempFolder() {
        std::string name = (fs::temp_directory_path() / "hearth-test-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

inline std::string read_bytes(const fs::path& path) { return read_text(path, 1u << 30).value(); }

}  // namespace hearth::tests
