// tests/material.h - where tests find their material: fixtures of this tree, and optional material beside it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

namespace hearth::tests {

inline std::filesystem::path source_dir() { return HEARTH_SOURCE_DIR; }
// tests/fixtures/NAME: small files kept in this tree, each with a note of what made it.
inline std::filesystem::path fixture(const char* name) { return source_dir() / "tests" / "fixtures" / name; }
// ../shared: bigger material that a checkout may lack. Use HEARTH_NEEDS_SHARED first.
inline std::filesystem::path shared(const char* name) { return source_dir().parent_path() / "shared" / name; }

}  // namespace hearth::tests

#define HEARTH_NEEDS_SHARED(name)                                \
    if (!std::filesystem::exists(::hearth::tests::shared(name))) \
    GTEST_SKIP() << "needs " << ::hearth::tests::shared(name) << ", which this checkout lacks"

// ASSERT_OK(result): fails with the error's message.
#define ASSERT_OK(expression)                                                      \
    do {                                                                           \
        const auto& hearth_result_ = (expression);                                 \
        ASSERT_TRUE(hearth_result_.has_value()) << hearth_result_.error().message; \
    } while (false)
#define EXPECT_OK(expression)                                                      \
    do {                                                                           \
        const auto& hearth_result_ = (expression);                                 \
        EXPECT_TRUE(hearth_result_.has_value()) << hearth_result_.error().message; \
    } while (false)
