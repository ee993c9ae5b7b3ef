// plan/local_run.cpp - takes a run's seconds apart, and puts another model's together.
#include "plan/local_run.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"

namespace hearth::plan {
namespace {

// Operations of attention, in float32, take as long as so many of linears in 8 bits or BF16: docs/numbers.md
// has 1,000 GOP/s reached by linears, and 145 as float32's ceiling.
constexpr double kAttentionWeight = 8;
// Of a prompt's time, what reading may explain at most: the rest is products, however the run's figures fell.
constexpr double kReadingMost = 0.9;
constexpr std::int64_t kCountMax = 1 << 20;

Status take_decode(const JsonCursor& point, double layers, LocalRun& run) {
    HEARTH_TRY(const double bytes, point.number_or("bytes_per_second", 0));
    HEARTH_TRY(const double speed, point.number_or("tokens_per_second", 0));
    HEARTH_TRY(const double share, point.number_or("share_of_bandwidth", 1));
    // What the ceiling leaves over was spent beside reading. Without the layers, nothing can be told apart.
    const bool known = layers > 0 && speed > 0 && share > 0.1 && share < 1;
    run.read_bytes_per_second = known ? bytes / share : bytes;
    run.layer_seconds = known ? (1 - share) / speed / layers : 0;
    return {};
}

Status take_prefill(const JsonCursor& point, LocalRun& run, double& read_bytes, double& seconds) {
    HEARTH_TRY(const std::int64_t tokens, point.integer_or("tokens", 512, 1, kCountMax));
    HEARTH_TRY(const double operations, point.number_or("operations_per_token", 0));
    HEARTH_TRY(const double attention, point.number_or("attention_operations_per_token", 0));
    HEARTH_TRY(const double bytes, point.number_or("bytes_per_second", 0));
    HEARTH_TRY(const double speed, point.number_or("tokens_per_second", 0));
    if (!(speed > 0)) return {};
    run.prompt_tokens = static_cast<double>(tokens);
    run.operations_per_second = run.weighed(operations, attention) * speed;  // reading still within
    read_bytes = bytes / speed;
    seconds = 1 / speed;
    return {};
}

}  // namespace

double LocalRun::weighed(double operations, double attention) const {
    return operations + (is_exact ? 0 : (kAttentionWeight - 1) * attention);
}

double LocalRun::decode_speed(double bytes_per_token, int layers) const {
    return 1 / (bytes_per_token / read_bytes_per_second + layers * layer_seconds);
}

double LocalRun::prefill_speed(double operations, double attention, double read_bytes) const {
    return 1 / (weighed(operations, attention) / operations_per_second + read_bytes / read_bytes_per_second);
}

Result<LocalRun> read_local_run(const std::string& path) {
    HEARTH_TRY(const std::string text, read_text(path, kTextFileBytesMax));
    HEARTH_TRY(const Json json, parse_json(text, path));
    const JsonCursor file(json, path);
    HEARTH_TRY(const JsonCursor points, file.at("points"));
    HEARTH_TRY(const std::size_t n, points.array_size());
    HEARTH_TRY(const std::string arithmetic, file.string_or("arithmetic", "f32"));
    HEARTH_TRY(const std::int64_t layers, file.integer_or("layers", 0, 0, kCountMax));
    LocalRun run;
    run.is_exact = arithmetic == "f32";
    double read_bytes = 0, seconds = 0;  // of a token of the prompt
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor point, points.at(i));
        HEARTH_TRY(const std::string phase, point.string_or("phase", ""));
        HEARTH_TRY(const std::int64_t batch, point.integer_or("batch", 1, 1, kCountMax));
        if (phase == "decode" && batch == 1 && run.read_bytes_per_second == 0)
            HEARTH_TRY_STATUS(take_decode(point, static_cast<double>(layers), run));
        if (phase == "prefill" && run.operations_per_second == 0)
            HEARTH_TRY_STATUS(take_prefill(point, run, read_bytes, seconds));
    }
    if (!(run.read_bytes_per_second > 0 && run.operations_per_second > 0))
        return fail(Fault::usage, "{}: expected a prefill and a decode of one sequence, saw none", path);
    const double reading = std::min(kReadingMost, read_bytes / run.read_bytes_per_second / seconds);
    run.operations_per_second /= 1 - reading;
    return run;
}

}  // namespace hearth::plan
