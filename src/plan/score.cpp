// plan/score.cpp - rows of a points file become inputs of the predictor.
#include "plan/score.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/file.h"
#include "base/limits.h"
#include "base/terminal.h"
#include "plan/csv.h"
#include "plan/point_row.h"

namespace hearth::plan {
namespace {

void add_point(const CsvTable& table, std::size_t row, const SpeedInputs& in, bool prefill, double measured,
               std::vector<ScoredPoint>& points) {
    const auto predict = prefill ? &prefill_speed : &decode_speed;
    const Speed speed = predict(in, {});
    ScoredPoint point;
    point.id = table.cell(row, "id");
    point.device = table.cell(row, "device");
    point.model = table.cell(row, "model");
    point.quantization = table.cell(row, "quant");
    point.engine = table.cell(row, "backend");
    point.is_prefill = prefill;
    point.measured = measured;
    point.predicted = speed.tokens_per_second;
    point.low = speed.low;
    point.high = speed.high;
    if (const auto fold = fold_of(point.device)) point.held_out = predict(in, fold).tokens_per_second;
    points.push_back(std::move(point));
}

std::string percent(double x) { return fmt::format("{:+.0f} %", 100 * x); }

}  // namespace

ErrorSummary Score::summary(bool prefill, bool held_out) const {
    std::vector<double> errors;
    for (const ScoredPoint& point : points)
        if (point.is_prefill == prefill)
            errors.push_back(std::fabs(held_out ? point.honest_error() : point.error()));
    std::sort(errors.begin(), errors.end());
    if (errors.empty()) return {};
    const auto quantile = [&](double q) {  // as NumPy: linear between neighbours
        const double at = q * static_cast<double>(errors.size() - 1);
        const auto low = static_cast<std::size_t>(at), high = std::min(low + 1, errors.size() - 1);
        return errors[low] + (at - static_cast<double>(low)) * (errors[high] - errors[low]);
    };
    return {errors.size(), quantile(0.5), quantile(0.9)};
}

double Score::share_inside(bool prefill) const {
    double inside = 0, n = 0;
    for (const ScoredPoint& point : points)
        if (point.is_prefill == prefill) {
            n += 1;
            inside += point.measured >= point.low && point.measured <= point.high ? 1 : 0;
        }
    return n > 0 ? inside / n : 0;
}

Result<Score> score_text(std::string_view text, std::string_view where) {
    HEARTH_TRY(const CsvTable table, CsvTable::parse(text, where));
    for (const char* column : {"device", "model", "quant"})
        if (!table.has_column(column))
            return fail(Fault::corrupt, "{}: expected a column {}, saw none", where, column);
    Score score;
    std::vector<ScoredPoint> prefills;
    for (std::size_t row = 0; row < table.n_rows(); ++row) {
        HEARTH_TRY(const PointRow point, read_point_row(table, row));
        const auto take = [&](bool prefill, const std::optional<double>& measured, const std::string& skipped,
                              std::vector<ScoredPoint>& to) {
            if (!measured) return;
            if (skipped.empty())
                add_point(table, row, point.inputs, prefill, *measured, to);
            else
                score.skipped.push_back(
                    fmt::format("{}: {}: {}", table.place(row), prefill ? "prefill" : "decode", skipped));
        };
        take(false, point.decode, point.decode_skipped, score.points);
        take(true, point.prefill, point.prefill_skipped, prefills);
    }
    std::move(prefills.begin(), prefills.end(), std::back_inserter(score.points));
    return score;
}

Result<Score> score_file(const std::string& path) {
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    return score_text(text, path);
}

std::string score_text(const Score& score) {
    using enum Table::Align;
    Table points({{"id"},
                  {"device"},
                  {"model"},
                  {"weights"},
                  {"measured", right},
                  {"predicted", right},
                  {"error", right},
                  {"device held out", right}});
    for (const ScoredPoint& p : score.points)
        if (!p.is_prefill)
            points.add({p.id, p.device.substr(0, 28), p.model.substr(0, 20), p.quantization.substr(0, 14),
                        fmt::format("{:.1f}", p.measured), fmt::format("{:.1f}", p.predicted),
                        percent(p.error()), p.held_out ? percent(p.honest_error()) : "-"});
    Table sums({{"tokens per second"},
                {"points", right},
                {"median error", right},
                {"90th percentile", right},
                {"inside the interval", right}});
    const auto add = [&](const char* name, bool prefill, bool held_out) {
        const ErrorSummary s = score.summary(prefill, held_out);
        if (s.n > 0)
            sums.add({name, fmt::format("{}", s.n), fmt::format("{:.1f} %", 100 * s.median),
                      fmt::format("{:.1f} %", 100 * s.p90),
                      held_out ? "" : fmt::format("{:.0f} %", 100 * score.share_inside(prefill))});
    };
    add("decode", false, false);
    add("decode, device held out", false, true);
    add("prefill", true, false);
    add("prefill, device held out", true, true);
    std::string out = points.text() + "\n" + sums.text() +
                      "\nHeld out: predicted with coefficients that were fitted without any point of the "
                      "device.\n";
    for (const std::string& reason : score.skipped) out += "Not predicted: " + reason + "\n";
    return out;
}

Json score_json(const Score& score) {
    boost::json::array points;
    for (const ScoredPoint& p : score.points)
        points.push_back({{"id", p.id},
                          {"device", p.device},
                          {"model", p.model},
                          {"quantization", p.quantization},
                          {"phase", p.is_prefill ? "prefill" : "decode"},
                          {"measured", p.measured},
                          {"predicted", p.predicted},
                          {"low", p.low},
                          {"high", p.high},
                          {"error", p.error()},
                          {"held_out", p.held_out ? Json(*p.held_out) : Json(nullptr)}});
    boost::json::array skipped;
    for (const std::string& reason : score.skipped) skipped.emplace_back(reason);
    const auto summary = [&](bool prefill, bool held_out) -> Json {
        const ErrorSummary s = score.summary(prefill, held_out);
        return {{"points", s.n}, {"median", s.median}, {"p90", s.p90}};
    };
    return {{"decode", summary(false, false)}, {"decode_device_held_out", summary(false, true)},
            {"prefill", summary(true, false)}, {"prefill_device_held_out", summary(true, true)},
            {"skipped", std::move(skipped)},   {"points", std::move(points)}};
}

}  // namespace hearth::plan
