// tests/base/file_test.cpp - a file or folder appears whole or not at all, and a full disk says so.
#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "base/hash.h"
#include "material.h"

namespace hearth {
namespace {

class FileTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / fmt::format("hearth-file-test-{}", getpid());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }
    fs::path folder_;
};

TEST_F(FileTest, AnAbandonedFileLeavesNothing) {
    {
        auto file = AtomicFile::create(folder_ / "a");
        ASSERT_OK(file);
        ASSERT_OK(file->write("half"));
    }
    EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(FileTest, ACommittedFileIsWhole) {
    ASSERT_OK(write_whole(folder_ / "a", "whole"));
    EXPECT_EQ(read_text(folder_ / "a", 5).value(), "whole");
    EXPECT_EQ(read_text(folder_ / "a", 4).error().fault, Fault::out_of_range);
    EXPECT_EQ(read_text(folder_ / "b", 4).error().fault, Fault::not_found);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(FileTest, AFullDiskIsReportedAsSuch) {
    if (!fs::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
    EXPECT_EQ(io_error("x", "cannot write", ENOSPC).fault, Fault::disk_full);
}

// What an earlier process left is kept as far as it agrees, and goes no further than what is committed.
TEST_F(FileTest, ResumedFilesKeepWhatAgrees) {
    const auto hash = [](std::string_view text) { return hash_hex(std::as_bytes(std::span(text))); };
    for (const char* left : {"", "ab", "abcdef", "abXdef", "abcdefghijk", "zz"}) {
        ASSERT_OK(write_whole(partial_path(folder_ / "a"), left));
        auto file = AtomicFile::create(folder_ / "a", Partial::resumed);
        ASSERT_OK(file);
        const std::string_view earlier = left;
        ASSERT_OK(file->write("ab"));
        const bool agrees = earlier.starts_with("ab") && earlier.size() >= 5 && earlier.substr(2, 3) == "cde";
        EXPECT_EQ(file->keep(3, hash("cde")).value(), agrees) << left;
        if (!agrees) ASSERT_OK(file->write("cde"));
        EXPECT_EQ(file->keep(1, hash("q")).value(), false);
        EXPECT_EQ(file->keep(1'000, hash("q")).value(), false);
        ASSERT_OK(file->write("fgh"));
        EXPECT_EQ(file->bytes_written(), 8u);
        ASSERT_OK(file->commit());
        EXPECT_EQ(read_text(folder_ / "a", 100).value(), "abcdefgh") << left;
    }
}

TEST_F(FileTest, FoldersReplaceOnlyWhenAsked) {
    {
        auto out = AtomicFolder::create(folder_ / "out/", false);
        ASSERT_OK(out);
        ASSERT_OK(write_whole(out->partial() / "f", "1"));
        EXPECT_FALSE(fs::exists(folder_ / "out"));
        ASSERT_OK(out->commit());
    }
    EXPECT_EQ(AtomicFolder::create(folder_ / "out", false).error().fault, Fault::usage);
    {
        auto out = AtomicFolder::create(folder_ / "out", true);
        ASSERT_OK(out);
        ASSERT_OK(write_whole(out->partial() / "g", "2"));
    }
    EXPECT_TRUE(fs::exists(folder_ / "out" / "f"));
    auto out = AtomicFolder::create(folder_ / "out", true);
    ASSERT_OK(write_whole(out->partial() / "g", "2"));
    ASSERT_OK(out->commit());
    EXPECT_FALSE(fs::exists(folder_ / "out" / "f"));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace hearth
