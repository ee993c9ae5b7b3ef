// tests/base/exit_codes_test.cpp - docs/exit-codes.md says what the table of result.cpp does.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/result.h"
#include "material.h"

namespace hearth {
namespace {

TEST(ExitCodes, ThePageHoldsEveryRowOfTheTable) {
    const auto page = read_text(tests::source_dir() / "docs/exit-codes.md", 1 << 20);
    ASSERT_OK(page);
    for (int f = 0; f <= static_cast<int>(Fault::internal); ++f) {
        const FaultInfo& row = info(static_cast<Fault>(f));
        const std::string want = fmt::format("| {} | `{}` |", row.exit_code, row.name);
        EXPECT_NE(page->find(want), std::string::npos) << want;
    }
}

}  // namespace
}  // namespace hearth
