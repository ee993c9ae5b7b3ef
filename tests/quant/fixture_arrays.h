// tests/quant/fixture_arrays.h - reads tests/fixtures/quant/blocks.{json,bin}, arrays that outside packages
// made.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "material.h"

namespace hearth::tests {

struct FixtureArray {
    std::vector<std::int64_t> shape;
    std::string bytes;
    template <class T>
    [[nodiscard]] std::vector<T> as() const {
        std::vector<T> out(bytes.size() / sizeof(T));
        std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
        return out;
    }
    [[nodiscard]] std::span<const std::byte> raw() const { return std::as_bytes(std::span(bytes)); }
};

inline FixtureArray fixture_array(std::string_view name) {
    static const std::string blob = read_text(fixture("quant/blocks.bin"), 1 << 24).value();
    static const Json index =
        parse_json(read_text(fixture("quant/blocks.json"), 1 << 20).value(), "blocks.json").value();
    const JsonCursor arrays = JsonCursor(index, "blocks.json").at("arrays").value();
    for (std::size_t i = 0; i < arrays.array_size().value(); ++i) {
        const JsonCursor row = arrays.at(i).value();
        if (row.at("name")->string().value() != name) continue;
        FixtureArray array;
        std::int64_t n = 1;
        const JsonCursor shape = row.at("shape").value();
        for (std::size_t d = 0; d < shape.array_size().value(); ++d) {
            array.shape.push_back(shape.at(d)->integer(0, 1 << 24).value());
            n *= array.shape.back();
        }
        const std::string dtype = row.at("dtype")->string().value();
        const int size = dtype == "uint8" ? 1 : dtype == "uint16" ? 2 : 4;
        const auto offset = static_cast<std::size_t>(row.at("offset")->integer(0, 1 << 24).value());
        array.bytes = blob.substr(offset, static_cast<std::size_t>(n * size));
        return array;
    }
    ADD_FAILURE() << "no fixture array " << name;
    return {};
}

// Equal as bits, NaN equal to any NaN.
inline void expect_same_bits(const std::vector<float>& seen, const std::vector<float>& expected) {
    ASSERT_EQ(seen.size(), expected.size());
    for (std::size_t i = 0; i < seen.size(); ++i) {
        if (expected[i] != expected[i]) {
            ASSERT_NE(seen[i], seen[i]) << i;
        } else {
            ASSERT_EQ(seen[i], expected[i]) << i;  // +0 and -0 are the same weight
        }
    }
}

}  // namespace hearth::tests
