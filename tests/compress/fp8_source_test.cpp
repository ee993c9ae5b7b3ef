// tests/compress/fp8_source_test.cpp - FP8 checkpoints as sources: every target equals what the same weights
// in float32 give, which torch, transformers and compressed-tensors dequantized
// (tools/fixtures/make_fp8_fixtures.py).
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "compress/quantize.h"
#include "formats/gguf.h"
#include "formats/hostile.h"
#include "formats/safetensors.h"

namespace hearth::compress {
namespace {

using formats::Gguf;
using formats::Safetensors;
using formats::SafetensorsWriter;
using tests::read_bytes;
using tests::TempFolder;

// The fixture's weights in one of the two forms, with a tokenizer. The twin's config is that of a model that
// was never quantized.
void write_source(const fs::path& folder, const std::string& fixture, const std::string& form) {
    const fs::path from = tests::fixture(("compress/" + fixture).c_str());
    fs::create_directories(folder);
    ASSERT_OK(write_whole(folder / "model.safetensors", read_bytes(from / (form + ".safetensors"))));
    Json config = parse_json(read_bytes(from / "config.json"), "config.json").value();
    if (form == "float32") config.get_object().erase("quantization_config");
    ASSERT_OK(write_whole(folder / "config.json", to_json(config)));
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
        ASSERT_OK(write_whole(folder / name, read_bytes(tests::source_dir() / "models" / "ember" / name)));
}

Options request(const fs::path& source, const fs::path& target, TargetType type = {"", DType::nvfp4}) {
    Options options;
    options.source = source;
    options.target = target;
    options.type = type.dtype;
    options.mix = type.mix;
    options.out_format = target.extension() == ".gguf" ? OutFormat::gguf : OutFormat::hf;
    options.threads = 2;
    return options;
}

template <class File>
void expect_equal(const fs::path& ours, const fs::path& twin) {
    const auto file = File::open(ours), expected = File::open(twin);
    ASSERT_OK(file);
    ASSERT_OK(expected);
    ASSERT_EQ(file->entries().size(), expected->entries().size());
    for (const auto& entry : expected->entries()) {
        const auto* same = file->find(entry.name);
        ASSERT_NE(same, nullptr) << entry.name;
        const TensorView a = file->view(*same), b = expected->view(entry);
        EXPECT_EQ(a.dtype, b.dtype) << entry.name;
        EXPECT_EQ(a.shape, b.shape) << entry.name;
        EXPECT_TRUE(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end())) << entry.name;
    }
}

class Fp8Source : public testing::Test {
  protected:
    void write_both(const std::string& fixture) {
        write_source(folder_.path() / "fp8", fixture, "fp8");
        write_source(folder_.path() / "float32", fixture, "float32");
    }
    const TempFolder folder_;
};

TEST_F(Fp8Source, BecomesEveryGgufTypeAsItsFloat32Twin) {
    write_both("fp8");
    for (const TargetType& type : target_types()) {
        SCOPED_TRACE(type.name);
        const fs::path ours = folder_.path() / fmt::format("{}.gguf", type.name),
                       twin = folder_.path() / fmt::format("{}_twin.gguf", type.name);
        Options from_fp8 = request(folder_.path() / "fp8", ours, type),
                from_twin = request(folder_.path() / "float32", twin, type);
        from_fp8.keep = from_twin.keep = {"lm_head*"};  // BF16 in the twin, also under the mix
        const auto report = quantize(from_fp8);
        ASSERT_OK(report);
        ASSERT_OK(quantize(from_twin));
        expect_equal<Gguf>(ours, twin);
        EXPECT_EQ(report->left_out, std::vector<std::string>{"model.layers.0.self_attn.v_proj.input_scale"});
    }
}

TEST_F(Fp8Source, BecomesAnNvfp4FolderAsItsFloat32Twin) {
    for (const char* fixture : {"fp8", "fp8-experts"}) {
        SCOPED_TRACE(fixture);
        write_both(fixture);
        const fs::path target = folder_.path() / (std::string(fixture) + "-nvfp4"),
                       twin = folder_.path() / (std::string(fixture) + "-twin");
        const auto report = quantize(request(folder_.path() / "fp8", target));
        ASSERT_OK(report);
        ASSERT_OK(quantize(request(folder_.path() / "float32", twin)));
        expect_equal<Safetensors>(target, twin);
        // Nothing of FP8 is left in the config.
        EXPECT_EQ(parse_json(read_bytes(target / "config.json"), "c").value(),
                  parse_json(read_bytes(twin / "config.json"), "c").value());
        for (const auto& tensor : report->tensors)
            if (tensor.from == DType::f8_e4m3) {
                EXPECT_EQ(tensor.to, tensor.kept_because.empty() ? DType::nvfp4 : DType::bf16) << tensor.name;
                EXPECT_GT(tensor.relative_rmse, 0) << tensor.name;
            }
    }
}

TEST_F(Fp8Source, AKilledRunGoesOnAndWritesTheSameBytes) {
    write_both("fp8");
    for (const char* name : {"out", "out.gguf"}) {
        const fs::path target = folder_.path() / name,
                       straight = folder_.path() / (std::string("straight_") + name);
        ASSERT_OK(quantize(request(folder_.path() / "fp8", straight)));
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            Options own = request(folder_.path() / "fp8", target);
            own.threads = 1;
            own.on_progress = [](std::uint64_t done, std::uint64_t total, std::string_view) {
                if (2 * done > total) ::kill(::getpid(), SIGKILL);
            };
            static_cast<void>(quantize(own));
            ::_exit(0);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status));
        const auto report = quantize(request(folder_.path() / "fp8", target));
        ASSERT_OK(report);
        EXPECT_GT(report->resumed_tensors, 0u);
        const fs::path weights = fs::is_directory(target) ? "model.safetensors" : "";
        EXPECT_EQ(read_bytes(weights.empty() ? target : target / weights),
                  read_bytes(weights.empty() ? straight : straight / weights));
    }
}

