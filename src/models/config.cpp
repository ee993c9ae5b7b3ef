// models/config.cpp - what every config must satisfy, whatever its container, and the rotations it asks for.
#include "models/config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "models/config_keys.h"

namespace hearth::models {
namespace {

// YaRN's ramp from extrapolated (0) to interpolated (1) frequencies over pairs. Source: transformers,
// modeling_rope_utils.py, _compute_yarn_parameters.
struct YarnRamp {
    double low = 0, high = 0;
    YarnRamp(const RopeConfig& rope, int dims) {
        const auto dim_of = [&](double turns) {
            return dims * std::log(rope.original_context / (turns * 2 * std::numbers::pi)) /
                   (2 * std::log(rope.theta));
        };
        low = dim_of(rope.beta_fast), high = dim_of(rope.beta_slow);
        if (rope.truncate) low = std::floor(low), high = std::ceil(high);
        low = std::max(low, 0.0), high = std::min(high, dims - 1.0);
        if (low == high) high += 0.001;
    }
    [[nodiscard]] float at(int pair) const {
        const auto from = static_cast<float>(low), width = static_cast<float>(high - low);
        return std::clamp((static_cast<float>(pair) - from) / width, 0.0f, 1.0f);
    }
};

float llama3_scaled(float f, const RopeConfig& rope) {
    const double wavelength = 2 * std::numbers::pi / static_cast<double>(f);
    if (wavelength > rope.original_context / rope.low_freq_factor) return f / static_cast<float>(rope.factor);
    if (wavelength < rope.original_context / rope.high_freq_factor) return f;
    const double smooth = (rope.original_context / wavelength - rope.low_freq_factor) /
                          (rope.high_freq_factor - rope.low_freq_factor);
    return static_cast<float>((1 - smooth) * static_cast<double>(f) / rope.factor +
                              smooth * static_cast<double>(f));
}

Status check_layers(const ModelConfig& c, const std::string& where) {
    const auto n = static_cast<std::size_t>(c.n_layers);
    if ((!c.sliding.empty() && c.sliding.size() != n) || (!c.sparse.empty() && c.sparse.size() != n))
        return fail(Fault::corrupt,
                    "{}: expected a kind for each of {} layers, saw {} attentions and {} MLPs", where, n,
                    c.sliding.size(), c.sparse.size());
    if (std::find(c.sliding.begin(), c.sliding.end(), true) != c.sliding.end() && c.window <= 0)
        return fail(Fault::out_of_range, "{}: sliding_window: expected a number of positions, saw {}", where,
                    c.window);
    const auto n_sparse = std::count(c.sparse.begin(), c.sparse.end(), true);
    if (c.d_ff == 0 && n_sparse < c.n_layers)
        return fail(Fault::corrupt, "{}: expected intermediate_size for the layers without experts, saw none",
                    where);
    const auto& l = c.linear;
    if (std::find(l.layers.begin(), l.layers.end(), true) != l.layers.end() &&
        (l.k_heads < 1 || l.v_heads % l.k_heads != 0 || l.k_dim < 1 || l.v_dim < 1 || l.taps < 1))
        return fail(Fault::out_of_range,
                    "{}: expected a linear attention with value heads in whole multiples of key heads, saw "
                    "{} of {} and "
                    "{} of {}",
                    where, l.v_heads, l.v_dim, l.k_heads, l.k_dim);
    if (n_sparse == 0) return {};
    const RouterConfig& r = c.router;
    if (r.n_experts < 1 || r.top_k < 1 || r.top_k > r.n_experts || c.expert_d_ff < 1 || !(r.scale > 0))
        return fail(Fault::out_of_range,
                    "{}: expected experts, at least as many as are chosen, of some width and a positive "
                    "scale, saw {} "
                    "experts, {} chosen, width {}, scale {}",
                    where, r.n_experts, r.top_k, c.expert_d_ff, r.scale);
    if (std::int64_t{r.n_experts} * c.n_layers > kExpertsOfAllLayersMax)
        return fail(Fault::out_of_range,
                    "{}: expected at most {} experts in all, saw {} in each of {} layers", where,
                    kExpertsOfAllLayersMax, r.n_experts, c.n_layers);
    if (r.n_groups < 1 || r.n_experts % r.n_groups != 0 || r.groups_kept < 1 || r.groups_kept > r.n_groups ||
        r.top_k > r.n_experts / r.n_groups * r.groups_kept)
        return fail(
            Fault::out_of_range,
            "{}: expected groups of equal size that hold the chosen experts, saw {} of {} groups kept, {} "
            "experts, {} chosen",
            where, r.groups_kept, r.n_groups, r.n_experts, r.top_k);
    return {};
}

}  // namespace

Status check_rope(const RopeConfig& rope, const std::string& where) {
    const bool ordered = rope.low_freq_factor > 0 && rope.high_freq_factor > rope.low_freq_factor;
    const bool ramp = rope.beta_fast > 0 && rope.beta_slow > 0 && rope.theta > 1;
    if (!(rope.theta > 0) || !(rope.factor > 0) || !(rope.original_context > 0) || !(rope.partial > 0) ||
        !(rope.partial <= 1) || !std::isfinite(rope.attention_factor) ||
        (rope.scaling == RopeConfig::Scaling::llama3 && !ordered) ||
        (rope.scaling == RopeConfig::Scaling::yarn && !ramp))
        return fail(Fault::out_of_range,
                    "{}: expected positive RoPE parameters with low < high, saw theta {} factor {}", where,
                    rope.theta, rope.factor);
    return {};
}

Status check(const ModelConfig& c, const std::string& where) {
    const auto refuse = [&](const char* what, std::int64_t seen) {
        return fail(Fault::out_of_range, "{}: {}: saw {}", where, what, seen);
    };
    if (c.n_heads % c.n_kv_heads != 0)
        return refuse("expected n_heads to be a multiple of n_kv_heads", c.n_kv_heads);
    if (c.full_kv_heads > 0 && c.n_heads % c.full_kv_heads != 0)
        return refuse("expected n_heads to be a multiple of the full layers' key heads", c.full_kv_heads);
    if (c.full_head_dim % 2 != 0) return refuse("expected an even head_dim for RoPE", c.full_head_dim);
    if (c.head_dim % 2 != 0) return refuse("expected an even head_dim for RoPE", c.head_dim);
    if (rotary_pairs(c.rope, c.head_dim) < 1 || 2 * rotary_pairs(c.rope, c.head_dim) > c.head_dim)
        return refuse("expected dimensions of a head that rotate in pairs", c.head_dim);
    for (const auto* divisors : {&c.rope.frequency_divisors, &c.rope.long_divisors})
        if (!divisors->empty() &&
            divisors->size() != static_cast<std::size_t>(
                                    rotary_pairs(c.rope, c.full_head_dim > 0 ? c.full_head_dim : c.head_dim)))
            return refuse("expected a factor for each pair that rotates", static_cast<int>(divisors->size()));
    if (!(c.rms_eps > 0 && c.rms_eps < 1))
        return fail(Fault::out_of_range, "{}: expected an RMS epsilon in (0, 1), saw {}", where, c.rms_eps);
    return check_layers(c, where);
}

// In float32, step by step as transformers' modeling_rope_utils.py, so that angles at far positions agree.
std::vector<float> rope_frequencies(const RopeConfig& rope, int head_dim, std::int64_t context) {
    const bool proportional = rope.scaling == RopeConfig::Scaling::proportional;
    const int dims = proportional ? head_dim : static_cast<int>(head_dim * rope.partial);
    const int turning = proportional ? static_cast<int>(rope.partial * head_dim / 2) : dims;
    const YarnRamp ramp(rope, dims);
    const bool goes_far = static_cast<double>(context) > rope.original_context;
    const auto& divisors =
        goes_far && !rope.long_divisors.empty() ? rope.long_divisors : rope.frequency_divisors;
    std::vector<float> frequencies(static_cast<std::size_t>(rotary_pairs(rope, head_dim)));
    for (int i = 0; i < std::min(turning, static_cast<int>(frequencies.size())); ++i) {
        const float exponent = static_cast<float>(2 * i) / static_cast<float>(dims);
        const auto period = static_cast<float>(std::pow(rope.theta, static_cast<double>(exponent)));
        float f = 1.0f / period;
        if (rope.scaling == RopeConfig::Scaling::linear || proportional) f /= static_cast<float>(rope.factor);
        if (rope.scaling == RopeConfig::Scaling::llama3) f = llama3_scaled(f, rope);
        if (rope.scaling == RopeConfig::Scaling::yarn) {
            const float near = 1 - ramp.at(i);
            f = 1.0f / (static_cast<float>(rope.factor) * period) * (1 - near) + f * near;
        }
        if (static_cast<std::size_t>(i) < divisors.size()) f /= divisors[static_cast<std::size_t>(i)];
        frequencies[static_cast<std::size_t>(i)] = f;
    }
    return frequencies;
}

}  // namespace hearth::models
