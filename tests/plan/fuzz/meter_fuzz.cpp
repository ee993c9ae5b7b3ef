// tests/plan/fuzz/meter_fuzz.cpp - readings of a wall meter: levels of what was accepted are in order.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plan/meter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::plan;
    const auto reading = meter_of({reinterpret_cast<const char*>(data), size}, "meter.csv");
    if (!reading) return 0;
    if (!(reading->idle_watts >= 0 && reading->idle_watts <= reading->load_watts)) std::abort();
    if (!(reading->load_share > 0 && reading->load_share < 1 + 1e-9)) std::abort();
    return 0;
}
