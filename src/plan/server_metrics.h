// plan/server_metrics.h - what `hearth serve` counted, from a saved page of its /metrics: speeds, the share
// of input that was in the cache, how busy it was, and the joules where counters could be read.
#pragma once

#include <string_view>

#include "base/result.h"
#include "plan/cost.h"

namespace hearth::plan {

// The text format of Prometheus: comments, and lines of a name and a number; labelled and unknown names are
// passed over. Fills speed.* (with the watts that the counters saw), use.cached_input_share,
// use.input_per_output and, unless use already has it or a volume, use.utilisation. Errors: corrupt (a line,
// a number or an absent name), usage (a server that has not yet read and written).
Status metrics_of(std::string_view text, std::string_view where, CostInputs& inputs);

}  // namespace hearth::plan
