// plan/point_row.h - a row of a points file as inputs of the predictor: what it does not say is inferred from
// names, or the row is skipped and says why.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "plan/csv.h"
#include "plan/speed.h"

namespace hearth::plan {

struct PointRow {
    SpeedInputs inputs;
    std::optional<double> decode, prefill;        // measured tokens a second
    std::string decode_skipped, prefill_skipped;  // why one is not predicted; empty: it is
};

// Errors: corrupt (a cell that is no number or out of its range), with the line and the column.
Result<PointRow> read_point_row(const CsvTable& table, std::size_t row);

}  // namespace hearth::plan
