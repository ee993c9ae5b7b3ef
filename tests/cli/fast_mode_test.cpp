// tests/cli/fast_mode_test.cpp - what quantized activations and a BF16 cache cost in quality, held against
// what quantizing the weights costs; and the same bits from the fast kernels for any chunk and number of
// threads.
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "program.h"

namespace hearth::tests {
namespace {

constexpr const char* kQuantized[] = {"nvfp4", "mxfp4", "q8_0",   "q4_0",   "q4_k",
                                      "q5_k",  "q6_k",  "iq4_nl", "iq4_xs", "q4_k_m"};

class FastModeTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        const fs::path ember = source_dir() / "models/ember";
        const std::string text = read_text(ember / "bench/stories.txt", 1 << 20).value().substr(0, 2400);
        std::string ids = run({"tokenize", ember.string(), "--ids"}, text).out;
        for (char& c : ids) c = c == ' ' ? ',' : c;
        while (!ids.empty() && (ids.back() == '\n' || ids.back() == ',')) ids.pop_back();
        ASSERT_OK(write_whole(folder_ / "ids.json", "[" + ids + "]"));
        models_["bf16"] = ember.string();
    }
    // Ember in that type, made when it is first asked for.
    const std::string& model(const std::string& type) {
        std::string& path = models_[type];
        if (path.empty()) {
            path = (folder_ / (type + ".gguf")).string();
            EXPECT_EQ(run({"quantize", models_["bf16"], path, "--type", type}).exit_code, 0) << type;
        }
        return path;
    }
    // [n_tokens, vocab]
    std::vector<float> logits(const std::string& type, std::vector<std::string> flags) {
        const fs::path out = folder_ / "logits.npy";
        std::vector<std::string> arguments = {"logits", model(type), "--ids", (folder_ / "ids.json").string(),
                                              "--out",  out.string()};
        arguments.insert(arguments.end(), flags.begin(), flags.end());
        const Outcome ran = run(arguments);
        EXPECT_EQ(ran.exit_code, 0) << ran.err;
        const std::string file = read_text(out, 1 << 28).value();
        std::vector<float> values((file.size() - 128) / sizeof(float));
        std::memcpy(values.data(), file.data() + 128, values.size() * sizeof(float));
        return values;
    }
    std::map<std::string, std::string> models_;
};

// Mean over tokens of KL(base || other), in double precision.
double divergence(const std::vector<float>& base, const std::vector<float>& other) {
    constexpr std::size_t kVocab = 2048;
    EXPECT_EQ(base.size(), other.size());
    const auto log_sum = [](const float* row) {
        double top = -INFINITY, sum = 0;
        for (std::size_t i = 0; i < kVocab; ++i) top = std::max(top, static_cast<double>(row[i]));
        for (std::size_t i = 0; i < kVocab; ++i) sum += std::exp(static_cast<double>(row[i]) - top);
        return top + std::log(sum);
    };
    double total = 0;
    const std::size_t n = base.size() / kVocab;
    for (std::size_t t = 0; t < n; ++t) {
        const float *b = &base[t * kVocab], *o = &other[t * kVocab];
        const double log_b = log_sum(b), log_o = log_sum(o);
        for (std::size_t i = 0; i < kVocab; ++i) {
            const double lp = static_cast<double>(b[i]) - log_b, lq = static_cast<double>(o[i]) - log_o;
            total += std::exp(lp) * (lp - lq);
        }
    }
    return total / static_cast<double>(n);
}

TEST_F(FastModeTest, CostsAtMostAFiftiethOfWhatNvfp4Costs) {
    const auto base = logits("bf16", {"--exact"});
    const double nvfp4 = divergence(base, logits("nvfp4", {"--exact"}));
    EXPECT_GT(nvfp4, 1e-4);
    std::vector<const char*> types(std::begin(kQuantized), std::end(kQuantized));
    types.push_back("bf16");
    for (const char* type : types) {
        const auto exact = logits(type, {"--exact"});
        const double own = divergence(base, exact);
        const double fast = divergence(exact, logits(type, {"--fast"}));
        RecordProperty(std::string("divergence_of_") + type,
                       fmt::format("{:.3e} of {:.3e}; from BF16 {:.3e}", fast, nvfp4, own));
        // A model whose blocks were written or read wrongly would be nats away.
        EXPECT_LT(own, 2 * nvfp4) << type;
        // Of NVFP4's cost, or of the type's own where that is more (MXFP4's).
        EXPECT_LE(fast, 0.02 * std::max(nvfp4, own)) << type;
        EXPECT_GT(fast, 0) << type << ": the fast mode is another arithmetic where the machine has one";
    }
}

TEST_F(FastModeTest, GivesTheSameBitsForAnyChunkAndThreads) {
    for (const char* type : {"bf16", "nvfp4", "q8_0", "q4_0"})
        for (const char* kv : {"bf16", "fp8", "q8"}) {
            const auto want = logits(type, {"--fast", "--kv", kv, "--chunk", "512"});
            for (const char* chunk : {"1", "7", "64"})
                for (const char* threads : {"1", "2"}) {
                    const auto got =
                        logits(type, {"--fast", "--kv", kv, "--chunk", chunk, "--threads", threads});
                    EXPECT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float)))
                        << type << " " << kv << " chunk " << chunk << " threads " << threads;
                }
        }
}

}  // namespace
}  // namespace hearth::tests
