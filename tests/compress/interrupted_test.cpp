// tests/compress/interrupted_test.cpp - what goes wrong on the way: refusals, kill -9, a full disk.
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

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
    odd.type = DType::q2_k;
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
    const std::string config = read_bytes(ember() / "config.json");
    ASSERT_OK(write_whole(folder.path() / "source/config.json", config));
    const auto report = quantize(request(folder.path() / "source", folder.path() / "out"));
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().fault, Fault::corrupt);
    EXPECT_NE(report.error().message.find("x.weight"), std::string::npos);
    // An architecture without a program: nothing says which of its linears share a scale.
    ASSERT_OK(write_whole(folder.path() / "source/config.json", R"({"model_type":"unheard_of"})"));
    const auto unknown = quantize(request(folder.path() / "source", folder.path() / "out"));
    ASSERT_FALSE(unknown.has_value());
    EXPECT_EQ(unknown.error().fault, Fault::unsupported);
    // Nor is a model that others quantized in their own way.
    ASSERT_OK(write_whole(folder.path() / "source/config.json",
                          R"({"quantization_config":{"quant_method":"gptq"}})"));
    const auto gptq = quantize(request(folder.path() / "source", folder.path() / "out"));
    ASSERT_FALSE(gptq.has_value());
    EXPECT_EQ(gptq.error().fault, Fault::unsupported);
    EXPECT_NE(gptq.error().message.find("gptq"), std::string::npos);
    EXPECT_EQ(files_in(folder.path()), 1u);
}

// A child quantizes and is killed when this share of the source is done.
void run_and_kill(const Options& options, double share) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        Options own = options;
        own.on_progress = [share](std::uint64_t done, std::uint64_t total, std::string_view) {
            if (static_cast<double>(done) > share * static_cast<double>(total)) ::kill(::getpid(), SIGKILL);
        };
        static_cast<void>(quantize(own));
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// Every file under `target`, or the file itself: name and bytes.
std::map<std::string, std::string> bytes_of(const fs::path& target) {
    std::map<std::string, std::string> out;
    if (!fs::is_directory(target)) return {{"", read_bytes(target)}};
    for (const auto& entry : fs::directory_iterator(target)) {
        std::string text = read_bytes(entry.path());
        // The record names its target, and that is all that may differ.
        if (entry.path().filename() == "hearth_quantization.json") {
            const std::size_t at = text.find("\"target\"");
            text.erase(at, text.find('\n', at) - at);
        }
        out[entry.path().filename().string()] = std::move(text);
    }
    return out;
}

TEST(Interrupted, TheNextRunGoesOnAndWritesTheSameBytes) {
    for (const char* name : {"out", "out.gguf"}) {
        const TempFolder folder;
        const fs::path target = folder.path() / name,
                       straight = folder.path() / (std::string("straight_") + name);
        ASSERT_OK(quantize(request(ember(), straight)));
        const auto expected = bytes_of(straight);
        for (const auto& entry : fs::directory_iterator(folder.path()))
            if (entry.path() != straight) fs::remove_all(entry.path());
        // Killed early, then again later: nothing under the target's name, nothing that looks whole.
        for (const double share : {0.3, 0.7}) {
            run_and_kill(request(ember(), target), share);
            EXPECT_FALSE(fs::exists(target));
            EXPECT_TRUE(fs::exists(folder.path() / (std::string(name) + ".partial-journal")));
            for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
                if (entry.path().string().starts_with(straight.string())) continue;
                EXPECT_NE(entry.path().filename().string().find(".partial-"), std::string::npos)
                    << entry.path();
            }
        }
        std::size_t encoded = 0;
        Options last = request(ember(), target);
        last.on_progress = [&](std::uint64_t, std::uint64_t, std::string_view) { ++encoded; };
        const auto report = quantize(last);
        ASSERT_OK(report);
        EXPECT_GT(report->resumed_tensors, 20u);  // of 42 linears, more than half were done
        EXPECT_LT(report->resumed_tensors, 42u);
        EXPECT_EQ(bytes_of(target), expected);
        for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
            EXPECT_EQ(entry.path().filename().string().find(".partial"), std::string::npos) << entry.path();
    }
}

