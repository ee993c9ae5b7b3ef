// formats/npy.cpp - magic, version, a Python literal padded so that the data starts at a multiple of 64.
#include "formats/npy.h"

#include "base/check.h"

namespace hearth::formats {

Result<NpyWriter> NpyWriter::create(const fs::path& path, std::int64_t n_rows, std::int64_t n_cols) {
    HEARTH_CHECK(n_rows >= 0 && n_cols >= 0, "a matrix has no negative sides");
    std::string literal =
        fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", n_rows, n_cols);
    const std::size_t prefix = 10;  // 6 of magic, 2 of version, 2 of length
    literal.resize((prefix + literal.size() + 1 + 63) / 64 * 64 - prefix - 1, ' ');
    literal += '\n';
    std::string head("\x93NUMPY\x01\x00", 8);
    head += static_cast<char>(literal.size() & 0xFF);
    head += static_cast<char>(literal.size() >> 8);
    HEARTH_TRY(AtomicFile file, AtomicFile::create(path));
    HEARTH_TRY_STATUS(file.write(head + literal));
    return NpyWriter(std::move(file),
                     static_cast<std::uint64_t>(n_rows) * static_cast<std::uint64_t>(n_cols));
}

Status NpyWriter::append(std::span<const float> values) {
    if (values.size() > left_)
        return fail(Fault::internal, "expected at most {} more values, saw {}", left_, values.size());
    left_ -= values.size();
    return file_.write(std::as_bytes(values));
}

Status NpyWriter::commit() {
    if (left_ != 0) return fail(Fault::internal, "expected {} more values, saw the end", left_);
    return file_.commit();
}

}  // namespace hearth::formats
