// plan/local_run.h - what one run of a model here (`hearth bench --json`) says about other models on this
// machine: how fast weights are read, what a layer costs beside that, how fast prompts are multiplied.
#pragma once

#include <string>

#include "base/result.h"

namespace hearth::plan {

struct LocalRun {
    double read_bytes_per_second =
        0;                     // while weights are read: the run's ceiling, or the run where it passed it
    double layer_seconds = 0;  // of a decode step, beside what it reads: norms, waits, attention's start
    double operations_per_second = 0;   // of a prompt's products, what a chunk costs anew beside
    double chunk_bytes_per_second = 0;  // weights read and unpacked anew for each chunk of a prompt
    bool knows_chunks = false;          // chunk_bytes_per_second was measured; else it is taken for reading's
    double prompt_tokens = 512;         // of the longest prompt that was run
    bool is_exact = true;               // float32 throughout: attention's operations cost what the others do

    // Operations as they cost time: of a token of a prompt, `attention` of them over what the token sees.
    [[nodiscard]] double weighed(double operations, double attention) const;
    // Tokens a second of another model.
    [[nodiscard]] double decode_speed(double bytes_per_token, int layers) const;
    [[nodiscard]] double prefill_speed(double operations, double attention, double read_bytes) const;
};

// The longest and the shortest prompt of a bench's JSON, and its first decode of one sequence. From one
// prompt alone, unpacking counts among the products. Errors: not_found, corrupt, usage (no such points).
Result<LocalRun> read_local_run(const std::string& path);

}  // namespace hearth::plan
