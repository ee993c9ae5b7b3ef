// cli/sampling_flags.h - the flags of every command that draws tokens.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "engine/engine.h"

namespace hearth::cli {

// Declares --temperature and its kind on `app`; what they set lives in `sampling`, which must outlive
// parsing.
inline void add_sampling_flags(CLI::App& app, engine::SamplingParams& sampling) {
    app.add_option("--temperature", sampling.temperature, "0 is greedy")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str();
    app.add_option("--top-k", sampling.top_k, "draw among the k most likely; 0: off")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--top-p", sampling.top_p, "draw among the fewest that reach this share")
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--min-p", sampling.min_p, "draw among those at least this share of the best")
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--repetition-penalty", sampling.repetition_penalty,
                   "above 1 makes tokens seen less likely")
        ->check(CLI::Range(0.01, 100.0));
    app.add_option("--presence-penalty", sampling.presence_penalty, "taken from tokens generated already")
        ->check(CLI::Range(-2.0, 2.0));
    app.add_option("--seed", sampling.seed, "of the draws: the same seed gives the same answer");
}

}  // namespace hearth::cli
