// tests/plan/fuzz/cost_fuzz.cpp - cost files: inputs, what is uncertain, and every sum over what was
// accepted.
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "plan/cost_report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::plan;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    CostInputs inputs;
    if (!read_cost_text(text, "cost.toml", inputs)) return 0;
    const auto report = cost(inputs);
    if (!report) return 0;
    CostStudy study;
    study.report = *report;
    study.investment = invest(*report);
    if (const auto uncertainty = uncertainty_of(text, "cost.toml");
        uncertainty && !uncertainty->inputs.empty()) {
        if (const auto rows = tornado(inputs, *uncertainty)) study.tornado = *rows;
        if (auto mc = monte_carlo(inputs, *uncertainty, 20, 1)) study.monte_carlo = std::move(*mc);
    }
    (void)study_text(study);
    (void)study_json(study);
    (void)study_html(study);
    if (std::isnan(report->total) || std::isnan(study.investment.npv)) std::abort();
    return 0;
}
