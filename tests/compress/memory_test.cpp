// tests/compress/memory_test.cpp - the quantizer's memory follows the largest tensor, not the model.
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/rng.h"
#include "compress/quantize.h"
#include "formats/hostile.h"
#include "formats/safetensors.h"

namespace hearth::compress {
namespace {

using formats::SafetensorsWriter;
using tests::TempFolder;

// The most physical memory that this process held, file pages too, since the last reset.
std::uint64_t peak_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == "VmHWM:") {
            std::uint64_t kilobytes = 0;
            status >> kilobytes;
            return kilobytes * 1024;
        }
    return 0;
}

constexpr std::int64_t kLayers = 40, kWidth = 1024, kInner = 3072;
constexpr std::uint64_t kTensorBytes = kInner * kWidth * 2;

// 40 layers of three BF16 linears of 6.3 MB: 755 MB.
void write_model(const fs::path& folder) {
    fs::create_directories(folder);
    std::vector<SafetensorsWriter::Declaration> declared;
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
        const std::string module = fmt::format("model.layers.{}.mlp.", layer);
        declared.push_back({module + "gate_proj.weight", DType::bf16, {kInner, kWidth}});
        declared.push_back({module + "up_proj.weight", DType::bf16, {kInner, kWidth}});
        declared.push_back({module + "down_proj.weight", DType::bf16, {kWidth, kInner}});
    }
    std::vector<std::uint16_t> weights(kTensorBytes / 2);
    Philox random(5);
    for (std::uint16_t& w : weights)  // BF16 of either sign between 2^-8 and 2^-6
        w = static_cast<std::uint16_t>(0x3b80 + random.next() % 0x100 + (random.next() % 2 << 15));
    auto writer = SafetensorsWriter::create(folder / "model.safetensors", declared, {});
    ASSERT_OK(writer);
    for (std::size_t i = 0; i < declared.size(); ++i)
        ASSERT_OK(writer->append(std::as_bytes(std::span(weights))));
    ASSERT_OK(writer->commit());
    ASSERT_OK(write_whole(folder / "config.json",
                          fmt::format(R"({{"model_type":"llama","hidden_size":{},"num_attention_heads":8,)"
                                      R"("num_hidden_layers":{},"intermediate_size":{},"vocab_size":64,)"
                                      R"("max_position_embeddings":64}})",
                                      kWidth, kLayers, kInner)));
}

TEST(Memory, FollowsTheLargestTensor) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer holds freed memory back";
#endif
    const TempFolder folder;
    write_model(folder.path() / "source");
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        std::ofstream("/proc/self/clear_refs") << "5" << std::flush;  // resets the peak
        const std::uint64_t before = peak_bytes();
        Options options;
        options.source = folder.path() / "source";
        options.target = folder.path() / "out";
        options.threads = 2;
        const auto report = quantize(options);
        if (!report) ::_exit(1);
        // Two tensors of a group with their codes and scales, and what the allocator keeps.
        ::_exit(peak_bytes() - before < 10 * kTensorBytes ? 0 : 2);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "1: it failed; 2: a model of 755 MB took more than 63 MB";
}

}  // namespace
}  // namespace hearth::compress
