// plan/uncertain.h - inputs that nobody knows exactly: one at a time (a tornado) and all together (Monte
// Carlo with correlations and a fixed seed, so that anyone gets the same numbers).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/investment.h"

namespace hearth::plan {

// One field of the cost file as a distribution.
struct Uncertain {
    enum class Kind { uniform, triangular, normal } kind = Kind::uniform;
    std::string field;  // as "api.output_per_million"
    double low = 0, mode = 0,
           high = 0;     // normal: low and high are the 10th and 90th percentiles about their middle
    std::string source;  // where the range is from
    [[nodiscard]] double at(double quantile) const;
};
struct Correlation {
    std::string a, b;
    double of = 0;  // of the normal scores, -1 to 1
};
struct Uncertainty {
    std::vector<Uncertain> inputs;
    std::vector<Correlation> correlations;
};
// [[uncertain]] and [[correlation]] of a cost file. Errors: usage, with the line.
Result<Uncertainty> read_uncertainty(const std::filesystem::path& path);
Result<Uncertainty> uncertainty_of(std::string_view text, const std::filesystem::path& path);

struct TornadoRow {
    std::string field;
    double at_low = 0, at_high = 0;          // the field at its 10th and 90th percentile
    double npv_at_low = 0, npv_at_high = 0;  // all others as the file has them
    [[nodiscard]] double swing() const {
        return npv_at_high > npv_at_low ? npv_at_high - npv_at_low : npv_at_low - npv_at_high;
    }
};
struct Quantiles {
    double p5 = 0, p50 = 0, p95 = 0;
};
struct MonteCarlo {
    int draws = 0, refused = 0;  // refused: combinations that make no sense, drawn again
    std::uint64_t seed = 0;
    Quantiles npv, per_million;  // per million output tokens with their input
    double pays_off = 0;         // share with an NPV above 0
    double pays_back = 0;        // share whose capital is paid within the hardware's months
    // By month: of the sum of nets less the capital; of what own hardware and the API have cost by then.
    std::vector<Quantiles> cumulative, cumulative_own, cumulative_api;
};
// Errors: usage (an unknown field, a range that is none, correlations that contradict each other).
Result<std::vector<TornadoRow>> tornado(const CostInputs& inputs, const Uncertainty& uncertainty);
Result<MonteCarlo> monte_carlo(const CostInputs& inputs, const Uncertainty& uncertainty, int draws,
                               std::uint64_t seed);

// Sets a field by its name. Errors: usage.
Status set_field(CostInputs& inputs, std::string_view field, double value);

}  // namespace hearth::plan
