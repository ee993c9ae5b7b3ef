// plan/speed.cpp - the terms, in the order and with the coefficients of tools/fit_speed.py.
#include "plan/speed.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hearth::plan {
namespace {

#include "plan/tables/speed_coefficients.inc"

// Nine in ten of the points with their device held out lay within these factors (tests/plan/score_test.cpp).
constexpr double kDecodeSpread = 1.35, kPrefillSpread = 1.9;
// Of a mixture's bytes a token: attention, shared experts and head against routed experts, where it is not
// known.
constexpr double kSharedOfMixture = 0.35;
// Of a host that multiplies experts outside the device: processors of servers, by what they were measured to
// do beside what they read (one published point).
constexpr double kHostOperationsPerByte = 15;
constexpr double kPrefillReadUse = 0.8;    // of the bandwidth, when a chunk reads all weights
constexpr double kServedPrefillUse = 0.1;  // of the arithmetic, by servers that prefill between tokens

double coefficient(std::string_view name, std::optional<int> fold) {
    for (const CoefficientRow& row : kCoefficients)
        if (row.name == name) return row.values[fold ? *fold + 1 : 0];
    HEARTH_CHECK(false, "the table holds every coefficient");
    return 0;
}

bool has(std::string_view text, std::string_view piece) { return text.find(piece) != std::string_view::npos; }

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// The kinds that coefficients come by.
struct Kinds {
    std::vector<std::string_view> names;
    explicit Kinds(const Device& d) {
        if (d.is_cpu()) {
            names = {"cpu"};
            return;
        }
        names.push_back(d.maker == Maker::amd     ? "amd"
                        : d.maker == Maker::apple ? "apple"
                        : d.maker == Maker::intel ? "intel"
                                                  : "nvidia");
        if (has(d.memory, "HBM")) names.emplace_back("hbm");
        if (has(d.memory, "LPDDR")) names.emplace_back("lpddr");
        if (d.is_recent_nvidia()) names.emplace_back("recent");
    }
    [[nodiscard]] bool is(std::string_view name) const {
        return std::find(names.begin(), names.end(), name) != names.end();
    }
};

double flops_of(const Device& d) { return d.flops > 0 ? d.flops : 100 * d.read_bytes_per_second; }

double bandwidth_of(const Device& d) {
    // A socket reads the other's memory slowly: two are as good as one.
    return d.is_cpu() && has(d.name, " x2 ") ? d.read_bytes_per_second / 2 : d.read_bytes_per_second;
}

struct Lookup {
    std::string prefix;
    std::optional<int> fold;
    double operator()(std::string_view name) const { return coefficient(prefix + std::string(name), fold); }
};

double efficiency(const SpeedInputs& in, const Kinds& kinds, const Lookup& c) {
    double eta = c("eta");
    const bool k = in.weights == WeightKind::k_quant;
    if (k) eta += c("eta_k");
    if (in.weights == WeightKind::half) eta += c("eta_half");
    if (in.is_2024) eta += c("eta_2024");
    if (in.serving == Serving::ollama) eta += c("eta_ollama");
    if (k && kinds.is("lpddr") && !kinds.is("apple")) eta += c("eta_k_lpddr");
    if (k && kinds.is("cpu")) eta += c("eta_k_cpu");
    for (const auto kind : kinds.names) eta += c("e_" + std::string(kind));
    return std::exp(eta);
}

double layer_seconds(const SpeedInputs& in, const Kinds& kinds, const Lookup& c) {
    double tau = c("tau");
    if (in.is_mixture) tau += c("tau_moe");
    if (in.is_hybrid) tau += c("tau_hybrid");
    if (in.is_unusual) tau += c("tau_unusual");
    if (in.serving == Serving::vllm) tau += c("tau_vllm");
    for (const auto kind : kinds.names) tau += c("t_" + std::string(kind));
    return std::exp(tau);
}

Speed finished(std::vector<SpeedTerm> terms, double tokens, double spread, const SpeedInputs& in,
               std::string_view what) {
    Speed speed;
    double seconds = 0;
    std::erase_if(terms, [](const SpeedTerm& term) { return term.seconds == 0; });
    for (const SpeedTerm& term : terms) seconds += term.seconds;
    speed.terms = std::move(terms);
    speed.tokens_per_second = tokens / seconds;
    speed.low = speed.tokens_per_second / spread;
    speed.high = speed.tokens_per_second * spread;
    speed.basis = fmt::format("{} of {}, fitted on measured points{}", what, in.device.name,
                              fold_of(in.device.name) ? " of this device among others"
                                                      : "; none of this device, its kind's coefficients");
    return speed;
}

}  // namespace

