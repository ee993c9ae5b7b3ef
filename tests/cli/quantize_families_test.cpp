// tests/cli/quantize_families_test.cpp - every family's fixture through `hearth quantize`: a model that loads
// and computes what the source does, or one sentence and nothing left behind.
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "program.h"

namespace hearth::tests {
namespace {

class QuantizeFamiliesTest : public ProgramTest {
  protected:
    // The fixture's files, and a tokenizer, which GGUF output needs and the fixtures lack.
    fs::path source(const fs::path& model) {
        const fs::path own = folder_ / "source";
        fs::remove_all(own);
        fs::create_directories(own);
        for (const auto& entry : fs::directory_iterator(model))
            if (entry.is_regular_file() && entry.path().extension() != ".gguf")
                fs::copy_file(entry.path(), own / entry.path().filename());
        EXPECT_OK(write_whole(own / "tokenizer.json",
                              R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},)"
                              R"( "pre_tokenizer": {"type": "ByteLevel"}})"));
        return own;
    }

    // How far the model's outputs are from those of transformers, relative to their size.
    double error_against(const fs::path& target, const fs::path& fixture) {
        const fs::path out = folder_ / "out.npy";
        const Outcome ran = run({"logits", target.string(), "--ids", (fixture / "ids.json").string(), "--out",
                                 out.string(), "--exact"});
        EXPECT_EQ(ran.exit_code, 0) << ran.err;
        if (ran.exit_code != 0) return HUGE_VAL;
        const std::string got = read_text(out, 1 << 28).value(),
                          want = read_text(fixture / "logits.npy", 1 << 28).value();
        EXPECT_EQ(got.size(), want.size());
        if (got.size() != want.size()) return HUGE_VAL;
        double squares = 0, errors = 0;
        for (std::size_t at = 128; at < want.size(); at += sizeof(float)) {
            float a = 0, b = 0;
            std::memcpy(&a, got.data() + at, sizeof a);
            std::memcpy(&b, want.data() + at, sizeof b);
            const double difference = static_cast<double>(a) - static_cast<double>(b);
            errors += difference * difference;
            squares += static_cast<double>(b) * static_cast<double>(b);
        }
        return std::sqrt(errors / squares);
    }

    std::set<std::string> names() {
        std::set<std::string> out;
        for (const auto& entry : fs::directory_iterator(folder_))
            out.insert(entry.path().filename().string());
        return out;
    }

    // True when it succeeded. A refusal is one line and leaves the folder as it was.
    bool quantizes(const fs::path& from, const fs::path& target, const std::string& type) {
        run({"--version"});  // the program's own streams stand in the folder from now on
        const std::set<std::string> before = names();
        const Outcome ran = run({"quantize", from.string(), target.string(), "--type", type});
        if (ran.exit_code == 0) return true;
        EXPECT_TRUE(ran.exit_code > 1 && ran.exit_code < 9) << ran.exit_code;
        EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
        EXPECT_NE(ran.err.find("expected"), std::string::npos) << ran.err;
        EXPECT_EQ(names(), before);
        RecordProperty(from.filename().string() + "-" + type, ran.err);
        return false;
    }
};

TEST_F(QuantizeFamiliesTest, EachIsWholeOrRefused) {
    std::map<std::string, int> written;
    for (const auto& entry : fs::directory_iterator(fixture("models"))) {
        const fs::path& model = entry.path();
        SCOPED_TRACE(model.filename().string());
        const fs::path from = source(model), nvfp4 = folder_ / "nvfp4", gguf = folder_ / "q8_0.gguf";
        if (quantizes(from, nvfp4, "nvfp4")) {
            written["nvfp4"] += 1;
            EXPECT_LT(error_against(nvfp4, model), 1);  // tiny models of random weights take it badly
        }
        if (quantizes(from, gguf, "q8_0")) {
            written["q8_0"] += 1;
            EXPECT_LT(error_against(gguf, model), 0.05);
        }
        for (const fs::path& made : {nvfp4, gguf, fs::path(gguf.string() + ".hearth_quantization.json")})
            fs::remove_all(made);
    }
    EXPECT_GT(written["nvfp4"], 60);
    EXPECT_GT(written["q8_0"], 5);
}

}  // namespace
}  // namespace hearth::tests