// What a stranger's folder may hold: each is refused with the name of the tensor or key.
class HostileFp8 : public testing::Test {
  protected:
    struct Tensor {
        std::string name;
        DType dtype;
        Shape shape;
        std::vector<std::byte> bytes;
    };
    static std::vector<std::byte> floats(std::initializer_list<float> values) {
        std::vector<std::byte> bytes(values.size() * sizeof(float));
        std::memcpy(bytes.data(), std::data(values), bytes.size());
        return bytes;
    }
    static Tensor codes(unsigned char code = 0x38) {
        return {kWeight, DType::f8_e4m3, {2, 256}, std::vector<std::byte>(512, std::byte{code})};
    }
    void expect_refused(const std::vector<Tensor>& tensors, std::string_view named,
                        std::string_view block = "[1, 128]") {
        const TempFolder folder;
        std::vector<SafetensorsWriter::Declaration> declared;
        for (const Tensor& tensor : tensors) declared.push_back({tensor.name, tensor.dtype, tensor.shape});
        fs::create_directories(folder.path() / "source");
        auto writer = SafetensorsWriter::create(folder.path() / "source/model.safetensors", declared, {});
        ASSERT_OK(writer);
        for (const Tensor& tensor : tensors) ASSERT_OK(writer->append(tensor.bytes));
        ASSERT_OK(writer->commit());
        Json config = parse_json(read_bytes(tests::fixture("compress/fp8/config.json")), "c").value();
        config.get_object()["quantization_config"].get_object()["weight_block_size"] =
            parse_json(block, "block").value();
        ASSERT_OK(write_whole(folder.path() / "source/config.json", to_json(config)));
        ASSERT_OK(write_whole(folder.path() / "source/tokenizer.json",
                              read_bytes(tests::source_dir() / "models/ember/tokenizer.json")));
        for (const char* target : {"out", "out.gguf"}) {
            const auto report = quantize(request(folder.path() / "source", folder.path() / target));
            ASSERT_FALSE(report.has_value()) << named;
            EXPECT_TRUE(report.error().fault == Fault::corrupt ||
                        report.error().fault == Fault::unsupported ||
                        report.error().fault == Fault::out_of_range);
            EXPECT_NE(report.error().message.find(named), std::string::npos) << report.error().message;
            EXPECT_FALSE(fs::exists(folder.path() / target));
        }
    }
    static inline const std::string kWeight = "model.layers.0.mlp.down_proj.weight";
    static inline const std::string kScale = kWeight + "_scale_inv";
};

TEST_F(HostileFp8, ScalesThatAreMissingOrOfAnotherShape) {
    expect_refused({codes()}, kWeight);
    expect_refused({codes(), {kScale, DType::f32, {1, 2}, floats({1, 1})}}, kScale);
    expect_refused({codes(), {kScale, DType::f32, {2, 1, 1}, floats({1, 1})}}, kScale);
    expect_refused({codes(), {kScale, DType::f32, {3}, floats({1, 1, 1})}}, kScale);
    expect_refused({codes(), {kScale, DType::f32, {2, 3}, floats({1, 1, 1, 1, 1, 1})}}, kScale);
    expect_refused({codes(), {kScale, DType::f32, {0}, {}}}, kScale);
}

TEST_F(HostileFp8, ScalesThatAreNoPositiveNumbers) {
    for (const float odd : {std::nanf(""), HUGE_VALF, -HUGE_VALF, -1.0f}) {
        expect_refused({codes(), {kScale, DType::f32, {}, floats({odd})}}, kScale);
        expect_refused({codes(), {kScale, DType::f32, {2, 2}, floats({1, 1, odd, 1})}}, kScale);
    }
    // E8M0's 255 is its NaN.
    expect_refused({codes(), {kScale, DType::f8_e8m0, {}, {std::byte{255}}}}, kScale);
    // Finite scales under which a weight is beyond float32, and codes that are NaN.
    expect_refused({codes(0x7e), {kScale, DType::f32, {}, floats({3e38f})}}, kWeight);
    expect_refused({codes(0x7f), {kScale, DType::f32, {}, floats({1})}}, kWeight);
}

TEST_F(HostileFp8, OtherTypes) {
    for (const DType dtype : {DType::u8, DType::i8, DType::f8_e4m3, DType::boolean})
        expect_refused({codes(), {kScale, dtype, {}, {std::byte{1}}}}, kScale);
    expect_refused({codes(), {kScale, DType::i32, {}, std::vector<std::byte>(4)}}, kScale);
    Tensor e5m2 = codes();
    e5m2.dtype = DType::f8_e5m2;
    expect_refused({e5m2, {kScale, DType::f32, {}, floats({1})}}, kWeight);
    expect_refused({{kWeight, DType::f8_e4m3, {512}, codes().bytes}, {kScale, DType::f32, {}, floats({1})}},
                   kWeight);
}

TEST_F(HostileFp8, BlocksOfNoSize) {
    for (const char* block : {"[0, 128]", "[128, 0]", "[-128, 128]", "[128]", "128", "[128, 1e30]"})
        expect_refused({codes(), {kScale, DType::f32, {}, floats({1})}}, "weight_block_size", block);
}

}  // namespace
}  // namespace hearth::compress
