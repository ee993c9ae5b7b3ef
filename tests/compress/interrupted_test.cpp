// tests/compress/interrupted_test.cpp - what goes wrong on the way: refusals, kill -9, a full disk.
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "compress/quantize.h"
#include "formats/hostile.h"
#include "formats/safetensors.h"

namespace hearth::compress {
namespace {

using formats::SafetensorsWriter;
using tests::read_bytes;
using tests::TempFolder;

fs::path ember() { return tests::source_dir() / "models" / "ember"; }

Options request(const fs::path& source, const fs::path& target) {
    Options options;
    options.source = source;
    options.target = target;
    options.out_format = target.extension() == ".gguf" ? OutFormat::gguf : OutFormat::hf;
    options.threads = 1;
    return options;
}
std::size_t files_in(const fs::path& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Interrupted, RefusalsLeaveNothing) {
    const TempFolder folder;
    const fs::path target = folder.path() / "out";
    Options q8_folder = request(ember(), target);
    q8_folder.type = DType::q8_0;
    EXPECT_EQ(quantize(q8_folder).error().fault, Fault::usage);
    Options odd = request(ember(), target);
    odd.type = DType::q6_k;
    EXPECT_EQ(quantize(odd).error().fault, Fault::usage);
    EXPECT_EQ(quantize(request(folder.path() / "gone", target)).error().fault, Fault::not_found);
    EXPECT_EQ(quantize(request(ember() / "config.json", target)).error().fault, Fault::usage);
    EXPECT_EQ(quantize(request(tests::fixture("models/llama-mha/model.gguf"), target)).error().fault,
              Fault::usage);
    EXPECT_EQ(quantize(request(ember(), ember())).error().fault, Fault::usage);
    // This model has no tokenizer.json, which GGUF needs.
    EXPECT_EQ(quantize(request(tests::fixture("models/llama-mha"), folder.path() / "m.gguf")).error().fault,
              Fault::not_found);
    EXPECT_EQ(files_in(folder.path()), 0u);

    ASSERT_OK(quantize(request(ember(), target)));
    const std::string before = read_bytes(target / "model.safetensors");
    EXPECT_EQ(quantize(request(ember(), target)).error().fault, Fault::usage);
    Options again = request(ember(), target);
    again.replace = true;
    EXPECT_OK(quantize(again));
    EXPECT_EQ(read_bytes(target / "model.safetensors"), before);
    // A quantized model is no source for another type.
    Options other = request(target, folder.path() / "q8.gguf");
    other.type = DType::q8_0;
    EXPECT_EQ(quantize(other).error().fault, Fault::unsupported);
    EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(Interrupted, WeightsThatCannotBeReadAreNamed) {
    const TempFolder folder;
    std::vector<float> weights(64, 1.0f);
    weights[17] = std::numeric_limits<float>::infinity();
    fs::create_directories(folder.path() / "source");
    auto writer = SafetensorsWriter::create(folder.path() / "source/model.safetensors",
                                            {{"x.weight", DType::f32, {1, 64}}}, {});
    ASSERT_OK(writer);
    ASSERT_OK(writer->append(std::as_bytes(std::span(weights))));
    ASSERT_OK(writer->commit());
    ASSERT_OK(write_whole(folder.path() / "source/config.json", "{}"));
    const auto report = quantize(request(folder.path() / "source", folder.path() / "out"));
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().fault, Fault::corrupt);
    EXPECT_NE(report.error().message.find("x.weight"), std::string::npos);
    // Nor is a model that others quantized in their own way.
    ASSERT_OK(write_whole(folder.path() / "source/config.json",
                          R"({"quantization_config":{"quant_method":"gptq"}})"));
    const auto gptq = quantize(request(folder.path() / "source", folder.path() / "out"));
    ASSERT_FALSE(gptq.has_value());
    EXPECT_EQ(gptq.error().fault, Fault::unsupported);
    EXPECT_NE(gptq.error().message.find("gptq"), std::string::npos);
    EXPECT_EQ(files_in(folder.path()), 1u);
}

// A child quantizes and is killed in the middle: nothing under the target's name, and the next run cleans up.
TEST(Interrupted, KilledRunsLeaveNothingThatLooksWhole) {
    for (const char* name : {"out", "out.gguf"}) {
        const TempFolder folder;
        const fs::path target = folder.path() / name;
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            Options options = request(ember(), target);
            options.on_progress = [](std::uint64_t done, std::uint64_t total, std::string_view) {
                if (done * 2 > total) ::kill(::getpid(), SIGKILL);
            };
            static_cast<void>(quantize(options));
            ::_exit(0);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        EXPECT_FALSE(fs::exists(target));
        ASSERT_EQ(files_in(folder.path()), 1u);
        for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
            const std::string left = entry.path().filename().string();
            EXPECT_NE(left.find(".partial-"), std::string::npos) << left;
        }
        ASSERT_OK(quantize(request(ember(), target)));
        EXPECT_TRUE(fs::exists(target));
        for (const auto& entry : fs::directory_iterator(folder.path()))
            EXPECT_EQ(entry.path().filename().string().find(".partial-"), std::string::npos) << entry.path();
    }
}

TEST(Interrupted, FullDiskIsSaidSo) {
    const TempFolder folder;
    const fs::path small = folder.path() / "small";
    fs::create_directories(small);
    if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=2m") != 0)
        GTEST_SKIP() << "needs the right to mount a small tmpfs: " << std::strerror(errno);
    for (const char* name : {"out", "out.gguf"}) {
        const auto report = quantize(request(ember(), small / name));
        EXPECT_FALSE(report.has_value());
        if (!report) {
            EXPECT_EQ(report.error().fault, Fault::disk_full) << report.error().message;
        }
        EXPECT_EQ(files_in(small), 0u);  // and the space is free again
    }
    ASSERT_EQ(::umount(small.c_str()), 0);
}

}  // namespace
}  // namespace hearth::compress
