// plan/speed.cpp - the terms, in the order and with the coefficients of tools/fit_speed.py.
#include "plan/speed.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hearth::plan {
namespace {

#include "plan/tables/speed_coefficients.inc"

// Nine in ten of the points with their device held out lay within these factors (tests/plan/score_test.cpp).
constexpr double kDecodeSpread = 1.35, kPrefillSpread = 2.2;
// Of a mixture's bytes a token: attention, shared experts and head against routed experts, where it is not
// known.
constexpr double kSharedOfMixture = 0.35;
constexpr double kServedPrefillUse = 0.1;  // of the arithmetic, by servers that prefill between tokens

double coefficient(std::string_view name, std::optional<int> fold) {
    for (const CoefficientRow& row : kCoefficients)
        if (row.name == name) return row.values[fold ? *fold + 1 : 0];
    HEARTH_CHECK(false, "the table holds every coefficient");
    return 0;
}

bool has(std::string_view text, std::string_view piece) { return text.find(piece) != std::string_view::npos; }

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
    double use = c("mfu");
    if (in.is_mixture) use += c("mfu_moe");
    if (in.is_2024) use += c("mfu_2024");
    if (in.is_unusual) use += c("mfu_unusual");
    if (in.weights == WeightKind::k_quant) use += c("mfu_k");
    for (const auto kind : kinds.names) use += c("m_" + std::string(kind));
    const double rate = std::exp(use) * flops_of(in.device) * in.n_tensor_parallel;
    // The width of attention follows from weights and layers: twelve squares of it a layer in dense models.
    const double width = std::sqrt(in.active_parameters / (12 * in.n_layers));
    std::vector<SpeedTerm> terms = {
        {"products", 2 * in.active_parameters / rate},
        {"attention", 4 * in.n_layers * width * in.depth / (rate * std::exp(c("mfu_attention")))}};
    return finished(std::move(terms), 1, kPrefillSpread, in, "prefill");
}

double bits_of_name(std::string_view quantization) {
    struct Row {
        std::string_view name;
        double bits;
    };
    // Longer names first. Mixes: bytes of published files over their weights.
    static constexpr Row kRows[] = {
        {"UD-Q8_K_XL", 9.5}, {"Q8_K_XL", 9.5},   {"UD-Q5_K_XL", 5.6}, {"UD-Q4_K_XL", 4.9},
        {"UD-Q3_K_XL", 3.6}, {"UD-Q3_K_S", 3.5}, {"UD-IQ4_NL", 4.5},  {"Q4_K_XL", 4.9},
        {"Q4_K_M", 4.83},    {"Q4_K_S", 4.58},   {"IQ4_XS", 4.3},     {"MXFP4", 4.25},
        {"NVFP4", 4.5},      {"Q4_0", 4.5},      {"Q8_0", 8.5},       {"BF16", 16},
        {"F16", 16},         {"Q4", 4.8},        {"4bit", 4.8},       {"8bit", 8.25},
        {"FP8", 8.25},       {"q2", 2.3}};
    for (const Row& row : kRows)
        if (has(quantization, row.name)) return row.bits;
    return 5;
}

WeightKind kind_of_name(std::string_view quantization) {
    for (const std::string_view k : {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q4(", "IQ", "q2"})
        if (has(quantization, k)) return WeightKind::k_quant;
    for (const std::string_view four : {"NVFP4", "GPTQ", "AWQ", "Q4_0", "MXFP4"})
        if (has(quantization, four)) return WeightKind::four_bits;
    return has(quantization, "16") ? WeightKind::half : WeightKind::eight_bits;
}

}  // namespace hearth::plan
