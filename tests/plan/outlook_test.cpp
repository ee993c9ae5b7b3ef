// tests/plan/outlook_test.cpp - memory in types against the sizes of published files, and the answers that
// are known: what ran where, what cannot.
#include "plan/outlook.h"

#include <gtest/gtest.h>

#include "material.h"

namespace hearth::plan {
namespace {

TEST(Memory, TypesGiveTheSizesOfPublishedFiles) {
    struct Row {
        const char *model, *type;
        double gb, tolerance;  // as the model's page lists the file
    };
    for (const Row& row : {Row{"Llama-3.3-70B", "q4_k_m", 42.5125, 0.01},   // 42,512,531,712 bytes
                           Row{"Llama-3.1-8B", "q4_k_m", 4.92, 0.01},       //
                           Row{"Llama-3.1-8B", "q8_0", 8.54, 0.005},        //
                           Row{"Qwen3-30B-A3B", "q4_k_m", 18.56, 0.01},     //
                           Row{"Step-3.7-Flash", "iq4_xs", 104.99, 0.005},  //
                           Row{"gpt-oss-20b", "mxfp4", 13.76, 0.01},        //
                           Row{"gpt-oss-120b", "mxfp4", 65.25, 0.01}}) {
        SCOPED_TRACE(std::string(row.model) + " " + row.type);
        const auto type = find_weight_type(row.type);
        ASSERT_OK(type);
        const MemoryBill bill = memory_bill(find_shape(row.model).value(), &*type, {.context = 1});
        EXPECT_NEAR(bill.weights / 1e9, row.gb, row.gb * row.tolerance);
    }
}

OutlookRequest request(const char* model, const char* type, const char* on, double memory_gb = 0) {
    OutlookRequest r;
    r.shape = find_shape(model).value();
    r.type = find_weight_type(type).value();
    r.devices = parse_devices(on).value();
    r.host_bytes = memory_gb * 1e9;
    return r;
}

TEST(Outlook, StepFlashDoesNotFitSixteenGigabytes) {
    OutlookRequest r = request("Step-3.7-Flash", "iq4_xs", "Ryzen 9 7950X 2ch DDR5-6000", 16);
    r.use.context = 8192;
    auto o = outlook(r);
    ASSERT_OK(o);
    EXPECT_EQ(o->answer, Answer::does_not_fit);
    EXPECT_NEAR(o->bill.weights / 1e9, 105.0, 0.5);
    EXPECT_EQ(o->bill.biggest().name, "experts weights");
    EXPECT_FALSE(o->decode.has_value());
    const std::string text = outlook_text(*o);
    EXPECT_NE(text.find("streaming experts from disk"), std::string::npos) << text;
    EXPECT_NE(text.find("bits a weight"), std::string::npos) << text;
    // With a disk of 5 GB/s: 2.81 GB of experts a token, a small cache: 1.5 to 2.1 tokens/s by arithmetic.
    r.disk_read_bytes_per_second = 5e9;
    o = outlook(r);
    ASSERT_OK(o);
    EXPECT_EQ(o->answer, Answer::streams);
    EXPECT_NEAR(o->bill.routed_per_token / 1e9, 2.81, 0.02);
    EXPECT_GT(o->decode->tokens_per_second, 1.3);
    EXPECT_LT(o->decode->tokens_per_second, 2.2);
}

TEST(Outlook, SeventyBillionOnALaptopOfThreeHundredGigabytesASecond) {
    OutlookRequest r = request("Llama-3.3-70B", "nvfp4", "RTX Spark / N1X laptop");
    r.use.context = 512;
    const auto o = outlook(r);
    ASSERT_OK(o);
    EXPECT_EQ(o->answer, Answer::fits);
    EXPECT_GT(o->ceiling, 6);
    EXPECT_LT(o->ceiling, 7.5);
    EXPECT_LT(o->decode->tokens_per_second, o->ceiling);
    EXPECT_GT(o->decode->high, 6);
    EXPECT_LE(o->decode->high, o->ceiling);
    // Its sibling measures 4.0 to 4.7 (273 GB/s).
    const auto spark = outlook(request("Llama-3.3-70B", "q4_k_m", "DGX Spark"));
    ASSERT_OK(spark);
    EXPECT_LE(spark->decode->low, 4.7);
    EXPECT_GE(spark->decode->high, 4.0);
    EXPECT_GT(spark->decode->tokens_per_second, 3.5);
    EXPECT_LT(spark->decode->tokens_per_second, 5.5);
}

TEST(Outlook, OffloadsWhatTheCardCannotHold) {
    const auto dense = outlook(request("Llama-3.3-70B", "q4_k_m", "RTX 3090", 64));
    ASSERT_OK(dense);
    EXPECT_EQ(dense->answer, Answer::fits_with_offload);
    EXPECT_NE(dense->how.find("layers in the host's memory"), std::string::npos);
    const auto two = outlook(request("Llama-3.3-70B", "q4_k_m", "2x RTX 3090", 64));
    ASSERT_OK(two);
    EXPECT_EQ(two->answer, Answer::fits);
    EXPECT_GT(two->decode->tokens_per_second, 4 * dense->decode->tokens_per_second);
    const auto mixture = outlook(request("Qwen3-30B-A3B", "q4_k_m", "RTX 3060 12GB", 64));
    ASSERT_OK(mixture);
    EXPECT_EQ(mixture->answer, Answer::fits_with_offload);
    EXPECT_NE(mixture->how.find("experts"), std::string::npos);
    EXPECT_GT(mixture->context_max, 8192);
}

TEST(Outlook, ThePageHoldsTheBars) {
    const auto o = outlook(request("Llama-3.3-70B", "q4_k_m", "2x RTX 3090", 64));
    ASSERT_OK(o);
    const std::string page = outlook_html(*o);
    std::size_t plots = 0, bars = 0;
    for (std::size_t at = page.find("<svg"); at != std::string::npos; at = page.find("<svg", at + 1)) ++plots;
    for (std::size_t at = page.find("class=\"bar\""); at != std::string::npos;
         at = page.find("class=\"bar\"", at + 1))
        ++bars;
    EXPECT_EQ(plots, 3u);
    EXPECT_EQ(bars, o->bill.terms.size() + 1 + weight_types().size() + o->decode->terms.size());
    EXPECT_NE(page.find("class=\"limit\""), std::string::npos);
    EXPECT_EQ(page.find("http"), std::string::npos);  // nothing is fetched
    OutlookRequest odd = request("Qwen3-8B", "nvfp4", "RTX 5090");
    odd.shape.name = "<script>\"&";
    EXPECT_EQ(outlook_html(*outlook(odd)).find("<script>"), std::string::npos);
}

TEST(Outlook, NonsenseIsRefusedByField) {
    const auto fault = [](auto&& change) {
        OutlookRequest r = request("Qwen3-8B", "nvfp4", "RTX 5090", 64);
        change(r);
        const auto o = outlook(r);
        return o ? std::string("accepted") : o.error().message;
    };
    EXPECT_EQ(fault([](OutlookRequest&) {}), "accepted");
    EXPECT_EQ(fault([](OutlookRequest& r) { r.use.context = 1 << 30; }).find("context:"), 0u);
    EXPECT_EQ(fault([](OutlookRequest& r) { r.use.sequences = 0; }).find("sequences:"), 0u);
    EXPECT_EQ(fault([](OutlookRequest& r) { r.host_read_bytes_per_second = -1; }).find("ram_bandwidth:"), 0u);
    EXPECT_EQ(fault([](OutlookRequest& r) { r.host_bytes = -1; }).find("memory:"), 0u);
    EXPECT_EQ(fault([](OutlookRequest& r) { r.devices.clear(); }).find("devices:"), 0u);
    EXPECT_EQ(fault([](OutlookRequest& r) {
                  r.devices = parse_devices("EPYC 9554").value(), r.host_bytes = 0;
              }).find("memory:"),
              0u);
    EXPECT_FALSE(find_weight_type("q4_x_s").has_value());
}

}  // namespace
}  // namespace hearth::plan
