// tests/plan/scenario_test.cpp - the scenarios of examples/, cluster files, overrides, and files that make no
// sense.
#include "plan/scenario.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "material.h"

namespace hearth::plan {
namespace {

Outlook example(const char* name) {
    const auto scenario = read_scenario(tests::source_dir() / "examples" / name);
    EXPECT_OK(scenario);
    const auto o = outlook(scenario->request);
    EXPECT_OK(o);
    return *o;
}

TEST(Scenario, StepFlashOnSixteenGigabytes) {
    const Outlook o = example("plan-step-flash-16gb.toml");
    EXPECT_EQ(o.answer, Answer::streams);
    EXPECT_NEAR(o.bill.weights / 1e9, 105, 0.5);
    EXPECT_LT(o.decode->tokens_per_second, 2.2);
    EXPECT_FALSE(o.what_would.empty());
}

TEST(Scenario, SeventyBillionOnAnN1xLaptop) {
    const Outlook o = example("plan-n1x-70b.toml");
    EXPECT_EQ(o.answer, Answer::fits);
    EXPECT_GE(o.ceiling, 6);
    EXPECT_LE(o.ceiling, 7.5);
    EXPECT_LE(o.decode->high, o.ceiling);
}

TEST(Scenario, FourCardsOfThePublishedServer) {
    const Outlook o = example("plan-mi100-server.toml");
    EXPECT_EQ(o.answer, Answer::fits);
    EXPECT_LE(o.decode->low, 65);  // what another owner of four such cards measured, in four bits
    EXPECT_GE(o.decode->high, 65);
    EXPECT_EQ(o.board_watts, 4 * 290);
}

TEST(Scenario, FourNodes) {
    const Outlook o = example("plan-four-node-cluster.toml");
    EXPECT_EQ(o.request.nodes, 4);
    EXPECT_EQ(o.request.devices[0].n, 4);
    EXPECT_EQ(o.answer, Answer::fits);  // 209 GB of weights in 4 x 96 GB
    EXPECT_EQ(o.board_watts, 4 * 600);
    // Three crossings of 30 us and 16 kB each at 25 Gbit/s.
    double network = 0;
    for (const SpeedTerm& term : o.decode->terms)
        if (term.name == "host and network") network = term.seconds;
    EXPECT_NEAR(network, 3 * (30e-6 + 4.0 * 4096 / (25e9 / 8)), 1e-9);
}

TEST(Scenario, NvFp4OfAMixture) {
    const Outlook o = example("plan-nvfp4-qwen3.6.toml");
    EXPECT_EQ(o.answer, Answer::fits);
    EXPECT_NEAR(o.bill.weights / 1e9, 21.0, 0.3);
    EXPECT_EQ(o.request.use.sequences, 4);
}

TEST(Scenario, OverridesChangeOneField) {
    auto scenario = read_scenario(tests::source_dir() / "examples/plan-n1x-70b.toml");
    ASSERT_OK(scenario);
    const double before = outlook(scenario->request)->ceiling;
    override_hardware({.bandwidth_gbs = 600}, scenario->request);
    EXPECT_NEAR(outlook(scenario->request)->ceiling, 2 * before, 1e-9);
    override_hardware({.vram_gb = 32}, scenario->request);
    EXPECT_NE(outlook(scenario->request)->answer, Answer::fits);
    override_hardware({.load_watts = 33, .ram_gb = 256}, scenario->request);
    EXPECT_EQ(outlook(scenario->request)->answer,
              Answer::fits);  // unified: the machine's memory is the device's
    EXPECT_EQ(outlook(scenario->request)->board_watts, 33);
}

std::string fault(const std::string& text) {
    const auto scenario = scenario_of(text, "s.toml");
    if (!scenario) return scenario.error().message;
    const auto o = outlook(scenario->request);
    return o ? "accepted" : o.error().message;
}

TEST(Scenario, NonsenseNamesTheFieldAndLine) {
    const std::string good = "model = \"Qwen3-8B\"\n[[device]]\nname = \"RTX 5090\"\n";
    EXPECT_EQ(fault(good), "accepted");
    for (const auto& [text, says] :
         {std::pair<std::string, const char*>{"", "model: expected a text"},
          {"model = 3\n", "s.toml:1: model: expected a text in quotes"},
          {"model = \"No-Such-Model\"\n[[device]]\nname = \"RTX 5090\"\n", "s.toml:1: model: No-Such-Model"},
          {"model = \"Qwen3-8B\"\n", "device: expected tables"},
          {"type = \"q4_x_s\"\n" + good, "type: expected one of"},
          {"context = -1\n" + good, "context: expected 0 to"},
          {"context = 1e300\n" + good, "context: expected 0 to"},
          {"context = nan\n" + good, "context: expected a finite number"},
          {"context = 9999999\n" + good, "context: expected 1 to"},
          {"sequences = 0\n" + good, "sequences: expected 1 to"},
          {"kv = \"q3\"\n" + good, "kv: expected f32, bf16, fp8 or q8, saw \"q3\""},
          {"tensor_parallel = 1\n" + good, "tensor_parallel: expected true or false"},
          {"ram_gb = -1\n" + good, "ram_gb: expected 0 to"},
          {"disk_gbs = \"fast\"\n" + good, "disk_gbs: expected a number"},
          {"colour = \"red\"\n" + good, "s.toml:1: colour: expected one of"},
          {good + "count = 0\n", "device: count: expected 1 to"},
          {good + "load_watts = -5\n", "s.toml:4: device: load_watts: expected 0 to"},
          {good + "bandwidth_gbs = 0\n", "device: bandwidth_gbs: expected"},
          {good + "vram = 32\n", "s.toml:4: device: vram: expected one of"},
          {good + "kind = \"tpu\"\n", "device: kind: expected gpu, cpu or unified"},
          {good + "[[node]]\ndevices = \"RTX 5090\"\n", "node: expected either"},
          {"model = \"Qwen3-8B\"\n[[device]]\nname = \"RTX 9999\"\n",
           "s.toml:3: device: name: device \"RTX 9999\""},
          {"model = \"Qwen3-8B\"\n[[node]]\ncount = 2\n", "node: devices: expected a text"},
          {"model = \"Qwen3-8B\"\n[[node]]\ndevices = \"RTX 5090\"\n[network]\ngbits = 0\n",
           "network: gbits"},
          {"model = \"Qwen3-8B\"\n[[node]]\ndevices = \"1024x RTX 5090\"\ncount = 1024\n", "node: count"},
          {"model = [\n", "expected valid TOML"}})
        EXPECT_NE(fault(text).find(says), std::string::npos) << text << "\n-> " << fault(text);
    for (std::size_t n = 0; n < good.size(); ++n) (void)fault(good.substr(0, n));
}

TEST(Scenario, ClusterFiles) {
    const fs::path path = fs::temp_directory_path() / fmt::format("hearth-cluster-{}.toml", getpid());
    ASSERT_OK(
        write_whole(path,
                    "title = \"two kinds\"\n[[node]]\ncount = 2\ndevices = \"2x RTX 3090\"\nram_gb = 64\n"
                    "[[node]]\ndevices = \"RTX 5090\"\nram_gb = 32\n[network]\ngbits = 10\n"));
    OutlookRequest request;
    ASSERT_OK(read_cluster(path, request));
    EXPECT_EQ(request.nodes, 3);
    ASSERT_EQ(request.devices.size(), 2u);
    EXPECT_EQ(request.devices[0].n, 4);
    EXPECT_NEAR(request.host_bytes, 160e9 / 3, 1);
    EXPECT_EQ(request.link_bytes_per_second, 1.25e9);
    ASSERT_OK(write_whole(path, "[[node]]\ndevices = \"RTX 5090\"\nwatts = 3\n"));
    EXPECT_NE(read_cluster(path, request).error().message.find(":3: node: watts"), std::string::npos);
    ASSERT_OK(write_whole(path, "[network]\ngbits = 10\n"));
    EXPECT_NE(read_cluster(path, request).error().message.find("node: expected tables"), std::string::npos);
    fs::remove(path);
}

}  // namespace
}  // namespace hearth::plan
