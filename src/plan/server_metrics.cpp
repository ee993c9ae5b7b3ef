// plan/server_metrics.cpp - one pass over the lines, then quotients of the counters.
#include "plan/server_metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hearth::plan {
namespace {

struct Counters {
    std::optional<double> prefill_tokens, prefill_seconds, cached_tokens, decode_tokens, decode_seconds,
        output_tokens, uptime_seconds, joules;
};
struct Name {
    std::string_view name;
    std::optional<double> Counters::*of;
    bool optional = false;
};
// server/metrics.cpp writes these.
constexpr Name kNames[] = {
    {"hearth_prefill_tokens_total", &Counters::prefill_tokens},
    {"hearth_prefill_seconds_total", &Counters::prefill_seconds},
    {"hearth_cached_prompt_tokens_total", &Counters::cached_tokens},
    {"hearth_decode_tokens_total", &Counters::decode_tokens},
    {"hearth_decode_seconds_total", &Counters::decode_seconds},
    {"hearth_output_tokens_total", &Counters::output_tokens},
    {"hearth_uptime_seconds", &Counters::uptime_seconds},
    {"hearth_joules_total", &Counters::joules, true},
};
constexpr double kCounterMax = 1e18;

Result<Counters> counters_of(std::string_view text, std::string_view where) {
    Counters out;
    for (std::size_t line = 1; !text.empty(); ++line) {
        std::string_view row = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), row.size() + 1));
        if (row.ends_with('\r')) row.remove_suffix(1);
        if (row.empty() || row.front() == '#') continue;
        const std::size_t space = row.find(' ');
        for (const Name& name : kNames) {
            if (row.substr(0, space) != name.name) continue;
            const std::string_view number =
                space == std::string_view::npos ? std::string_view() : row.substr(space + 1);
            double value = -1;
            const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
            if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size() ||
                !(value >= 0 && value <= kCounterMax))
                return fail(Fault::corrupt, "{}:{}: {}: expected a number from 0 to {:g}, saw \"{}\"", where,
                            line, name.name, kCounterMax, number.substr(0, 40));
            if (out.*name.of)
                return fail(Fault::corrupt, "{}:{}: {}: expected once, saw it twice", where, line, name.name);
            out.*name.of = value;
        }
    }
    for (const Name& name : kNames)
        if (!name.optional && !(out.*name.of))
            return fail(Fault::corrupt, "{}: expected {}, saw no such line", where, name.name);
    return out;
}

}  // namespace

Status metrics_of(std::string_view text, std::string_view where, CostInputs& inputs) {
    HEARTH_TRY(const Counters seen, counters_of(text, where));
    const double busy = *seen.prefill_seconds + *seen.decode_seconds;
    const double input = *seen.prefill_tokens + *seen.cached_tokens;
    for (const auto& [name, value] : {std::pair{"input", *seen.prefill_tokens},
                                      {"seconds of input", *seen.prefill_seconds},
                                      {"output after the first tokens", *seen.decode_tokens},
                                      {"seconds of output", *seen.decode_seconds},
                                      {"output", *seen.output_tokens}})
        if (!(value >= 1e-6))
            return fail(Fault::usage, "{}: expected a server that has read and written, saw no {}", where,
                        name);
    if (busy > *seen.uptime_seconds * 1.001 + 1)
        return fail(Fault::corrupt, "{}: expected at most {:g} busy seconds, its uptime, saw {:g}", where,
                    *seen.uptime_seconds, busy);
    inputs.speed.prefill_tokens_per_second = *seen.prefill_tokens / *seen.prefill_seconds;
    inputs.speed.decode_tokens_per_second = *seen.decode_tokens / *seen.decode_seconds;
    inputs.speed.source = fmt::format("served, {}", where);
    inputs.use.cached_input_share = *seen.cached_tokens / input;
    inputs.use.input_per_output = input / *seen.output_tokens;
    if (!inputs.use.utilisation && !inputs.use.output_tokens_per_month)
        inputs.use.utilisation = std::min(1.0, busy / *seen.uptime_seconds);
    // The counters do not part reading from writing: both take the mean of the busy time.
    if (seen.joules && *seen.joules > 0)
        inputs.speed.counted_prefill_watts = inputs.speed.counted_decode_watts = *seen.joules / busy;
    return {};
}

}  // namespace hearth::plan
