// formats/safetensors_write.cpp - the writer: the header is known before the first byte of data.
#include <boost/json.hpp>

#include "base/json.h"
#include "base/limits.h"
#include "formats/json_keys.h"
#include "formats/safetensors.h"

namespace hearth::formats {

Result<SafetensorsWriter> SafetensorsWriter::create(const fs::path& path, std::vector<Declaration> tensors,
                                                    const std::map<std::string, std::string>& metadata,
                                                    Partial partial) {
    boost::json::object header;
    if (!metadata.empty()) {
        boost::json::object& texts = header["__metadata__"].emplace_object();
        for (const auto& [key, text] : metadata) texts[key] = text;
    }
    std::uint64_t at = 0;
    for (const Declaration& tensor : tensors) {
        const auto bytes = bytes_of(tensor.dtype, tensor.shape.n_elems());
        if (info(tensor.dtype).safetensors.empty() || !bytes)
            return fail(Fault::usage, "{}: tensor {}: safetensors has no type {}", path.string(), tensor.name,
                        info(tensor.dtype).name);
        if (!plain_name(tensor.name) || tensor.name == "__metadata__" || header.contains(tensor.name))
            return fail(Fault::usage, "{}: expected new plain names, saw {}", path.string(), tensor.name);
        boost::json::array dims;
        for (const std::int64_t dim : tensor.shape.dims()) dims.emplace_back(dim);
        boost::json::object entry;
        entry["dtype"] = info(tensor.dtype).safetensors;
        entry["shape"] = std::move(dims);
        entry["data_offsets"] = {at, at + *bytes};
        header[tensor.name] = std::move(entry);
        at += *bytes;
    }
    std::string text = to_json(header);
    // The data starts at a cache line: the reference writer aligns it too, to 8.
    text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');
    if (text.size() > kSafetensorsHeaderBytesMax)
        return fail(Fault::out_of_range, "{}: expected a header of at most {} bytes, saw {}", path.string(),
                    kSafetensorsHeaderBytesMax, text.size());
    HEARTH_TRY(AtomicFile file, AtomicFile::create(path, partial));
    const std::uint64_t header_bytes = text.size();
    HEARTH_TRY_STATUS(file.write(std::as_bytes(std::span(&header_bytes, 1))));
    HEARTH_TRY_STATUS(file.write(text));
    return SafetensorsWriter(std::move(file), at);
}

Status SafetensorsWriter::append(std::span<const std::byte> bytes) {
    if (bytes.size() > left_)
        return fail(Fault::internal, "expected at most {} more bytes of tensors, saw {}", left_,
                    bytes.size());
    left_ -= bytes.size();
    return file_.write(bytes);
}

Result<bool> SafetensorsWriter::keep(std::uint64_t n, std::string_view hash) {
    if (n > left_) return false;
    HEARTH_TRY(const bool kept, file_.keep(n, hash));
    if (kept) left_ -= n;
    return kept;
}

Status SafetensorsWriter::commit() {
    if (left_ != 0) return fail(Fault::internal, "expected {} more bytes of tensors, saw the end", left_);
    return file_.commit();
}

}  // namespace hearth::formats
