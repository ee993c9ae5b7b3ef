// formats/npy.h - writes a float32 matrix as a NumPy .npy file, row by row. Source: NEP 1, version 1.0.
#pragma once

#include <span>

#include "base/file.h"

namespace hearth::formats {

class NpyWriter {
  public:
    // Errors: disk_full, io.
    static Result<NpyWriter> create(const fs::path& path, std::int64_t n_rows, std::int64_t n_cols);
    Status append(std::span<const float> values);  // row-major, any split
    Status commit();  // Errors: internal (not as many values as declared), disk_full, io

  private:
    NpyWriter(AtomicFile file, std::uint64_t values) : file_(std::move(file)), left_(values) {}
    AtomicFile file_;
    std::uint64_t left_;
};

}  // namespace hearth::formats
