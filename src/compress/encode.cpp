// compress/encode.cpp - rows to float32, the format's encoder, and the error of what was written.
#include "compress/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "quant/formats.h"
#include "quant/nvfp4_tensor.h"

namespace hearth::compress {
namespace {

// A matrix as rows; vectors and scalars are one row.
struct Rows {
    const SourceTensor& tensor;
    const quant::BlockFormat* format;
    std::int64_t n_rows, n_cols;
    std::size_t row_bytes;
    models::Fp8Scales scales;  // of FP8

    explicit Rows(const SourceTensor& t)
        : tensor(t),
          format(quant::block_format(t.dtype)),
          n_rows(t.shape.n_rows()),
          n_cols(t.shape.back()),
          row_bytes(static_cast<std::size_t>(n_cols / format->elems * format->bytes)) {
        if (t.dtype == DType::f8_e4m3 && t.scales) scales = models::scale_numbers(*t.scales, t.scale_block);
    }

    void read(std::int64_t row, std::span<float> out) const {
        const auto bytes = tensor.view.bytes.subspan(static_cast<std::size_t>(row) * row_bytes, row_bytes);
        format->decode_row(bytes.data(), out.data(), n_cols);
        if (!scales.values.empty())
            models::multiply_row(scales, tensor.shape, row, out.first(static_cast<std::size_t>(n_cols)));
    }
};

std::int64_t source_row(const RowOrder& order, std::int64_t row) {
    return order.empty() ? row : order[static_cast<std::size_t>(row)];
}

double squares(std::span<const float> row) {
    double sum = 0;
    for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
    return sum;
}

// Threads get whole chunks of this many rows, so that sums by chunk do not depend on their number.
constexpr std::int64_t kRowsTogether = 16;

// Sums of parts are added in order, so that the threads' number does not show.
double sum_of(const std::vector<double>& parts) {
    double sum = 0;
    for (const double part : parts) sum += part;
    return sum;
}

Error not_finite(const SourceTensor& tensor) {
    return {Fault::corrupt, fmt::format("{}: expected finite weights, saw an infinity or NaN", tensor.name)};
}

}  // namespace

Result<float> largest_magnitude(ThreadPool& pool, const SourceTensor& tensor) {
    const Rows rows(tensor);
    std::vector<float> most(static_cast<std::size_t>(rows.n_rows));
    pool.split(rows.n_rows, 16, [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> row(static_cast<std::size_t>(rows.n_cols));
        for (std::int64_t r = begin; r < end; ++r) {
            rows.read(r, row);
            most[static_cast<std::size_t>(r)] = quant::largest_magnitude(row);
        }
    });
    const float amax = quant::largest_magnitude(most);
    if (!std::isfinite(amax)) return fail(not_finite(tensor));
    return amax;
}

Encoded encode_nvfp4(ThreadPool& pool, const SourceTensor& tensor, float tensor_scale,
                     const RowOrder& order) {
    const Rows rows(tensor);
    const auto n_rows = static_cast<std::size_t>(rows.n_rows), n_cols = static_cast<std::size_t>(rows.n_cols);
    Encoded out;
    out.bytes.resize(n_rows * n_cols / 2);
    out.scales.resize(n_rows * n_cols / quant::kNvfp4Group);
    // Several rows at once: the encoder works on 64 groups side by side, short rows alone would leave it
    // idle.
    const auto n_chunks = static_cast<std::size_t>((rows.n_rows + kRowsTogether - 1) / kRowsTogether);
    std::vector<double> errors(n_chunks), sums(n_chunks);
    pool.split(rows.n_rows, kRowsTogether, [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> chunk(static_cast<std::size_t>(kRowsTogether) * n_cols);
        for (std::int64_t first = begin; first < end; first += kRowsTogether) {
            const std::int64_t n = std::min(kRowsTogether, end - first);
            for (std::int64_t r = 0; r < n; ++r)
                rows.read(source_row(order, first + r),
                          std::span(chunk).subspan(static_cast<std::size_t>(r) * n_cols));
            const auto at = static_cast<std::size_t>(first),
                       index = static_cast<std::size_t>(first / kRowsTogether);
            auto* codes = reinterpret_cast<std::uint8_t*>(out.bytes.data()) + at * n_cols / 2;
            errors[index] = quant::nvfp4_encode_rows(chunk.data(), n, rows.n_cols, tensor_scale,
                                                     quant::ScaleChoice::squared_error, codes,
                                                     out.scales.data() + at * n_cols / quant::kNvfp4Group);
            sums[index] = squares(std::span(chunk).first(static_cast<std::size_t>(n) * n_cols));
        }
    });
    out.squared_error = sum_of(errors);
    out.squared_sum = sum_of(sums);
    return out;
}

Result<Encoded> encode_blocks(ThreadPool& pool, const SourceTensor& tensor, DType to, const RowOrder& order) {
    const Rows rows(tensor);
    const quant::BlockFormat* format = quant::block_format(to);
    HEARTH_CHECK(format != nullptr && rows.n_cols % format->elems == 0,
                 "rows are whole blocks of a known format");
    const auto n_rows = static_cast<std::size_t>(rows.n_rows), n_cols = static_cast<std::size_t>(rows.n_cols);
    const std::size_t row_bytes =
        n_cols / static_cast<std::size_t>(format->elems) * static_cast<std::size_t>(format->bytes);
    Encoded out;
    out.bytes.resize(n_rows * row_bytes);
    std::vector<double> errors(n_rows), sums(n_rows);
    pool.split(rows.n_rows, 16, [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> row(n_cols), back(n_cols);
        for (std::int64_t r = begin; r < end; ++r) {
            const auto at = static_cast<std::size_t>(r);
            rows.read(source_row(order, r), row);
            sums[at] = squares(row);
            if (!std::isfinite(quant::largest_magnitude(row))) {
                sums[at] = std::numeric_limits<double>::quiet_NaN();  // reported once, below
                continue;
            }
            std::byte* bytes = out.bytes.data() + at * row_bytes;
            format->encode_row(row.data(), bytes, rows.n_cols);
            format->decode_row(bytes, back.data(), rows.n_cols);
            for (std::size_t i = 0; i < n_cols; ++i) back[i] -= row[i];
            errors[at] = squares(back);
        }
    });
    out.squared_error = sum_of(errors);
    out.squared_sum = sum_of(sums);
    if (std::isnan(out.squared_sum)) return fail(not_finite(tensor));
    if (!std::isfinite(out.squared_error))
        return fail(Fault::unsupported,
                    "{}: expected weights that {} can hold, saw one too large for its scales", tensor.name,
                    info(to).name);
    return out;
}

std::vector<std::byte> reordered(const TensorView& view, const RowOrder& order) {
    const std::size_t row_bytes = view.bytes.size() / order.size();
    std::vector<std::byte> out(view.bytes.size());
    for (std::size_t r = 0; r < order.size(); ++r)
        std::memcpy(out.data() + r * row_bytes,
                    view.bytes.data() + static_cast<std::size_t>(order[r]) * row_bytes, row_bytes);
    return out;
}

Result<Encoded> nvfp4_codes(const SourceTensor& tensor, const RowOrder& order) {
    Encoded out;
    const auto n = static_cast<std::size_t>(tensor.shape.n_elems());
    if (tensor.scales) {
        out.bytes = order.empty() ? std::vector(tensor.view.bytes.begin(), tensor.view.bytes.end())
                                  : reordered(tensor.view, order);
        const auto scales = order.empty()
                                ? std::vector(tensor.scales->bytes.begin(), tensor.scales->bytes.end())
                                : reordered(*tensor.scales, order);
        out.scales.resize(scales.size());
        std::memcpy(out.scales.data(), scales.data(), scales.size());
        return out;
    }
    HEARTH_CHECK(order.empty(), "blocks come from GGUF, whose rows are in GGUF's order already");
    out.bytes.resize(n / 2);
    out.scales.resize(n / quant::kNvfp4Group);
    auto* codes = reinterpret_cast<std::uint8_t*>(out.bytes.data());
    HEARTH_TRY_STATUS(quant::nvfp4_from_gguf(tensor.view.bytes, tensor.shape.n_rows(), tensor.shape.back(),
                                             {codes, out.bytes.size()}, out.scales));
    return out;
}

}  // namespace hearth::compress
