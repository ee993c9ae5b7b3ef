// plan/cost_report.h - a whole study of cost: the month, all months, what is uncertain; as text, JSON and a
// page.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/uncertain.h"

namespace hearth::plan {

struct CostStudy {
    CostReport report;
    Investment investment;
    std::vector<TornadoRow> tornado;  // widest first; empty when nothing is uncertain
    std::optional<MonteCarlo> monte_carlo;
};

std::string study_text(const CostStudy& study);
Json study_json(const CostStudy& study);  // cost_json with "investment", "tornado", "monte_carlo" beside
std::string study_html(const CostStudy& study);  // one page, plots drawn in it, nothing fetched

}  // namespace hearth::plan