std::optional<int> fold_of(std::string_view device) {
    for (const FoldRow& row : kFolds)
        if (row.device == device) return row.fold;
    return std::nullopt;
}

Speed decode_speed(const SpeedInputs& in, std::optional<int> fold) {
    const Lookup c{"decode.", fold};
    const Kinds kinds(in.device);
    const double eta = efficiency(in, kinds, c), bandwidth = bandwidth_of(in.device);
    const double n = in.n_tensor_parallel, batch = in.batch;
    const double shared = in.is_mixture ? kSharedOfMixture : 1;
    // Sequences of a batch choose experts alike: fewer differ than chance has it.
    const double experts =
        (1 - std::pow(1 - in.expert_fraction, std::pow(batch, c("expert_power")))) / in.expert_fraction;
    const double routed = in.bytes_per_token * (1 - shared) * experts;
    const double many = n > 1 ? std::exp(c("eta_tensor")) : 1;
    const double rate = eta * bandwidth * n * many;
    const bool offloaded = in.host_read_bytes_per_second > 0;
    const double host_eta = std::exp(c("eta") + c("e_cpu"));
    std::vector<SpeedTerm> terms = {
        {"weights", in.bytes_per_token * shared / rate},
        {"experts",
         in.is_mixture ? routed / (offloaded ? host_eta * in.host_read_bytes_per_second : rate) : 0},
        {"kept state", batch * in.kv_bytes / (eta * std::exp(c("eta_kv")) * bandwidth * n)},
        {"layers", in.n_layers * layer_seconds(in, kinds, c)},
        {"sequences", batch > 1 ? batch * in.n_layers * std::exp(c("tau_sequence")) : 0},
        {"unpacking", kinds.is("apple") && in.weights != WeightKind::half
                          ? in.active_parameters * std::exp(c("unpack")) / flops_of(in.device)
                          : 0},
        {"reductions", n > 1 ? 2 * in.n_layers * std::exp(c("tau_reduce")) : 0},
        {"prompts between", batch * in.prefill_per_output * 2 * in.active_parameters /
                                (kServedPrefillUse * flops_of(in.device) * n)}};
    return finished(std::move(terms), batch, kDecodeSpread, in, "decode");
}

Speed prefill_speed(const SpeedInputs& in, std::optional<int> fold) {
    const Lookup c{"prefill.", fold};
    const Kinds kinds(in.device);
    const bool half = in.weights == WeightKind::half;
    double use = c("mfu");
    if (in.is_2024) use += c("mfu_2024");
    if (in.is_unusual) use += c("mfu_unusual");
    if (in.weights == WeightKind::k_quant) use += c("mfu_k");
    if (half) use += c("mfu_half");
    if (half && in.is_mixture && kinds.is("amd")) use += c("mfu_half_moe_amd");
    if (in.serving == Serving::ik_llama) use += c("mfu_ik");
    if (in.n_tensor_parallel > 1) use += c("mfu_tensor");
    for (const auto kind : kinds.names) use += c("m_" + std::string(kind));
    const double flops = flops_of(in.device), n = in.n_tensor_parallel;
    // A chunk of a prompt fills a small device and leaves a large one waiting.
    const double rate = std::exp(use) * flops / (1 + flops / std::exp(c("saturation"))) * n;
    const double chunk = std::max(1.0, in.chunk_tokens), rows = chunk * in.expert_fraction;
    const double experts = in.is_mixture ? std::exp(c("mfu_moe")) * rows / (rows + std::exp(c("rows"))) : 1;
    const double touched = in.is_mixture ? 1 - std::pow(1 - in.expert_fraction, chunk) : 1;
    const double all = in.total_bytes > 0 ? in.total_bytes : in.bytes_per_token / in.expert_fraction;
    const double host = in.host_read_bytes_per_second * kHostOperationsPerByte;
    // Where heads are not known: twelve squares of the width a layer in dense models.
    const double width = in.attention_width > 0
                             ? in.attention_width
                             : in.n_layers * std::sqrt(in.active_parameters / (12 * in.n_layers));
    const double attention = std::exp(c("mfu_attention") + (in.is_2024 ? c("attention_2024") : 0));
    std::vector<SpeedTerm> terms = {
        {"products", 2 * in.active_parameters / (rate * experts)},
        {"weights", all * touched / (chunk * kPrefillReadUse * bandwidth_of(in.device) * n)},
        {"experts in the host", host > 0 ? 2 * (1 - kSharedOfMixture) * in.active_parameters / host : 0},
        {"attention", 4 * width * in.attention_share * in.depth / (rate * attention)}};
    return finished(std::move(terms), 1, kPrefillSpread, in, "prefill");
}

