// plan/score.cpp - rows of a points file become inputs of the predictor.
#include "plan/score.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <map>

#include "base/file.h"
#include "base/limits.h"
#include "base/terminal.h"
#include "plan/csv.h"

namespace hearth::plan {
namespace {

bool has(std::string_view text, std::string_view piece) { return text.find(piece) != std::string_view::npos; }

struct Mixture {
    std::string_view model;
    double fraction;
};
constexpr Mixture kMixtures[] = {{"gpt-oss-20b", 4.0 / 32},
                                 {"gpt-oss-120b", 4.0 / 128},
                                 {"Qwen3-30B-A3B", 8.0 / 128},
                                 {"Qwen3.6-35B-A3B", 8.0 / 256},
                                 {"Qwen3-235B-A22B", 8.0 / 128}};

// "2x EPYC 9355 12ch DDR5" in a note: bytes a second of the host's memory by channels. One socket counts:
// reads of the other's memory are slow.
double host_bandwidth(std::string_view note) {
    const std::size_t ch = note.find("ch ");
    std::size_t begin = ch;
    while (ch != std::string_view::npos && begin > 0 && note[begin - 1] >= '0' && note[begin - 1] <= '9')
        --begin;
    double channels = 8;
    if (ch != std::string_view::npos && begin < ch)
        std::from_chars(note.data() + begin, note.data() + ch, channels);
    return channels * (has(note, "DDR4") ? 25.6e9 : 38.4e9);
}

Device device_of(const CsvTable& table, std::size_t row, double bandwidth, std::string_view engine) {
    const std::string_view name = table.cell(row, "device");
    for (const Device& device : devices())
        if (device.name == name) return device;
    Device device;
    device.name = name;
    device.maker = has(name, "Apple") || has(engine, "metal")                   ? Maker::apple
                   : has(name, "MI") || has(name, "RX ") || has(name, "Radeon") ? Maker::amd
                   : has(name, "Arc")                                           ? Maker::intel
                                                                                : Maker::nvidia;
    if (table.cell(row, "placement") == "cpu" || has(name, "EPYC") || has(name, "Xeon")) device.kind = "cpu";
    if (device.maker == Maker::apple) device.memory = "LPDDR5";
    if (bandwidth >= 1.5e12 && !has(name, "RTX")) device.memory = "HBM";
    return device;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

struct Numbers {
    double n_dev = 1, bw = 0, params = 0, active = 0, layers = 0, kv = 0, depth = 0, batch = 1, prompt = 512;
    std::optional<double> file_gib, read_gb, tg, pp;
};
Result<Numbers> numbers_of(const CsvTable& table, std::size_t row) {
    Numbers n;
    const auto read = [&](std::string_view column, double& to, double min, bool needed) -> Status {
        HEARTH_TRY(const auto value, table.number(row, column));
        if (!value && needed)
            return fail(Fault::corrupt, "{}: {}: expected a number, saw none", table.place(row), column);
        if (value && *value < min)
            return fail(Fault::corrupt, "{}: {}: expected at least {:g}, saw {:g}", table.place(row), column,
                        min, *value);
        to = value.value_or(to);
        return {};
    };
    HEARTH_TRY_STATUS(read("n_dev", n.n_dev, 1, false));
    HEARTH_TRY_STATUS(read("bw_gbs", n.bw, 1e-3, true));
    HEARTH_TRY_STATUS(read("params_b", n.params, 1e-9, true));
    n.active = n.params;
    HEARTH_TRY_STATUS(read("active_b", n.active, 1e-9, false));
    HEARTH_TRY_STATUS(read("n_layers", n.layers, 1, true));
    HEARTH_TRY_STATUS(read("kv_b_per_tok_fp16", n.kv, 0, false));
    HEARTH_TRY_STATUS(read("ctx_depth", n.depth, 0, false));
    HEARTH_TRY_STATUS(read("batch", n.batch, 1, false));
    HEARTH_TRY_STATUS(read("pp_n", n.prompt, 1, false));
    for (const auto& [column, to] :
         {std::pair<std::string_view, std::optional<double>*>{"file_gib", &n.file_gib},
          {"read_gb_per_tok", &n.read_gb},
          {"tg_tps", &n.tg},
          {"pp_tps", &n.pp}}) {
        HEARTH_TRY(*to, table.number(row, column));
        if (*to && **to <= 0)
            return fail(Fault::corrupt, "{}: {}: expected a number above 0, saw {:g}", table.place(row),
                        column, **to);
    }
    return n;
}

SpeedInputs inputs_of(const CsvTable& table, std::size_t row, const Numbers& n) {
    const std::string engine = lower(table.cell(row, "backend"));
    const std::string_view model = table.cell(row, "model"), quant = table.cell(row, "quant"),
                           note = table.cell(row, "note");
    SpeedInputs in;
    in.device = device_of(table, row, n.bw * 1e9, engine);
    in.device.read_bytes_per_second = n.bw * 1e9;
    if (table.cell(row, "placement") == "cpu") in.device.kind = "cpu";
    in.is_mixture = table.cell(row, "arch") == "moe";
    in.is_hybrid = has(model, "Qwen3.5") || has(model, "Qwen3.6") || has(model, "Qwen3-Next") ||
                   has(model, "Nemotron-3") || has(model, "Kimi-Linear");
    in.is_unusual = has(model, "DeepSeek-V4");
    in.active_parameters = n.active * 1e9;
    const double bits = n.file_gib ? *n.file_gib * 0x1p30 * 8 / (n.params * 1e9) : bits_of_name(quant);
    in.bytes_per_token = n.read_gb ? *n.read_gb * 1e9 : in.active_parameters * bits / 8;
    in.n_layers = n.layers;
    // gpt-oss: half of its layers see 128 positions.
    in.kv_bytes = has(model, "gpt-oss") ? n.kv * (n.depth + std::min(n.depth, 128.0)) / 2 : n.kv * n.depth;
    in.expert_fraction = in.is_mixture ? 0.65 * n.active / std::max(n.params - 0.35 * n.active, n.active) : 1;
    for (const Mixture& mixture : kMixtures)
        if (mixture.model == model) in.expert_fraction = mixture.fraction;
    in.weights = kind_of_name(quant);
    in.n_tensor_parallel = has(note, "TP") || has(engine, "tp") ? static_cast<int>(n.n_dev) : 1;
    in.serving = has(engine, "vllm")     ? Serving::vllm
                 : has(engine, "ollama") ? Serving::ollama
                                         : Serving::llama_cpp;
    in.is_2024 = has(engine, "2024");
    in.batch = n.batch;
    in.depth = std::max(n.depth, n.prompt / 2);
    if (has(note, "incl. prefill")) in.prefill_per_output = 4;  // "4:1 in:out mix"
    if (table.cell(row, "placement") == "gpu+cpu-experts")
        in.host_read_bytes_per_second = host_bandwidth(note);
    return in;
}

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
    for (const char* column : {"device", "bw_gbs", "model", "quant", "params_b", "n_layers", "tg_tps"})
        if (!table.has_column(column))
            return fail(Fault::corrupt, "{}: expected a column {}, saw none", where, column);
    Score score;
    std::vector<ScoredPoint> prefills;
    for (std::size_t row = 0; row < table.n_rows(); ++row) {
        HEARTH_TRY(const Numbers n, numbers_of(table, row));
        const SpeedInputs in = inputs_of(table, row, n);
        if (n.tg) add_point(table, row, in, false, *n.tg, score.points);
        if (n.pp) add_point(table, row, in, true, *n.pp, prefills);
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
    return points.text() + "\n" + sums.text() +
           "\nHeld out: predicted with coefficients that were fitted without any point of the device.\n";
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
    const auto summary = [&](bool prefill, bool held_out) -> Json {
        const ErrorSummary s = score.summary(prefill, held_out);
        return {{"points", s.n}, {"median", s.median}, {"p90", s.p90}};
    };
    return {{"decode", summary(false, false)},
            {"decode_device_held_out", summary(false, true)},
            {"prefill", summary(true, false)},
            {"prefill_device_held_out", summary(true, true)},
            {"points", std::move(points)}};
}

}  // namespace hearth::plan
