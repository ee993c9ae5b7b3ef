// plan/fit.h - will it fit here, and how fast could it be: sums over a model's tensors, no weights loaded.
// For this machine's CPU and the program that would run. Speeds are ceilings by arithmetic, and, with a local
// run of another model in the same type, what to expect.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/checkpoint.h"
#include "models/program.h"
#include "plan/local_run.h"

namespace hearth::plan {

struct FitInputs {
    std::int64_t context = 0;               // tokens a sequence may reach; 0: what the model was made for
    int sequences = 1;                      // at once
    kernels::KvType kv = kernels::kKvBf16;  // of keys and values
    std::uint64_t memory_bytes = 0;         // what may be used
    double read_bytes_per_second = 0;       // measured; 0: no speeds are given
    double flops_per_second = 0;
    std::optional<LocalRun> run = std::nullopt;  // what one run here reached
};

// One way to hold the model: as it is stored, or with its linears in another type.
struct FitRow {
    std::string weights;                // "as stored", "nvfp4"
    std::uint64_t weight_bytes = 0;     // all tensors in memory
    std::uint64_t bytes_per_token = 0;  // weights read to decode one token
    std::uint64_t bytes_per_chunk = 0;  // weights read to evaluate a chunk of a prompt
    std::uint64_t kv_bytes = 0;         // at the context, all sequences: the blocks that the engine allocates
    std::uint64_t activation_bytes = 0;
    [[nodiscard]] std::uint64_t total_bytes() const { return weight_bytes + kv_bytes + activation_bytes; }
    bool fits = false;
    std::int64_t context_max =
        0;  // tokens a sequence that would fit, the model's own limit at most; 0: not even the weights
    double decode_ceiling = 0;   // tokens/s of one sequence at depth 0: bandwidth over bytes
    double prefill_ceiling = 0;  // tokens/s: multiply-adds over what a token needs
    double decode_expected = 0, prefill_expected = 0;  // by the local run; 0: none was given
};

struct Fit {
    FitInputs inputs;
    std::string model, architecture;
    std::int64_t parameters = 0;
    bool is_mixture = false;              // a token chooses among experts
    std::int64_t kv_bytes_per_token = 0;  // of one position more, once windows are full
    std::vector<FitRow> rows;
};

// Errors: corrupt (a tensor that the architecture needs is absent or misshapen).
Result<Fit> fit(const models::Checkpoint& checkpoint, FitInputs inputs);

std::string fit_text(const Fit& fit);
Json fit_json(const Fit& fit);

}  // namespace hearth::plan
