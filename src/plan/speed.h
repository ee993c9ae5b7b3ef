// plan/speed.h - how fast a model decodes and prefills on a device that is not here: time to read the weights
// and the kept state, time a layer takes whatever its size, time to multiply. docs/plan.md explains the
// terms. Coefficients are fitted on measured points by tools/fit_speed.py; every answer is an interval.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/devices.h"

namespace hearth::plan {

enum class WeightKind { half, eight_bits, four_bits, k_quant };  // k_quant: scales of scales
enum class Serving { llama_cpp, vllm, ollama, ik_llama };

struct SpeedInputs {
    // The model, as one decoded token sees it.
    double bytes_per_token = 0;    // weights read for one sequence
    double active_parameters = 0;  // weights multiplied
    double total_bytes = 0;        // all weights, which a chunk of a prompt reads; 0: from the two above
    double attention_width = 0;    // of all heads of all layers that see every position; 0: from the weights
    double attention_share = 1;    // of layers that see every position, where attention_width is not given
    double kv_bytes = 0;           // kept state read, of one sequence at its depth
    double n_layers = 0;
    bool is_mixture = false, is_hybrid = false, is_unusual = false;
    double expert_fraction = 1;  // experts that a token reads, of all
    WeightKind weights = WeightKind::four_bits;
    // The machine.
    Device device;
    int n_tensor_parallel = 1;  // devices that split each layer; layers dealt to devices cost the same as one
    // Experts in the host's memory; 0: none.
    double host_read_bytes_per_second = 0;
    Serving serving = Serving::llama_cpp;
    bool is_2024 = false;  // engines of that year lacked flash attention and fused kernels
    // The work.
    double batch = 1;
    double depth = 0;               // positions before the prompt or the token
    double chunk_tokens = 512;      // of a prompt, evaluated together
    double prefill_per_output = 0;  // prompt tokens evaluated for each token counted
};

struct SpeedTerm {
    std::string_view name;
    double seconds = 0;  // of a step
};
struct Speed {
    double tokens_per_second = 0, low = 0, high = 0;  // nine of ten measured points lay inside
    std::vector<SpeedTerm> terms;
    std::string basis;
};

// `fold`: with the coefficients that were fitted without a device, by fold_of; nothing: with all.
Speed decode_speed(const SpeedInputs& in, std::optional<int> fold = {});
Speed prefill_speed(const SpeedInputs& in, std::optional<int> fold = {});
std::optional<int> fold_of(std::string_view device);  // nothing: it was not among the measured

// Bits a weight of a type or mix by the name that files carry: "Q4_K_M", "GPTQ-4bit"; 5 for what is unknown.
double bits_of_name(std::string_view quantization);
WeightKind kind_of_name(std::string_view quantization);

}  // namespace hearth::plan
