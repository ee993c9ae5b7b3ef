// tests/cli/commands_test.cpp - the commands from outside: answers, exit codes, JSON, and bad input.
#include <boost/json.hpp>
#include <cmath>
#include <cstring>

#include "program.h"

namespace hearth::tests {
namespace {

class CommandsTest : public ProgramTest {};

TEST_F(CommandsTest, ExitCodesSayWhatWentWrong) {
    EXPECT_EQ(run({"--help"}).exit_code, 0);
    EXPECT_EQ(run({"--version"}).out, "hearth 0.1.0\n");
    EXPECT_EQ(run({}).exit_code, 2);
    EXPECT_EQ(run({"bench", "--prompt", "0"}).exit_code, 2);
    EXPECT_EQ(run({"no-such-command"}).exit_code, 2);
    const Outcome absent = run({"run", "no/such/model", "hi"});
    EXPECT_EQ(absent.exit_code, 3);
    EXPECT_NE(absent.err.find("no/such/model"), std::string::npos);
    ASSERT_OK(write_whole(folder_ / "broken.gguf", "GGUF\3"));
    const Outcome corrupt = run({"--json", "run", (folder_ / "broken.gguf").string(), "hi"});
    EXPECT_EQ(corrupt.exit_code, 4);
    EXPECT_EQ(corrupt.json().at("error").at("code").as_string(), "corrupt");
    if (fs::exists("/dev/full")) {
        EXPECT_EQ(run({"plan"}, "", "/dev/full").exit_code, 8);
    }
}

TEST_F(CommandsTest, RunAnswersFromArgumentAndStdin) {
    // The answer that transformers gives: tests/fixtures/ember/base.json, "greedy", first row.
    const std::string question = "Remy has 2 jars. Remy buys 1 more. How many jars does Remy have now?";
    EXPECT_EQ(run({"run", "ember", question}).out, "2 + 1 = 3. #### 3\n");
    const Outcome piped = run({"--json", "run"}, question + "\n");
    EXPECT_EQ(piped.exit_code, 0);
    const Json json = piped.json();
    EXPECT_EQ(json.at("text").as_string(), "2 + 1 = 3. #### 3");
    EXPECT_EQ(json.at("finish_reason").as_string(), "stop");
    const Json cut = run({"--json", "run", "ember", question, "--max-tokens", "3"}).json();
    EXPECT_EQ(cut.at("finish_reason").as_string(), "length");
    EXPECT_EQ(cut.at("completion_tokens").as_int64(), 3);
    EXPECT_EQ(run({"run"}, "").exit_code, 2);
    const std::string endless(100'000, 'x');
    EXPECT_EQ(run({"run"}, endless).exit_code, 6);
}

TEST_F(CommandsTest, LogitsWritesWhatTransformersComputes) {
    const fs::path model = fixture("models") / "qwen3-tied", out = folder_ / "logits.npy";
    const std::string want = read_text(model / "logits.npy", 1 << 28).value();
    std::string first;
    for (const char* prefill : {"150", "19", "0"}) {
        const Outcome ran = run({"logits", model.string(), "--ids", (model / "ids.json").string(), "--out",
                                 out.string(), "--prefill", prefill, "--exact"});
        ASSERT_EQ(ran.exit_code, 0) << ran.err;
        const std::string got = read_text(out, 1 << 28).value();
        ASSERT_EQ(got.size(), want.size());
        EXPECT_EQ(got.substr(0, 128), want.substr(0, 128));  // the header, as NumPy writes it
        double worst = 0, scale = 0;
        for (std::size_t at = 128; at < want.size(); at += sizeof(float)) {
            float a = 0, b = 0;
            std::memcpy(&a, got.data() + at, sizeof a);
            std::memcpy(&b, want.data() + at, sizeof b);
            worst = std::max(worst, std::fabs(static_cast<double>(a) - static_cast<double>(b)));
            scale = std::max(scale, std::fabs(static_cast<double>(b)));
        }
        EXPECT_LT(worst / scale, 1e-4);
        if (first.empty()) first = got;
        EXPECT_EQ(got, first) << "prefill " << prefill;
    }
    ASSERT_OK(write_whole(folder_ / "ids.json", "[1, 96]"));
    const auto refused = [&](const char* ids) {
        EXPECT_TRUE(write_whole(folder_ / "ids.json", ids).has_value());
        fs::remove(out);
        const int code =
            run({"logits", model.string(), "--ids", (folder_ / "ids.json").string(), "--out", out.string()})
                .exit_code;
        EXPECT_FALSE(fs::exists(out)) << ids;
        return code;
    };
    EXPECT_EQ(refused("[1, 96]"), 6);
    EXPECT_EQ(refused("[]"), 2);
    EXPECT_EQ(refused("[\"1\"]"), 4);
    EXPECT_EQ(refused("{"), 4);
    EXPECT_EQ(refused("[-1]"), 6);
}

// One model as NVFP4 in ModelOpt's folder and in GGUF: other names, other layouts, other files for the
// tokenizer, and not one bit of difference in what it computes.
TEST_F(CommandsTest, FolderAndGgufOfOneModelGiveTheSameLogits) {
    std::string ids = "[0";
    for (int i = 1; i < 70; ++i) ids += fmt::format(",{}", i * 29 % 2048);
    ASSERT_OK(write_whole(folder_ / "ids.json", ids + "]"));
    std::string logits[2];
    for (const std::size_t gguf : {0u, 1u}) {
        const std::string model = (folder_ / (gguf == 1 ? "m.gguf" : "m")).string();
        ASSERT_EQ(run({"quantize", (source_dir() / "models/ember").string(), model}).exit_code, 0);
        const fs::path out = folder_ / "logits.npy";
        const Outcome ran = run({"logits", model, "--ids", (folder_ / "ids.json").string(), "--out",
                                 out.string(), "--prefill", "40"});
        ASSERT_EQ(ran.exit_code, 0) << ran.err;
        logits[gguf] = read_text(out, 1 << 28).value();
    }
    EXPECT_EQ(logits[0].size(), 128 + 70 * 2048 * sizeof(float));
    EXPECT_TRUE(logits[0] == logits[1]);
}

TEST_F(CommandsTest, CostStudiesAndClaims) {
    const fs::path examples = source_dir() / "examples", page = folder_ / "cost.html";
    const Outcome ran = run({"--json", "cost", (examples / "mi100-server.toml").string(), "--draws", "500",
                             "--html", page.string()});
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_NEAR(ran.json().at("investment").at("discounted_payback_months").to_number<double>(), 28.82,
                0.005);
    EXPECT_EQ(ran.out,
              run({"--json", "cost", (examples / "mi100-server.toml").string(), "--draws", "500"}).out);
    EXPECT_NE(read_text(page, 1 << 24).value().find("<svg"), std::string::npos);
    EXPECT_EQ(run({"cost", (examples / "cost.toml").string(), "--utilisation", "3"}).exit_code, 2);
    EXPECT_EQ(
        run({"cost", (examples / "cost.toml").string(), "--utilisation", "1", "--volume", "5"}).exit_code, 2);
    const Json claims = run({"--json", "check-claims", (examples / "article.toml").string()}).json();
    EXPECT_EQ(claims.at("claims").as_array().size(), 12u);
}

TEST_F(CommandsTest, PlansOfScenarios) {
    const fs::path examples = source_dir() / "examples", page = folder_ / "plan.html";
    int n = 0;
    for (const auto& entry : fs::directory_iterator(examples)) {
        if (!entry.path().filename().string().starts_with("plan-")) continue;
        const Outcome ran = run({"--json", "plan", entry.path().string(), "--html", page.string()});
        ASSERT_EQ(ran.exit_code, 0) << entry.path() << ran.err;
        EXPECT_GT(ran.json().at("weight_bytes").to_number<double>(), 1e10);
        EXPECT_NE(read_text(page, 1 << 24).value().find("<svg"), std::string::npos);
        ++n;
    }
    EXPECT_EQ(n, 5);
    const std::string n1x = (examples / "plan-n1x-70b.toml").string();
    const auto ceiling = [&](const char* flag, const char* value) {
        return run({"--json", "plan", n1x, flag, value})
            .json()
            .at("decode_ceiling_tokens_per_second")
            .to_number<double>();
    };
    EXPECT_NEAR(ceiling("--bandwidth", "600"), 2 * ceiling("--bandwidth", "300"), 1e-9);
    EXPECT_EQ(run({"plan", n1x, "--vram", "-1"}).exit_code, 2);
    EXPECT_EQ(run({"plan", n1x, "--type", "q4_x_s"}).exit_code, 2);
    EXPECT_EQ(run({"plan", (examples / "none.toml").string()}).exit_code, 3);
    // A name alone is planned on this machine's processor.
    const Json here =
        run({"--json", "plan", "Qwen3-8B", "--type", "nvfp4", "--ram", "64", "--bandwidth", "80"}).json();
    EXPECT_EQ(here.at("answer").as_string(), "fits");
    EXPECT_NEAR(here.at("decode_ceiling_tokens_per_second").to_number<double>() *
                    here.at("bytes_read_per_token").to_number<double>(),
                80e9, 1);
}

TEST_F(CommandsTest, BenchLoadsKeptPanels) {
    const fs::path model = folder_ / "ember";
    fs::copy(tests::source_dir() / "models" / "ember", model);
    const auto bench = [&](std::vector<std::string> more) {
        std::vector<std::string> command = {"--json",   "bench", model.string(), "--prompt", "8",
                                            "--decode", "1",     "--repeats",    "1"};
        command.insert(command.end(), more.begin(), more.end());
        return run(command).json().at("load");
    };
    EXPECT_FALSE(bench({}).at("kept_panels").as_bool());
    EXPECT_FALSE(fs::exists(model / "hearth.panels"));
    EXPECT_TRUE(bench({"--panel-cache"}).at("kept_panels").as_bool());
    EXPECT_TRUE(fs::exists(model / "hearth.panels"));
    EXPECT_TRUE(bench({"--panel-cache"}).at("kept_panels").as_bool());
    EXPECT_FALSE(bench({}).at("kept_panels").as_bool());
    // A small model is packed in a moment: nothing is kept for it unasked.
    fs::remove(model / "hearth.panels");
    EXPECT_EQ(run({"run", model.string(), "Hello", "--max-tokens", "2"}).exit_code, 0);
    EXPECT_FALSE(fs::exists(model / "hearth.panels"));
}

TEST_F(CommandsTest, MeasuringCommandsSpeakJson) {
    const fs::path record = folder_ / "bench.json";
    const Outcome ran = run({"--json", "bench", "--prompt", "64,16", "--depth", "0,40", "--batch", "1,3",
                             "--decode", "8", "--repeats", "2"});
    const Json bench = ran.json();
    for (const char* key : {"prefill_tokens_per_second", "decode_tokens_per_second", "weight_bytes"})
        EXPECT_GT(bench.at(key).to_number<double>(), 0) << key;
    EXPECT_GT(bench.at("ceilings").at("read_bytes_per_second").to_number<double>(), 0);
    const auto& points = bench.at("points").as_array();
    ASSERT_EQ(points.size(), 6u);  // two prompts, two depths with two batches
    for (const Json& point : points) {
        const double speed = point.at("tokens_per_second").to_number<double>();
        EXPECT_LE(point.at("slowest").to_number<double>(), speed);
        EXPECT_GE(point.at("fastest").to_number<double>(), speed);
        EXPECT_GT(point.at("share_of_bandwidth").to_number<double>(), 0);
    }
    // ember: 6 layers, a query width of 512; linears of 3.78M weights in the layers and a head of 2048 x 256.
    // A token at mean depth 1 + 2 * 8 / 2 = 9 sees 10 positions: 4 * 512 * 10 operations a layer.
    const double linears = 6 * (512.0 * 256 + 2 * 128 * 256 + 256 * 512 + 3 * 768 * 256) + 2048.0 * 256;
    EXPECT_DOUBLE_EQ(points[2].at("operations_per_token").to_number<double>(),
                     2 * linears + 6 * 4 * 512 * 10.0);

    ASSERT_OK(write_whole(record, ran.out));
    const Json again = run({"--json", "bench", "--prompt", "16", "--decode", "8", "--repeats", "2",
                            "--compare", record.string()})
                           .json();
    EXPECT_EQ(again.at("compare").as_array().size(), 2u);  // that prompt, and depth 0 with batch 1
    EXPECT_EQ(run({"bench", "--compare", (folder_ / "none").string()}).exit_code, 3);
    ASSERT_OK(write_whole(record, "{\"points\": [{\"phase\": \"decode\", \"tokens_per_second\": -1}]}"));
    EXPECT_EQ(run({"bench", "--prompt", "8", "--decode", "1", "--compare", record.string()}).exit_code, 4);
    const Json plan = run({"--json", "plan", "--context", "64"}).json();
    EXPECT_EQ(plan.at("parameters").as_int64(), 6'033'408);
    EXPECT_EQ(run({"plan", "Llama-3.3-70B", "--on", "no such card"}).exit_code, 3);
    const Json there =
        run({"--json", "plan", "Llama-3.3-70B", "--type", "q4_k_m", "--on", "2x RTX 3090"}).json();
    EXPECT_EQ(there.at("answer").as_string(), "fits");
    EXPECT_GT(there.at("decode").at("high").to_number<double>(),
              there.at("decode").at("low").to_number<double>());
    const Json doctor = run({"--json", "doctor"}).json();
    EXPECT_GE(doctor.at("cores_usable").as_int64(), 1);
}

}  // namespace
}  // namespace hearth::tests
