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

// Pieces of ember's stories, far apart: the fast mode's share of one alone is off by up to twice.
constexpr std::size_t kPieces = 4, kPieceChars = 2400, kPieceEvery = 24000;

constexpr const char* kQuantized[] = {"nvfp4", "mxfp4", "q8_0",   "q4_0",   "q4_k",
                                      "q5_k",  "q6_k",  "iq4_nl", "iq4_xs", "q4_k_m"};

class FastModeTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        const fs::path ember = source_dir() / "models/ember";
        const std::string stories = read_text(ember / "bench/stories.txt", 1 << 20).value();
        ASSERT_GE(stories.size(), (kPieces - 1) * kPieceEvery + kPieceChars);
        for (std::size_t piece = 0; piece < kPieces; ++piece) {
            const std::string text = stories.substr(piece * kPieceEvery, kPieceChars);
            std::string ids = run({"tokenize", ember.string(), "--ids"}, text).out;
            for (char& c : ids) c = c == ' ' ? ',' : c;
            while (!ids.empty() && (ids.back() == '\n' || ids.back() == ',')) ids.pop_back();
            ASSERT_OK(write_whole(ids_of(piece), "[" + ids + "]"));
        }
        models_["bf16"] = ember.string();
    }
    [[nodiscard]] fs::path ids_of(std::size_t piece) const {
        return folder_ / fmt::format("ids-{}.json", piece);
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
    std::vector<float> logits(const std::string& type, std::vector<std::string> flags,
                              std::size_t piece = 0) {
        const fs::path out = folder_ / "logits.npy";
        std::vector<std::string> arguments = {"logits", model(type), "--ids", ids_of(piece).string(),
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
    std::vector<const char*> types(std::begin(kQuantized), std::end(kQuantized));
    types.push_back("bf16");
    std::map<std::string, double> own, fast;  // sums over the pieces
    for (std::size_t piece = 0; piece < kPieces; ++piece) {
        const auto base = logits("bf16", {"--exact"}, piece);
        for (const char* type : types) {
            const auto exact = logits(type, {"--exact"}, piece);
            own[type] += divergence(base, exact);
            fast[type] += divergence(exact, logits(type, {"--fast"}, piece));
        }
    }
    const double nvfp4 = own["nvfp4"];
    EXPECT_GT(nvfp4, 1e-4 * kPieces);
    for (const char* type : types) {
        RecordProperty(std::string("share_of_") + type, fmt::format("{:.4f}", fast[type] / nvfp4));
        // A model whose blocks were written or read wrongly would be nats away.
        EXPECT_LT(own[type], 2 * nvfp4) << type;
        EXPECT_LE(fast[type], 0.02 * nvfp4) << type;
        EXPECT_GT(fast[type], 0) << type << ": the fast mode is another arithmetic where the machine has one";
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
