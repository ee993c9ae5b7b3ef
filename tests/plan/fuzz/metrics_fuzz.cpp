// tests/plan/fuzz/metrics_fuzz.cpp - pages of a server's counters: what was accepted are speeds and shares.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plan/server_metrics.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::plan;
    CostInputs inputs;
    if (!metrics_of({reinterpret_cast<const char*>(data), size}, "page", inputs)) return 0;
    if (!(*inputs.speed.prefill_tokens_per_second > 0) || !(*inputs.speed.decode_tokens_per_second > 0))
        std::abort();
    if (!(inputs.use.cached_input_share >= 0 && inputs.use.cached_input_share <= 1)) std::abort();
    if (!(*inputs.use.utilisation >= 0 && *inputs.use.utilisation <= 1)) std::abort();
    return 0;
}
