// plan/score.h - the predictor held to measured points: every row of a file predicted, and how far off it
// was.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "plan/speed.h"

namespace hearth::plan {

struct ScoredPoint {
    std::string id, device, model, quantization, engine;
    bool is_prefill = false;
    double measured = 0, predicted = 0, low = 0, high = 0;
    std::optional<double> held_out;  // predicted without the device's own points; absent: it has none
    [[nodiscard]] double error() const { return predicted / measured - 1; }
    // Without its device's points, if it had any.
    [[nodiscard]] double honest_error() const { return held_out.value_or(predicted) / measured - 1; }
};

struct ErrorSummary {
    std::size_t n = 0;
    double median = 0, p90 = 0;  // of the magnitudes
};
struct Score {
    std::vector<ScoredPoint> points;  // decode, then prefill, in the file's order
    std::vector<std::string>
        skipped;  // rows that say too little to predict, or that their source disowns: why
    [[nodiscard]] ErrorSummary summary(bool prefill, bool held_out) const;
    [[nodiscard]] double share_inside(bool prefill) const;  // of the measured within low and high
};

// A file with the columns of docs/plan.md. What a row does not say is inferred from its names: point_row.h.
// Errors: not_found, corrupt (with the line).
Result<Score> score_file(const std::string& path);
Result<Score> score_text(std::string_view text, std::string_view where);

std::string score_text(const Score& score);
Json score_json(const Score& score);

}  // namespace hearth::plan
