// audit/plot.h - the two plots of a report as static inline SVG; colours come from the page's style sheet.
#pragma once

#include <string>
#include <string_view>

#include "audit/report.h"

namespace hearth::audit {

// Text that is safe between tags and within quoted attributes. Bytes that no XML allows become U+FFFD.
std::string escaped(std::string_view text);

// One row a task: the difference variant - base in points with its interval, a band for the margin, a line
// at zero.
std::string difference_plot(const Report& report);

// Tokens by log10 of their KL divergence, half a decade a bar; exact zeros and tiny values on the left.
std::string divergence_plot(const Divergence& divergence);

}  // namespace hearth::audit
