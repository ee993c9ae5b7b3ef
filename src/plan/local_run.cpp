// plan/local_run.cpp - takes a run's seconds apart, and puts another model's together.
#include "plan/local_run.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"

namespace hearth::plan {
namespace {

// Operations of attention, in float32, take as long as so many of linears in 8 bits or BF16: of a prefill of
// 1.7B in NVFP4 they are 2 % and take 7 % of the time, linears' 98 % take 87 % (docs/numbers.md).
constexpr double kAttentionWeight = 4;
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

// A prompt's seconds, operations and bytes read, each a token.
struct Prompt {
    double tokens = 0, seconds = 0, operations = 0, read_bytes = 0;
};

Result<Prompt> read_prompt(const JsonCursor& point, const LocalRun& run) {
    Prompt out;
    HEARTH_TRY(const std::int64_t tokens, point.integer_or("tokens", 512, 1, kCountMax));
    HEARTH_TRY(const double operations, point.number_or("operations_per_token", 0));
    HEARTH_TRY(const double attention, point.number_or("attention_operations_per_token", 0));
    HEARTH_TRY(const double bytes, point.number_or("bytes_per_second", 0));
    HEARTH_TRY(const double speed, point.number_or("tokens_per_second", 0));
    if (!(speed > 0 && operations > 0)) return out;
    return Prompt{static_cast<double>(tokens), 1 / speed, run.weighed(operations, attention), bytes / speed};
}

// Two prompts of different lengths share their chunks' cost over different numbers of tokens: two equations,
// seconds = operations / rate + bytes / chunk rate. False where they contradict each other.
bool solve(const Prompt& longest, const Prompt& shortest, LocalRun& run) {
    const double det = longest.operations * shortest.read_bytes - longest.read_bytes * shortest.operations;
    const double per_operation =
        (longest.seconds * shortest.read_bytes - longest.read_bytes * shortest.seconds) / det;
    const double per_byte =
        (longest.operations * shortest.seconds - shortest.operations * longest.seconds) / det;
    if (!(det > 0 && per_operation > 0 && per_byte * run.read_bytes_per_second >= 1)) return false;
    run.operations_per_second = 1 / per_operation;
    run.chunk_bytes_per_second = 1 / per_byte;
    run.knows_chunks = true;
    return true;
}

// By the longest prompt alone: a chunk costs what reading its weights does.
void take_one(const Prompt& prompt, LocalRun& run) {
    const double reading =
        std::min(kReadingMost, prompt.read_bytes / run.read_bytes_per_second / prompt.seconds);
    run.chunk_bytes_per_second = run.read_bytes_per_second;
    run.operations_per_second = prompt.operations / prompt.seconds / (1 - reading);
}

}  // namespace

double LocalRun::weighed(double operations, double attention) const {
    return operations + (is_exact ? 0 : (kAttentionWeight - 1) * attention);
}

double LocalRun::decode_speed(double bytes_per_token, int layers) const {
    return 1 / (bytes_per_token / read_bytes_per_second + layers * layer_seconds);
}

double LocalRun::prefill_speed(double operations, double attention, double read_bytes) const {
    return 1 / (weighed(operations, attention) / operations_per_second + read_bytes / chunk_bytes_per_second);
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
    Prompt longest, shortest;
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor point, points.at(i));
        HEARTH_TRY(const std::string phase, point.string_or("phase", ""));
        HEARTH_TRY(const std::int64_t batch, point.integer_or("batch", 1, 1, kCountMax));
        if (phase == "decode" && batch == 1 && run.read_bytes_per_second == 0)
            HEARTH_TRY_STATUS(take_decode(point, static_cast<double>(layers), run));
        if (phase != "prefill") continue;
        HEARTH_TRY(const Prompt prompt, read_prompt(point, run));
        if (prompt.tokens > longest.tokens) longest = prompt;
        if (prompt.tokens > 0 && (shortest.tokens == 0 || prompt.tokens < shortest.tokens)) shortest = prompt;
    }
    if (!(run.read_bytes_per_second > 0 && longest.tokens > 0))
        return fail(Fault::usage, "{}: expected a prefill and a decode of one sequence, saw none", path);
    run.prompt_tokens = longest.tokens;
    if (shortest.tokens == longest.tokens || !solve(longest, shortest, run)) take_one(longest, run);
    return run;
}

}  // namespace hearth::plan
