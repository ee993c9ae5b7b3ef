// tests/plan/server_metrics_test.cpp - quotients of a page's counters, worked by hand, and broken pages.
#include "plan/server_metrics.h"

#include <gtest/gtest.h>

#include "base/result.h"
#include "material.h"

namespace hearth::plan {
namespace {

// A day: 6 million tokens read in 3,000 s (2,000 a second), 2 million more found in the cache, 400,000
// written, 380,000 of them in steps of their own of 9,500 s (40 a second), at 0.5 MJ.
constexpr const char* kPage =
    "# HELP hearth_prefill_tokens_total Prompt tokens computed.\n"
    "# TYPE hearth_prefill_tokens_total counter\n"
    "hearth_prefill_tokens_total 6000000\n"
    "hearth_prefill_seconds_total 3000\n"
    "hearth_cached_prompt_tokens_total 2000000\n"
    "hearth_decode_tokens_total 380000\n"
    "hearth_decode_seconds_total 9.5e3\n"
    "hearth_output_tokens_total 400000\n"
    "hearth_answers_open 3\n"
    "another_name{label=\"x\"} 5\n"
    "hearth_uptime_seconds 86400\n"
    "hearth_joules_total 500000\n";

TEST(ServerMetrics, QuotientsOfTheCounters) {
    CostInputs inputs;
    ASSERT_OK(metrics_of(kPage, "page", inputs));
    EXPECT_DOUBLE_EQ(*inputs.speed.prefill_tokens_per_second, 2000);
    EXPECT_DOUBLE_EQ(*inputs.speed.decode_tokens_per_second, 40);
    EXPECT_DOUBLE_EQ(inputs.use.cached_input_share, 0.25);
    EXPECT_DOUBLE_EQ(*inputs.use.input_per_output, 20);
    EXPECT_DOUBLE_EQ(*inputs.use.utilisation, 12500.0 / 86400);
    EXPECT_DOUBLE_EQ(*inputs.speed.counted_decode_watts, 40);
    EXPECT_DOUBLE_EQ(*inputs.speed.counted_prefill_watts, 40);
    EXPECT_EQ(inputs.speed.source, "served, page");
    CostInputs planned;  // what the study assumes of its use stays
    planned.use.output_tokens_per_month = 5e6;
    ASSERT_OK(metrics_of(kPage, "page", planned));
    EXPECT_FALSE(planned.use.utilisation.has_value());
}

std::string without(std::string page, const std::string& name) {
    const std::size_t at = page.find("\n" + name) + 1;
    return page.erase(at, page.find('\n', at) - at + 1);
}

TEST(ServerMetrics, BrokenPagesAreRefused) {
    const auto fault = [](const std::string& page) {
        CostInputs inputs;
        const Status read = metrics_of(page, "page", inputs);
        EXPECT_FALSE(read.has_value()) << page;
        return read ? Error{} : read.error();
    };
    for (const char* name :
         {"hearth_prefill_tokens_total", "hearth_prefill_seconds_total", "hearth_cached_prompt_tokens_total",
          "hearth_decode_tokens_total", "hearth_decode_seconds_total", "hearth_output_tokens_total",
          "hearth_uptime_seconds"}) {
        const std::string rest = without(kPage, name);
        EXPECT_EQ(fault(rest).fault, Fault::corrupt);
        for (const char* odd : {"", " ", " x", " -1", " nan", " inf", " 1e19", " 1 2", " 1e999"}) {
            const Error error = fault(rest + name + odd + "\n");
            EXPECT_EQ(error.fault, Fault::corrupt) << name << odd;
            EXPECT_NE(error.message.find("page:12"), std::string::npos) << error.message;
        }
        EXPECT_EQ(fault(std::string(kPage) + name + " 1\n").fault, Fault::corrupt);  // twice
        const std::string_view is(name);
        if (is == "hearth_cached_prompt_tokens_total") continue;  // none in the cache is fine
        EXPECT_EQ(fault(rest + name + " 0\n").fault,
                  is == "hearth_uptime_seconds" ? Fault::corrupt : Fault::usage)
            << name;
    }
    EXPECT_EQ(fault("").fault, Fault::corrupt);
    CostInputs inputs;  // no counters of energy: no watts
    ASSERT_OK(metrics_of(without(kPage, "hearth_joules_total"), "page", inputs));
    EXPECT_FALSE(inputs.speed.counted_decode_watts.has_value());
}

TEST(ServerMetrics, CutOffAnywhere) {
    const std::string page = kPage;
    for (std::size_t n = 0; n < page.size(); ++n) {
        CostInputs inputs;
        if (metrics_of(std::string_view(page).substr(0, n), "page", inputs)) {
            ASSERT_GE(n, page.find("hearth_uptime_seconds "));
        }
    }
}

}  // namespace
}  // namespace hearth::plan
