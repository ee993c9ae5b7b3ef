// formats/gguf_write.cpp - the writer: offsets follow from the declarations, so the header goes out first.
#include <algorithm>
#include <bit>
#include <set>

#include "base/check.h"
#include "base/limits.h"
#include "formats/gguf.h"
#include "formats/json_keys.h"

namespace hearth::formats {
namespace {

constexpr std::size_t kNameBytesMax = 63;  // ggml's GGML_MAX_NAME less its final NUL

template <class T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_string(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint64_t>(text.size()));
    out += text;
}

void put_scalar(std::string& out, GgufType type, const GgufScalar& scalar) {
    const auto whole = [&]() -> std::uint64_t {
        if (const auto* wide = std::get_if<std::uint64_t>(&scalar)) return *wide;
        return static_cast<std::uint64_t>(std::get<std::int64_t>(scalar));
    };
    switch (type) {
        case GgufType::u8:
        case GgufType::i8:
            return put(out, static_cast<std::uint8_t>(whole()));
        case GgufType::u16:
        case GgufType::i16:
            return put(out, static_cast<std::uint16_t>(whole()));
        case GgufType::u32:
        case GgufType::i32:
            return put(out, static_cast<std::uint32_t>(whole()));
        case GgufType::u64:
        case GgufType::i64:
            return put(out, whole());
        case GgufType::f32:
            return put(out, static_cast<float>(std::get<double>(scalar)));
        case GgufType::f64:
            return put(out, std::get<double>(scalar));
        case GgufType::boolean:
            return put(out, static_cast<std::uint8_t>(std::get<bool>(scalar) ? 1 : 0));
        case GgufType::string:
            return put_string(out, std::get<std::string>(scalar));
        case GgufType::array:
            break;
    }
    HEARTH_CHECK(false, "a scalar is no array");
}

void put_pair(std::string& out, const GgufPair& pair) {
    put_string(out, pair.key);
    put(out, static_cast<std::int32_t>(pair.value.type));
    if (pair.value.type != GgufType::array) {
        put_scalar(out, pair.value.type, std::get<GgufScalar>(pair.value.value));
        return;
    }
    const GgufArray& array = std::get<GgufArray>(pair.value.value);
    put(out, static_cast<std::int32_t>(array.type));
    put(out, array.n);
    for (const std::string& text : array.strings) put_string(out, text);
    out.append(reinterpret_cast<const char*>(array.raw.data()), array.raw.size());
}

Status check(const GgufWriter::Declaration& tensor) {
    const DTypeInfo& type = info(tensor.dtype);
    if (!plain_name(tensor.name) || tensor.name.size() > kNameBytesMax)
        return fail(Fault::usage, "tensor {}: expected a name of 1 to {} bytes, saw {}", tensor.name,
                    kNameBytesMax, tensor.name.size());
    if (type.gguf_id < 0) return fail(Fault::usage, "tensor {}: GGUF has no type {}", tensor.name, type.name);
    if (tensor.shape.rank() > 4)
        return fail(Fault::usage, "tensor {}: expected at most 4 dimensions, saw {}", tensor.name,
                    tensor.shape.rank());
    if (tensor.shape.back() % type.block_elems != 0)
        return fail(Fault::usage, "tensor {}: expected rows of a multiple of {} elements for {}, saw {}",
                    tensor.name, type.block_elems, type.name, tensor.shape.text());
    return {};
}

std::uint64_t padded(std::uint64_t bytes, std::uint64_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

GgufWriter::GgufWriter(AtomicFile file, std::vector<Declaration> tensors, std::uint32_t alignment)
    : file_(std::move(file)), tensors_(std::move(tensors)), alignment_(alignment) {}

Result<GgufWriter> GgufWriter::create(const fs::path& path, std::span<const GgufPair> metadata,
                                      std::vector<Declaration> tensors, std::uint32_t alignment,
                                      Partial partial) {
    if (!std::has_single_bit(alignment) || alignment > kGgufAlignmentMax)
        return fail(Fault::usage, "{}: expected an alignment that is a power of two up to {}, saw {}",
                    path.string(), kGgufAlignmentMax, alignment);
    std::vector<GgufPair> pairs(metadata.begin(), metadata.end());
    std::erase_if(pairs, [](const GgufPair& pair) { return pair.key == "general.alignment"; });
    if (alignment != 32) pairs.push_back({"general.alignment", GgufValue::u32(alignment)});
    std::set<std::string_view> seen;
    for (const GgufPair& pair : pairs)
        if (!plain_name(pair.key) || !seen.insert(pair.key).second)
            return fail(Fault::usage, "{}: expected new plain keys, saw {}", path.string(), pair.key);

    std::string head("GGUF");
    put(head, std::uint32_t{3});
    put(head, static_cast<std::uint64_t>(tensors.size()));
    put(head, static_cast<std::uint64_t>(pairs.size()));
    for (const GgufPair& pair : pairs) put_pair(head, pair);
    seen.clear();
    std::uint64_t offset = 0;
    for (const Declaration& tensor : tensors) {
        HEARTH_TRY_STATUS(check(tensor).map_error([&](Error error) { return error.at(path.string()); }));
        if (!seen.insert(tensor.name).second)
            return fail(Fault::usage, "{}: expected each tensor once, saw {} again", path.string(),
                        tensor.name);
        put_string(head, tensor.name);
        put(head, static_cast<std::uint32_t>(tensor.shape.rank()));
        for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis) put(head, tensor.shape[axis]);
        put(head, static_cast<std::int32_t>(info(tensor.dtype).gguf_id));
        put(head, offset);
        offset += padded(*bytes_of(tensor.dtype, tensor.shape.n_elems()), alignment);
    }
    head.resize(static_cast<std::size_t>(padded(head.size(), alignment)), '\0');
    HEARTH_TRY(AtomicFile file, AtomicFile::create(path, partial));
    HEARTH_TRY_STATUS(file.write(head));
    GgufWriter writer(std::move(file), std::move(tensors), alignment);
    if (!writer.tensors_.empty())
        writer.left_ = *bytes_of(writer.tensors_[0].dtype, writer.tensors_[0].shape.n_elems());
    HEARTH_TRY_STATUS(writer.close_tensor());
    return writer;
}

Status GgufWriter::close_tensor() {
    while (at_ < tensors_.size() && left_ == 0) {
        const std::uint64_t end = file_.bytes_written();  // the head's size is a multiple of the alignment
        const std::string padding(static_cast<std::size_t>(padded(end, alignment_) - end), '\0');
        HEARTH_TRY_STATUS(file_.write(padding));
        ++at_;
        if (at_ < tensors_.size()) left_ = *bytes_of(tensors_[at_].dtype, tensors_[at_].shape.n_elems());
    }
    return {};
}

Status GgufWriter::append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return {};
    if (bytes.size() > left_)
        return fail(Fault::internal, "tensor {}: expected at most {} more bytes, saw {}",
                    at_ < tensors_.size() ? tensors_[at_].name : "past the last", left_, bytes.size());
    HEARTH_TRY_STATUS(file_.write(bytes));
    left_ -= bytes.size();
    return close_tensor();
}

Result<bool> GgufWriter::keep(std::uint64_t n, std::string_view hash) {
    if (n == 0 || n > left_) return false;
    HEARTH_TRY(const bool kept, file_.keep(n, hash));
    if (!kept) return false;
    left_ -= n;
    HEARTH_TRY_STATUS(close_tensor());
    return true;
}

Status GgufWriter::commit() {
    if (at_ < tensors_.size())
        return fail(Fault::internal, "tensor {}: expected {} more bytes, saw the end", tensors_[at_].name,
                    left_);
    return file_.commit();
}

}  // namespace hearth::formats
