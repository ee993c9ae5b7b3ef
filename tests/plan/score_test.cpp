// tests/plan/score_test.cpp - the predictor against measured points, whole devices held out; bad files.
#include "plan/score.h"

#include <gtest/gtest.h>

#include "material.h"
#include "plan/csv.h"

namespace hearth::plan {
namespace {

TEST(Score, DevicesHeldOutStayWithinTheBounds) {
    HEARTH_NEEDS_SHARED("notes/measured_points.csv");
    const auto score = score_file(tests::shared("notes/measured_points.csv").string());
    ASSERT_OK(score);
    const ErrorSummary decode = score->summary(false, true), fitted = score->summary(false, false),
                       prefill = score->summary(true, true);
    fmt::print("decode, devices held out: {} points, median {:.1f} %, 90th percentile {:.1f} %\n", decode.n,
               100 * decode.median, 100 * decode.p90);
    fmt::print("decode, all points: median {:.1f} %, 90th percentile {:.1f} %\n", 100 * fitted.median,
               100 * fitted.p90);
    fmt::print("prefill, devices held out: {} points, median {:.1f} %, 90th percentile {:.1f} %\n", prefill.n,
               100 * prefill.median, 100 * prefill.p90);
    EXPECT_GE(decode.n, 140u);
    EXPECT_LE(decode.median, 0.12);
    EXPECT_LE(decode.p90, 0.30);
    EXPECT_GE(prefill.n, 90u);
    EXPECT_LE(prefill.median, 0.20);
    EXPECT_LE(prefill.p90, 0.70);
    EXPECT_GE(score->share_inside(true), 0.85);
    EXPECT_EQ(score->skipped.size(), 2u);  // both marked as outliers
    for (const ScoredPoint& point : score->points) EXPECT_TRUE(point.held_out.has_value()) << point.device;
    EXPECT_GE(score->share_inside(false), 0.85);
}

constexpr const char* kHeader =
    "id,device,n_dev,bw_gbs,backend,model,quant,arch,params_b,active_b,n_layers,kv_b_per_tok_fp16,file_gib,"
    "read_gb_per_tok,ctx_depth,batch,pp_n,pp_tps,tg_tps,wall_w,placement,note,source\n";

TEST(Score, UnknownDevicesAreTakenByTheirBandwidth) {
    const auto score =
        score_text(std::string(kHeader) +
                       "1,Some New Card,1,1000,llama.cpp cuda,Llama-3-8B,Q8_0,dense,8.03,8.03,32,"
                       "131072,,8.0,0,1,512,,100,,gpu,\"a, b\",x\n",
                   "points.csv");
    ASSERT_OK(score);
    ASSERT_EQ(score->points.size(), 1u);
    EXPECT_FALSE(score->points[0].held_out.has_value());
    EXPECT_GT(score->points[0].predicted, 60);
    EXPECT_LT(score->points[0].predicted, 125);  // 1000 / 8: nothing reads faster than its memory
}

TEST(Score, RowsAreReadByTheWordsPeopleUse) {
    const auto predicted = [](const std::string& row) {
        const auto score =
            score_text("device,model,quant,bw_gbs,backend,arch,placement,note,n_dev,tg_tps,pp_tps\n" + row,
                       "points.csv");
        EXPECT_OK(score);
        return score && !score->points.empty() ? score->points[0].predicted : 0;
    };
    // No size, no layers, no bandwidth: the name of the model and the table have them.
    const double plain = predicted("NVIDIA GeForce RTX 3090,Llama-3-8B,Q4_K_M,,,,,,,100,\n");
    EXPECT_NEAR(plain, 118, 25);  // 115 and 118 are measured for it
    for (const char* name : {"rtx 3090", "RTX 3090"})
        EXPECT_EQ(predicted(std::string(name) + ",Llama-3-8B,q4_k_m,936,llama.cpp,dense,gpu,,1,100,\n"),
                  plain);
    // A mixture by its name alone reads a tenth of what it holds.
    EXPECT_GT(predicted("RTX 3090,Qwen3-30B-A3B,Q4_K_M,936,,,,,,100,\n"),
              3 * predicted("RTX 3090,Qwen3-32B,Q4_K_M,936,,,,,,100,\n"));
    // Four that split each layer are faster than one; four that deal the layers are not.
    const double one = predicted("RTX 3090,Llama-3-70B,AWQ,936,vLLM,,,,1,20,\n");
    EXPECT_GT(predicted("RTX 3090,Llama-3-70B,AWQ,936,vLLM TP4,,,,4,20,\n"), 2 * one);
    EXPECT_EQ(predicted("RTX 3090,Llama-3-70B,AWQ,936,vLLM,,,over http,4,20,\n"), one);
    // Processors and Macs by their names.
    EXPECT_LT(predicted("EPYC 9354 8ch,Llama-3-8B,Q8_0,307,llama.cpp,,cpu,,1,20,\n"), 307 / 8.5);
    EXPECT_LT(predicted("Apple M9 Max,Llama-3-8B,Q4_K_M,1000,llama.cpp metal,,,,1,20,\n"), 1000 / 4.8);
    // Odd names of types: bits by what they look like.
    const double eight = predicted("RTX 3090,Llama-3-8B,w8a8-int8,936,,,,,,100,\n"),
                 sixteen = predicted("RTX 3090,Llama-3-8B,fp16,936,,,,,,100,\n");
    EXPECT_GT(eight, 1.5 * sixteen);
    EXPECT_GT(predicted("RTX 3090,Llama-3-8B,IQ2_XXS,936,,,,,,100,\n"), eight);
    // A row that says too little is listed, and the others are predicted.
    const auto score = score_text(
        "device,model,quant,tg_tps\nRTX 3090,Mystery,Q8_0,10\nNo Such,Llama-3-8B,Q8_0,10\n"
        "RTX 3090,Llama-3-8B,Q8_0,90\n",
        "points.csv");
    ASSERT_OK(score);
    EXPECT_EQ(score->points.size(), 1u);
    ASSERT_EQ(score->skipped.size(), 2u);
    EXPECT_EQ(score->skipped[0], "points.csv:2: decode: no size of the model");
}

TEST(Score, BadFilesNameThePlace) {
    const auto fault = [](const std::string& text) {
        const auto score = score_text(text, "p.csv");
        return score ? std::string("accepted") : score.error().message;
    };
    EXPECT_NE(fault("").find("p.csv: expected a header"), std::string::npos);
    EXPECT_NE(fault("a,b\n1,2\n").find("column device"), std::string::npos);
    EXPECT_NE(fault("a,a\n").find("once"), std::string::npos);
    EXPECT_NE(fault(std::string(kHeader) + "1,2\n").find("p.csv:2: expected 23 cells, saw 2"),
              std::string::npos);
    EXPECT_NE(fault(std::string(kHeader) + "1,\"open").find("p.csv:2: expected a closing quote"),
              std::string::npos);
    const std::string row = "1,RTX 3090,1,936,llama.cpp,M,Q8_0,dense,8,8,32,0,,8,0,1,512,,100,,gpu,,s\n";
    EXPECT_EQ(fault(kHeader + row), "accepted");
    for (const auto& [from, to] : {std::pair<std::string, std::string>{",936,", ",fast,"},
                                   {",936,", ",0,"},
                                   {",936,", ",nan,"},
                                   {",936,", ",1e999,"},
                                   {",100,", ",-1,"},
                                   {",32,", ",0,"}}) {
        std::string bad = row;
        bad.replace(bad.find(from), from.size(), to);
        EXPECT_NE(fault(kHeader + bad).find("p.csv:2"), std::string::npos)
            << to << ": " << fault(kHeader + bad);
    }
    for (std::size_t n = 0; n < row.size(); ++n) fault(kHeader + row.substr(0, n));
}

TEST(Devices, AreFoundByNameAndNumber) {
    EXPECT_EQ(find_device("rtx 5090")->read_bytes_per_second, 1792e9);
    EXPECT_EQ(find_device("MI100")->name, "MI100 32GB");
    EXPECT_EQ(find_device("RTX 9999").error().fault, Fault::not_found);
    EXPECT_NE(find_device("A100").error().message.find("A100 80GB SXM"), std::string::npos);
    const auto groups = parse_devices("4x MI100 + 2x RTX 3090+Raspberry Pi 5");
    ASSERT_OK(groups);
    ASSERT_EQ(groups->size(), 3u);
    EXPECT_EQ((*groups)[0].n, 4);
    EXPECT_EQ((*groups)[2].device.memory_bytes, 16 * 0x1p30);
    for (const char* bad : {"", "0x MI100", "99999x MI100", "-1x MI100", "+", "GPU that is not"})
        EXPECT_FALSE(parse_devices(bad).has_value()) << bad;
    // Bandwidth is bus width times rate: a specification that says otherwise is a mistake (HBM and DDR alike
    // lie between a board's 17 GB/s and 8 TB/s).
    for (const Device& device : devices()) {
        EXPECT_GT(device.read_bytes_per_second, 15e9) << device.name;
        EXPECT_LT(device.read_bytes_per_second, 8.1e12) << device.name;
        EXPECT_GT(device.memory_bytes, 0) << device.name;
    }
}

}  // namespace
}  // namespace hearth::plan