TEST(Interrupted, WhatTheJournalSaysIsNotBelieved) {
    for (const char* name : {"out", "out.gguf"}) {
        const TempFolder folder;
        const fs::path target = folder.path() / name,
                       straight = folder.path() / (std::string("straight_") + name);
        ASSERT_OK(quantize(request(ember(), straight)));
        const auto expected = bytes_of(straight);
        fs::path weights = partial_path(target);
        if (fs::path(name).extension() != ".gguf") weights /= "model.safetensors.partial-resumed";
        const fs::path journal = target.string() + ".partial-journal";
        const auto damaged = [&](const fs::path& path, auto&& change) {
            run_and_kill(request(ember(), target), 0.6);
            std::string text = read_bytes(path);
            change(text);
            ASSERT_OK(write_whole(path, text));
            ASSERT_OK(quantize([&] {
                Options options = request(ember(), target);
                options.replace = true;
                return options;
            }()));
            EXPECT_EQ(bytes_of(target), expected);
            fs::remove_all(target);
        };
        damaged(weights, [](std::string& text) { text[text.size() / 2] ^= 1; });  // a byte went wrong
        damaged(weights,
                [](std::string& text) { text.resize(text.size() / 3); });  // a disk that lost the end
        damaged(weights, [](std::string& text) { text.clear(); });
        damaged(weights, [](std::string& text) { text += std::string(40'000'000, 'x'); });
        damaged(journal, [](std::string& text) { text.resize(text.size() - 7); });  // a torn line
        damaged(journal, [](std::string& text) { text.resize(text.find('\n') / 2); });
        damaged(journal, [](std::string& text) { text.insert(text.find('\n') + 1, "{\"tensor\":3}\n"); });
    }
}

TEST(Interrupted, AnotherSourceOrRecipeStartsAnew) {
    const TempFolder folder;
    const fs::path source = folder.path() / "source", target = folder.path() / "out";
    fs::create_directories(source);
    for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"})
        fs::copy_file(ember() / name, source / name);
    run_and_kill(request(source, target), 0.6);
    Options other = request(source, target);
    other.keep = {"*.layers.0.*"};
    const auto report = quantize(other);
    ASSERT_OK(report);
    EXPECT_EQ(report->resumed_tensors, 0u);
    ASSERT_OK(quantize([&] {
        Options straight = other;
        straight.target = folder.path() / "straight";
        return straight;
    }()));
    EXPECT_EQ(bytes_of(target), bytes_of(folder.path() / "straight"));

    fs::remove_all(target);
    run_and_kill(request(source, target), 0.6);
    std::string weights =
        read_bytes(source / "model.safetensors");  // two bytes of the last tensors are swapped
    std::swap(weights[weights.size() - 10'000], weights[weights.size() - 20'001]);
    ASSERT_OK(write_whole(source / "model.safetensors", weights));
    const auto changed = quantize(request(source, target));
    ASSERT_OK(changed);
    EXPECT_EQ(changed->resumed_tensors, 0u);
}

TEST(Interrupted, TwoProcessesDoNotWriteOneTarget) {
    const TempFolder folder;
    Options outer = request(ember(), folder.path() / "out");
    bool tried = false;
    outer.on_progress = [&](std::uint64_t, std::uint64_t, std::string_view) {
        if (tried) return;
        tried = true;
        const auto second = quantize(request(ember(), folder.path() / "out"));
        ASSERT_FALSE(second.has_value());
        EXPECT_EQ(second.error().fault, Fault::busy);
    };
    ASSERT_OK(quantize(outer));
    EXPECT_TRUE(tried);
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
