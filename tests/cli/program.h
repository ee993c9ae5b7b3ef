// tests/cli/program.h - runs the built program as a user does and keeps what it printed.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "material.h"

extern char** environ;

namespace hearth::tests {

struct Outcome {
    int exit_code = -1;
    std::string out, err;
    [[nodiscard]] Json json() const {
        const auto parsed = parse_json(out, "stdout");
        EXPECT_TRUE(parsed.has_value()) << out;
        return parsed ? *parsed : Json();
    }
};

// A folder of this test's own, removed at the end; caches go there too.
class ProgramTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / fmt::format("hearth-cli-test-{}", getpid());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        setenv("HEARTH_CACHE", (folder_ / "cache").c_str(), 1);
    }
    void TearDown() override { fs::remove_all(folder_); }

    // stdout_path: where stdout goes instead of being kept ("/dev/full").
    Outcome run(std::vector<std::string> arguments, const std::string& input = "",
                const char* stdout_path = nullptr) {
        const fs::path in = folder_ / "stdin", out = folder_ / "stdout", err = folder_ / "stderr";
        EXPECT_TRUE(write_whole(in, input).has_value());
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 1, stdout_path != nullptr ? stdout_path : out.c_str(),
                                         O_WRONLY | O_CREAT | O_TRUNC, 0644);
        posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        arguments.insert(arguments.begin(), HEARTH_PROGRAM);
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        pid_t child = 0;
        EXPECT_EQ(posix_spawn(&child, HEARTH_PROGRAM, &actions, nullptr, argv.data(), environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        int status = 0;
        waitpid(child, &status, 0);
        Outcome outcome;
        outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (stdout_path == nullptr) outcome.out = read_text(out, 1 << 28).value_or("");
        outcome.err = read_text(err, 1 << 28).value_or("");
        return outcome;
    }

    fs::path folder_;
};

}  // namespace hearth::tests
