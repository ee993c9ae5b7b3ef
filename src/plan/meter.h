// plan/meter.h - readings of a meter at the wall: what a machine draws while it waits and while it computes.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "plan/cost.h"

namespace hearth::plan {

struct MeterReading {
    double idle_watts = 0, load_watts = 0;  // medians by time of the two levels
    double load_share = 0;                  // of the time, at the upper level
    double seconds = 0, kilowatt_hours = 0;
};

// A CSV with the columns `time` (seconds, or 2026-11-23T21:35:08 with an optional fraction and Z) and
// `watts`; others are passed over. Times rise. A reading holds until the next, and no longer than ten usual
// intervals: a gap is no reading. The two levels are parted where the variance between them is largest (Otsu
// 1979). Errors: corrupt (with the line), usage (fewer than ten readings, or levels less than a fifth apart:
// one of the two is missing).
Result<MeterReading> meter_of(std::string_view text, std::string_view where);
Result<MeterReading> read_meter(const std::filesystem::path& file);

void use_meter(const MeterReading& reading, CostInputs& inputs);  // idle and load watts

}  // namespace hearth::plan
