// server/metrics.cpp - a line of help, one of type and one of value for each counter.
#include "server/metrics.h"

#include <fmt/format.h>

namespace hearth::server {

std::string metrics_text(const EngineThread::Served& served, const EngineThread::Load& load) {
    std::string out;
    const auto add = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
        out += fmt::format("# HELP {} {}\n# TYPE {} {}\n{} {}\n", name, help, name, type, name, value);
    };
    const engine::StepTotals& steps = served.steps;
    add("hearth_prefill_tokens_total", "counter", "Prompt tokens computed.", steps.prefill_tokens);
    add("hearth_prefill_seconds_total", "counter", "Time of steps that computed prompt tokens.",
        steps.prefill_seconds);
    add("hearth_cached_prompt_tokens_total", "counter", "Prompt tokens found in the prefix cache.",
        steps.cached_tokens);
    add("hearth_decode_tokens_total", "counter", "Output tokens of steps without prompt tokens.",
        steps.decode_tokens);
    add("hearth_decode_seconds_total", "counter", "Time of steps without prompt tokens.",
        steps.decode_seconds);
    add("hearth_output_tokens_total", "counter", "Output tokens of all steps.", steps.output_tokens);
    add("hearth_answers_total", "counter", "Answers finished.", load.answered);
    add("hearth_answers_open", "gauge", "Answers accepted and not finished.", load.open);
    add("hearth_uptime_seconds", "gauge", "Time since the engine's thread began.", served.uptime_seconds);
    if (served.joules)
        add("hearth_joules_total", "counter", "Of processor and memory while steps ran, by their counters.",
            *served.joules);
    return out;
}

}  // namespace hearth::server
