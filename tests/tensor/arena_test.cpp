// tests/tensor/arena_test.cpp - memory that is aligned, zero, apart from each other, and refused in words.
#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "material.h"

namespace hearth {
namespace {

constexpr std::size_t kHugePage = 2u << 20;

TEST(Arena, GivesAlignedZeroedMemoryThatDoesNotOverlap) {
    Arena arena;
    Philox random(7);
    std::vector<std::span<std::byte>> taken;
    std::uint64_t sum = 0;
    for (int i = 0; i < 400; ++i) {  // from nothing to some 300 KiB, past several blocks
        const auto bytes = static_cast<std::uint64_t>(std::min(12.0, std::fabs(random.normal())) * 100'000);
        const auto span = arena.take_bytes(bytes, "a test");
        ASSERT_OK(span);
        ASSERT_EQ(span->size(), bytes);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(span->data()) % Arena::kAlignment, 0u);
        ASSERT_TRUE(std::all_of(span->begin(), span->end(), [](std::byte b) { return b == std::byte{0}; }));
        std::fill(span->begin(), span->end(), static_cast<std::byte>(i % 250 + 1));
        taken.push_back(*span);
        sum += bytes;
    }
    for (std::size_t i = 0; i < taken.size(); ++i)
        ASSERT_TRUE(std::all_of(taken[i].begin(), taken[i].end(), [&](std::byte b) {
            return b == static_cast<std::byte>(i % 250 + 1);
        })) << i;
    EXPECT_GE(arena.bytes_taken(), sum);
    EXPECT_LT(arena.bytes_taken(), sum + 400 * Arena::kAlignment);
}

TEST(Arena, MatricesLieSideBySideOnBigPages) {
    constexpr std::uint64_t kMatrix = 7u << 20;
    Arena arena;
    std::vector<std::byte*> begins;
    for (int i = 0; i < 64; ++i) {
        const auto span = arena.take_bytes(kMatrix, "a matrix");
        ASSERT_OK(span);
        begins.push_back(span->data());
    }
    int breaks = 1;  // blocks: each begins on a big page
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(begins[0]) % kHugePage, 0u);
    for (std::size_t i = 1; i < begins.size(); ++i) {
        if (begins[i] == begins[i - 1] + kMatrix) continue;
        ++breaks;
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(begins[i]) % kHugePage, 0u) << i;
    }
    EXPECT_LE(breaks, 13);  // 448 MiB in blocks of up to 64 MiB, nine matrices each at last
}

TEST(Arena, RefusesWhatNoMachineHas) {
    Arena arena;
    const auto beyond = arena.take_bytes(std::uint64_t{1} << 60, "a wish");
    ASSERT_FALSE(beyond.has_value());
    EXPECT_NE(beyond.error().message.find("a wish"), std::string::npos);
    const auto overflow = arena.take<float>(~std::uint64_t{0} / 2, "a wish");
    ASSERT_FALSE(overflow.has_value());
    const auto still = arena.take_bytes(100, "something");
    ASSERT_OK(still);
}

}  // namespace
}  // namespace hearth
