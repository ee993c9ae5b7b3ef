// engine/ops/experts.cpp - mixture of experts: which experts a token takes, and their MLPs over the tokens
// that took them. Tokens are sorted by expert, so each matrix is read once a step; a token's experts are
// summed in order of rank, so the company it came in changes nothing.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/executor.h"
#include "models/config_keys.h"

namespace hearth::engine {
namespace {

using models::ExpertsSpec;
using models::RouterConfig;
using Scoring = RouterConfig::Scoring;

// Whole twos and threes, as kernels take panels: the fewer rests, the better.
constexpr std::int64_t kPanelsATask = 12;

struct Candidate {
    double choice;  // what experts are chosen by
    double weight;
    int expert;
    // Best first; of equals the lower number.
    bool operator<(const Candidate& other) const {
        return choice != other.choice ? choice > other.choice : expert < other.expert;
    }
};
using Candidates = std::array<Candidate, models::kExpertsMax>;

// Groups are judged by their two best experts; those of groups that lose are out of the race.
void limit_groups(const RouterConfig& router, std::span<Candidate> all) {
    const auto group_size = all.size() / static_cast<std::size_t>(router.n_groups);
    std::vector<Candidate> groups;
    for (int g = 0; g < router.n_groups; ++g) {
        const auto members = all.subspan(static_cast<std::size_t>(g) * group_size, group_size);
        double best = -INFINITY, second = -INFINITY;
        for (const Candidate& c : members) {
            if (c.choice > best) {
                second = std::exchange(best, c.choice);
            } else {
                second = std::max(second, c.choice);
            }
        }
        groups.push_back({group_size > 1 ? best + second : best, 0, g});
    }
    std::sort(groups.begin(), groups.end());
    for (auto loser = groups.begin() + router.groups_kept; loser != groups.end(); ++loser)
        for (Candidate& c : all.subspan(static_cast<std::size_t>(loser->expert) * group_size, group_size))
            c.choice = -INFINITY;
}

void score(const RouterConfig& router, const float* scores, const float* bias, std::span<Candidate> all) {
    const double top = static_cast<double>(*std::max_element(scores, scores + all.size()));
    double sum = 0;
    for (std::size_t e = 0; e < all.size(); ++e) {
        const auto s = static_cast<double>(scores[e]);
        const double weight = router.scoring == Scoring::sigmoid ? 1 / (1 + std::exp(-s)) : std::exp(s - top);
        sum += weight;
        const double choice = router.scoring == Scoring::sigmoid ? weight : s;
        all[e] = {choice + (bias != nullptr ? static_cast<double>(bias[e]) : 0), weight, static_cast<int>(e)};
    }
    if (router.scoring == Scoring::softmax)
        for (Candidate& c : all) c.weight /= sum;
}

}  // namespace

void Executor::route(const models::Op& op, std::int64_t n_rows) {
    const ExpertsSpec& spec = model_->program.experts[static_cast<std::size_t>(op.spec)];
    const RouterConfig& router = spec.router;
    const float* bias = spec.router_bias == models::kNone ? nullptr : vector(spec.router_bias);
    each_row(n_rows, [&](std::int64_t row) {
        Candidates store;
        const std::span<Candidate> all(store.data(), static_cast<std::size_t>(router.n_experts));
        score(router, buffer(op.a).row(row), bias, all);
        if (router.n_groups > 1) limit_groups(router, all);
        const auto chosen = all.first(static_cast<std::size_t>(router.top_k));
        std::partial_sort(all.begin(), all.begin() + router.top_k, all.end());
        double sum = router.epsilon;
        for (const Candidate& c : chosen) sum += c.weight;
        const bool renormalise = router.renormalise || router.scoring == Scoring::softmax_of_chosen;
        float* out = buffer(op.out).row(row);
        for (const Candidate& c : chosen) {
            *out++ = static_cast<float>(c.expert);  // small whole numbers: exact
            double weight = c.weight / (renormalise ? sum : 1) * router.scale;
            if (spec.expert_scale != models::kNone)
                weight *= static_cast<double>(vector(spec.expert_scale)[c.expert]);
            *out++ = static_cast<float>(weight);
        }
    });
}

Status Executor::allocate_experts(std::int64_t tokens_max) {
    std::int64_t slots = 0;
    int n_experts = 0;
    for (const ExpertsSpec& spec : model_->program.experts) {
        slots = std::max(slots, tokens_max * spec.router.top_k);
        n_experts = std::max(n_experts, spec.router.n_experts);
        experts_.d_ff = std::max(experts_.d_ff, round_up(spec.d_ff, kernels::kActivationCols));
    }
    if (slots == 0) return {};
    for (const models::Op& op : model_->program.ops)
        if (op.kind == models::OpKind::experts)
            experts_.d_model =
                std::max(experts_.d_model, round_up(buffer(op.a).width, kernels::kActivationCols));
    const auto take = [&](std::int64_t width) {
        return arena_.take<float>(static_cast<std::uint64_t>(slots * width), "activations of experts");
    };
    HEARTH_TRY(experts_.inputs, take(experts_.d_model));
    HEARTH_TRY(experts_.outputs, take(experts_.d_model));
    HEARTH_TRY(experts_.gate, take(experts_.d_ff));
    HEARTH_TRY(experts_.up, take(experts_.d_ff));
    for (const ExpertsSpec& spec : model_->program.experts)
        for (int part = 0; part < spec.n_matrices() * spec.router.n_experts; ++part) {
            const auto id = static_cast<std::size_t>(spec.first + part / spec.n_matrices() * spec.stride +
                                                     part % spec.n_matrices());
            const auto kind = kernels::activation_kind(*kernels_, model_->tensors[id].matrix, exact_);
            const std::int64_t cols = std::max(experts_.d_model, experts_.d_ff);
            if (kind == kernels::kActivationF32 || !experts_.quantized[kind].empty()) continue;
            const auto bytes = static_cast<std::uint64_t>(slots * kernels::activation_row_bytes(kind, cols));
            HEARTH_TRY(experts_.quantized[kind], arena_.take_bytes(bytes, "activations of experts"));
        }
    experts_.begins.resize(static_cast<std::size_t>(n_experts) + 1);
    experts_.slots.resize(static_cast<std::size_t>(slots));
    experts_.places.resize(static_cast<std::size_t>(slots));
    return {};
}

// Sorts the pairs (token, rank) by expert: a counting sort, so in each expert's part tokens keep their order.
void Executor::sort_by_expert(const Buffer& chosen, int n_experts, std::int64_t top_k, std::int64_t n_rows) {
    auto& begins = experts_.begins;
    const auto expert_at = [&](std::int64_t slot) {
        return static_cast<std::size_t>(chosen.row(slot / top_k)[slot % top_k * 2]);
    };
    std::fill(begins.begin(), begins.end(), 0);
    for (std::int64_t slot = 0; slot < n_rows * top_k; ++slot) ++begins[expert_at(slot) + 1];
    for (std::size_t e = 0; e < static_cast<std::size_t>(n_experts); ++e) begins[e + 1] += begins[e];
    for (std::int64_t slot = 0; slot < n_rows * top_k; ++slot) {
        const auto place = static_cast<std::size_t>(begins[expert_at(slot)]++);
        experts_.slots[place] = slot;
        experts_.places[static_cast<std::size_t>(slot)] = static_cast<std::int64_t>(place);
    }
    for (auto e = static_cast<std::size_t>(n_experts); e > 0; --e) begins[e] = begins[e - 1];
    begins[0] = 0;
}

// y = x W^T for every expert that has tokens and each of the matrices `parts`, which read the same x. Rows
// are sorted by expert.
void Executor::multiply_experts(const ExpertsSpec& spec, const float* x, std::int64_t x_stride,
                                std::initializer_list<ExpertPart> parts) {
    std::vector<ExpertTask>& tasks = experts_.tasks;
    tasks.clear();
    bool is_wanted[kernels::kActivationKinds] = {};
    std::int64_t cols = 0;
    for (int e = 0; e < spec.router.n_experts; ++e) {
        const std::int64_t first = experts_.begins[static_cast<std::size_t>(e)];
        const std::int64_t n = experts_.begins[static_cast<std::size_t>(e) + 1] - first;
        if (n == 0) continue;
        for (const ExpertPart& part : parts) {
            const auto id = static_cast<std::size_t>(spec.first + e * spec.stride + part.which);
            const kernels::PackedMatrix& matrix = model_->tensors[id].matrix;
            const kernels::ActivationKind kind = kernels::activation_kind(*kernels_, matrix, exact_);
            is_wanted[kind] = true;
            cols = matrix.cols;
            for (std::int64_t panel = 0; panel < matrix.n_panels; panel += kPanelsATask)
                tasks.push_back({&matrix, &part, kind, first, n, panel});
        }
    }
    const std::int64_t n_slots = experts_.begins[static_cast<std::size_t>(spec.router.n_experts)];
    for (const auto kind : {kernels::kActivationInt8, kernels::kActivationBf16})
        if (is_wanted[kind])
            pool_->split(n_slots, 1, [&](std::int64_t begin, std::int64_t end) {
                kernels::quantize_rows(*kernels_, kind, x, x_stride, cols, begin, end,
                                       experts_.quantized[kind].data());
            });
    const std::int64_t blocks_a_row = (cols + kernels::kActivationCols - 1) / kernels::kActivationCols;
    pool_->claim(static_cast<std::int64_t>(tasks.size()), 1, [&](int worker, std::int64_t i, std::int64_t) {
        const ExpertTask& task = tasks[static_cast<std::size_t>(i)];
        const ExpertPart& part = *task.part;
        kernels::Activations rows{task.kind, x + task.first * x_stride, x_stride};
        if (task.kind != kernels::kActivationF32)
            rows = {task.kind,
                    experts_.quantized[task.kind].data() +
                        task.first * kernels::activation_row_bytes(task.kind, cols),
                    blocks_a_row};
        const kernels::LinearJob job{task.matrix, rows, part.y + task.first * part.y_stride, part.y_stride};
        kernels::linear_alone(*kernels_, job, task.n, scratch_.data() + worker * scratch_per_worker_,
                              scratch_per_worker_, task.panel,
                              std::min(task.matrix->n_panels, task.panel + kPanelsATask));
    });
}

void Executor::experts(const models::Op& op, std::int64_t n_rows) {
    const ExpertsSpec& spec = model_->program.experts[static_cast<std::size_t>(op.spec)];
    const Buffer &x = buffer(op.a), &chosen = buffer(op.b), &out = buffer(op.out);
    const std::int64_t top_k = spec.router.top_k, n_slots = n_rows * top_k;
    const std::int64_t d_model = experts_.d_model, d_ff = experts_.d_ff;
    sort_by_expert(chosen, spec.router.n_experts, top_k, n_rows);
    float *inputs = experts_.inputs.data(), *outputs = experts_.outputs.data();
    float *gate = experts_.gate.data(), *up = experts_.up.data();
    const auto slot_at = [&](std::int64_t place) { return experts_.slots[static_cast<std::size_t>(place)]; };
    const auto bias = [&](std::int64_t place, int part) {
        const std::int64_t slot = slot_at(place);
        const int expert = static_cast<int>(chosen.row(slot / top_k)[slot % top_k * 2]);
        return vector(spec.first + expert * spec.stride + spec.n_matrices() + part);
    };
    each_row(n_slots, [&](std::int64_t place) {
        std::memcpy(inputs + place * d_model, x.row(slot_at(place) / top_k),
                    static_cast<std::size_t>(x.width) * sizeof(float));
    });
    if (spec.gated)
        multiply_experts(spec, inputs, d_model, {{0, gate, d_ff}, {1, up, d_ff}});
    else
        multiply_experts(spec, inputs, d_model, {{0, gate, d_ff}});
    const int down = spec.n_matrices() - 1;
    each_row(n_slots, [&](std::int64_t place) {
        float *g = gate + place * d_ff, *u = spec.gated ? up + place * d_ff : nullptr;
        if (spec.has_bias) {
            kernels_->add(g, bias(place, 0), spec.d_ff);
            if (spec.gated) kernels_->add(u, bias(place, 1), spec.d_ff);
        }
        kernels_->glu[glu_kind(spec.activation)](g, g, u, spec.d_ff, spec.limit);
    });
    multiply_experts(spec, gate, d_ff, {{down, outputs, d_model}});
    each_row(n_rows, [&](std::int64_t row) {
        float* y = out.row(row);
        std::fill_n(y, out.width, 0.0f);
        for (std::int64_t rank = 0; rank < top_k; ++rank) {
            const std::int64_t place = experts_.places[static_cast<std::size_t>(row * top_k + rank)];
            float* expert = outputs + place * d_model;
            if (spec.has_bias) kernels_->add(expert, bias(place, down), out.width);
            const float weight = chosen.row(row)[2 * rank + 1];
            for (std::int64_t i = 0; i < out.width; ++i) y[i] += weight * expert[i];
        }
    });
}

}  // namespace hearth::engine