double bits_of_name(std::string_view quantization) {
    struct Row {
        std::string_view name;
        double bits;
    };
    // Longer names first. Mixes: bytes of published files over their weights.
    static constexpr Row kRows[] = {
        {"q8_k_xl", 9.5}, {"q6_k_xl", 7.2}, {"q5_k_xl", 5.6}, {"q4_k_xl", 4.9}, {"q3_k_xl", 3.6},
        {"q2_k_xl", 3.0}, {"iq1", 2.0},     {"iq2_xxs", 2.1}, {"iq2", 2.6},     {"iq3_xxs", 3.2},
        {"iq3", 3.6},     {"iq4_nl", 4.5},  {"iq4", 4.3},     {"q2_k", 2.9},    {"q3_k_s", 3.5},
        {"q3_k_l", 4.2},  {"q3_k", 3.9},    {"q4_k_s", 4.58}, {"q4_k", 4.83},   {"q5_k", 5.67},
        {"q6_k", 6.56},   {"q8_k", 9.5},    {"mxfp4", 4.25},  {"nvfp4", 4.5},   {"q4_0", 4.5},
        {"q4_1", 5},      {"q5_0", 5.5},    {"q5_1", 6},      {"q8", 8.5},      {"tq1", 1.7},
        {"tq2", 2.1},     {"bf16", 16},     {"fp16", 16},     {"f16", 16},      {"half", 16},
        {"f32", 32},      {"fp32", 32},     {"q4", 4.8},      {"w4a16", 4.5},   {"fp4", 4.5},
        {"int4", 4.5},    {"4bit", 4.8},    {"4-bit", 4.8},   {"awq", 4.5},     {"gptq-8", 8.25},
        {"gptq", 4.5},    {"exl", 4.5},     {"8bit", 8.25},   {"8-bit", 8.25},  {"6bit", 6.5},
        {"5bit", 5.5},    {"3bit", 3.5},    {"2bit", 2.5},    {"fp8", 8.25},    {"int8", 8.25},
        {"w8a", 8.25},    {"q6", 6.56},     {"q5", 5.6},      {"q3", 3.7},      {"q2", 2.3}};
    const std::string name = lower(quantization);
    for (const Row& row : kRows)
        if (has(name, row.name)) return row.bits;
    return 5;
}

WeightKind kind_of_name(std::string_view quantization) {
    const std::string name = lower(quantization);
    for (const std::string_view k : {"q2_k", "q3_k", "q4_k", "q5_k", "q4(", "iq", "q2"})
        if (has(name, k)) return WeightKind::k_quant;
    for (const std::string_view four : {"fp4", "gptq", "awq", "q4", "w4", "int4", "4bit", "4-bit", "exl"})
        if (has(name, four)) return WeightKind::four_bits;
    for (const std::string_view half : {"bf16", "f16", "fp16", "half", "f32", "fp32"})
        if (has(name, half) && !has(name, "a16")) return WeightKind::half;
    return WeightKind::eight_bits;
}

}  // namespace hearth::plan
