// engine/executor.h - runs a model's program over a step: new tokens of several sequences at once.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/kv_blocks.h"
#include "kernels/linear.h"
#include "models/model.h"

namespace hearth::engine {

// The new tokens of one sequence in a step. Their positions follow state->length(); room must be reserved.
struct StepPart {
    SequenceState* state = nullptr;
    std::span<const int> tokens;
    std::int64_t logits_from = 0;       // tokens from this index on want logits; tokens.size(): none does
    std::span<const float> given = {};  // a row a token, where the program asks for some
};

class Executor {
  public:
    // `tokens_max`: of one step, over all sequences. `exact`: every product with float32 activations. Errors:
    // no_memory.
    static Result<std::unique_ptr<Executor>> make(std::shared_ptr<const models::Network> model,
                                                  KvBlocks& blocks, ThreadPool& pool, std::int64_t tokens_max,
                                                  std::int64_t context_max, bool exact);

    // Runs one step and advances the states. Calls sink(part, token, logits) in order for each token that
    // wants logits.
    using Sink = std::function<void(std::size_t part, std::int64_t token, std::span<const float> logits)>;
    void run(std::span<const StepPart> parts, const Sink& sink);

    // What the head reads of a row of the last step.
    [[nodiscard]] std::span<const float> hidden(std::int64_t row) const {
        const Buffer& rows = buffer(model_->program.hidden);
        return {rows.row(row), static_cast<std::size_t>(rows.width)};
    }

    [[nodiscard]] const kernels::CpuKernels& kernels() const { return *kernels_; }

  private:
    struct Buffer {
        std::span<float> data;
        std::int64_t width = 0, stride = 0;
        // The same rows as the weights that read them want them, where any do; made when first read.
        std::span<std::byte> quantized[kernels::kActivationKinds];
        bool is_fresh[kernels::kActivationKinds] = {};
        [[nodiscard]] float* row(std::int64_t i) const { return data.data() + i * stride; }
    };
    // Where one token of the step belongs.
    struct Place {
        int part;
        std::int64_t position;
    };
    // Neighbouring tokens of one sequence, from `row` of the step.
    struct AttendTask {
        const StepPart* part;
        std::int64_t row, n_tokens;
    };
    struct ExpertPart {  // one of an expert's matrices: 0 gate, 1 up, 2 down
        int which;
        float* y;
        std::int64_t y_stride;
    };
    struct ExpertTask {  // some panels of one matrix, from `panel`, and the tokens of its expert
        const kernels::PackedMatrix* matrix;
        const ExpertPart* part;
        kernels::ActivationKind kind;
        std::int64_t first, n, panel;
    };
    // What the experts of a step need: tokens sorted by expert, and what comes between the matrices.
    struct ExpertsScratch {
        std::span<float> inputs, gate, up, outputs;  // [tokens_max * top_k, stride]
        // What a product reads of inputs or gate, where its weights want quantized activations.
        std::span<std::byte> quantized[kernels::kActivationKinds];
        std::int64_t d_model = 0, d_ff = 0;       // strides
        std::vector<std::int64_t> begins;         // of each expert's part, and the end
        std::vector<std::int64_t> slots, places;  // slot (token * top_k + rank) by place, and back
        std::vector<ExpertTask> tasks;            // of the product at hand
    };
    Executor(std::shared_ptr<const models::Network> model, KvBlocks& blocks, ThreadPool& pool, bool exact);
    Status allocate(std::int64_t tokens_max, std::int64_t context_max);
    Status allocate_quantized(std::span<const std::int64_t> rows);
    Status allocate_experts(std::int64_t tokens_max);
    void sort_by_expert(const Buffer& chosen, int n_experts, std::int64_t top_k, std::int64_t n_rows);
    void multiply_experts(const models::ExpertsSpec& spec, const float* x, std::int64_t x_stride,
                          std::initializer_list<ExpertPart> parts);
    void forget_quantized(models::ValueId id);
    // One row of a value as the products that read it want it, made where it was written; after all rows,
    // keep_quantized says that they are.
    void quantize_row(models::ValueId id, std::int64_t row);
    void keep_quantized(models::ValueId id);
    void place_tokens(std::span<const StepPart> parts);
    void find_angles();
    void run_ops(std::span<const models::Op> ops, std::span<const StepPart> parts, std::int64_t n_rows);
    void run_op(const models::Op& op, std::span<const StepPart> parts, std::int64_t n_rows);
    // ops/, a file a family. Each is one fork and join.
    void embed(const models::Op& op, std::span<const StepPart> parts);
    void given(const models::Op& op, std::span<const StepPart> parts);
    void embed_positions(const models::Op& op);
    void add_row(const models::Op& op, std::int64_t n_rows);
    void layer_norm(const models::Op& op, std::int64_t n_rows);
    void activate(const models::Op& op, std::int64_t n_rows);
    void select_rows(const models::Op& op, std::int64_t n_rows);
    static constexpr std::size_t kLinearsTogether = 8;
    void linear(std::span<const models::Op> ops, std::int64_t n_rows);
    void append_kv(const models::Op& op, std::span<const StepPart> parts);
    void attention(const models::Op& op, std::span<const StepPart> parts);
    void latent_attention(const models::Op& op, std::span<const StepPart> parts);
    void index_positions(const models::Op& op, std::span<const StepPart> parts);
    void append_latents(const models::Op& op, std::span<const StepPart> parts);
    void multiply_heads(std::span<const kernels::PackedMatrix> heads, const Buffer& x, std::int64_t x_head,
                        const Buffer& y, std::int64_t y_head, std::int64_t n_rows);
    void rms_norm(const models::Op& op, std::int64_t n_rows);
    void head_norm(const models::Op& op, std::int64_t n_rows);
    void rope(const models::Op& op, std::int64_t n_rows);
    void swiglu(const models::Op& op, std::int64_t n_rows);
    void add(const models::Op& op, std::int64_t n_rows);
    void copy(const models::Op& op, std::int64_t n_rows);
    void scale(const models::Op& op, std::int64_t n_rows);
    void softcap(const models::Op& op, std::int64_t n_rows);
    void gate(const models::Op& op, std::int64_t n_rows);
    void convolve(const models::Op& op, std::span<const StepPart> parts);
    struct DeltaScratch;
    static std::int64_t delta_scratch_floats(const models::DeltaSpec& spec);
    void delta_rule(const models::Op& op, std::span<const StepPart> parts);
    void delta_head(const models::Op& op, const kernels::DeltaKeysArgs& keys, const DeltaScratch& own,
                    float* state, std::int64_t head, std::int64_t row);
    void scale_queries(const models::Op& op, std::int64_t n_rows);
    void route(const models::Op& op, std::int64_t n_rows);
    void experts(const models::Op& op, std::int64_t n_rows);
    // Rows [0, n_rows) of a value as products with `weight` read them.
    kernels::Activations activations(models::ValueId id, const kernels::PackedMatrix& weight,
                                     std::int64_t n_rows);
    [[nodiscard]] const Buffer& buffer(models::ValueId id) const {
        return buffers_[static_cast<std::size_t>(id)];
    }
    [[nodiscard]] const float* vector(models::TensorId id) const {
        return model_->tensors[static_cast<std::size_t>(id)].vector.data();
    }
    [[nodiscard]] const float* gain(models::TensorId id) const {  // of a norm
        return id == models::kNone ? ones_.data() : vector(id);
    }
    static kernels::GluKind glu_kind(models::Activation activation) {
        switch (activation) {
            case models::Activation::silu:
                return kernels::kGluSilu;
            case models::Activation::gelu_tanh:
                return kernels::kGluGeluTanh;
            case models::Activation::gelu_erf:
                return kernels::kGluGeluErf;
            case models::Activation::clamped_swiglu:
                return kernels::kGluClamped;
            case models::Activation::sigmoid:
                return kernels::kGluSigmoid;
        }
        return kernels::kGluSilu;
    }
    static std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }
    // Calls body(row) for rows [0, n), shared out among the workers when there are enough of them.
    template <class Body>
    void each_row(std::int64_t n, Body&& body);

    std::shared_ptr<const models::Network> model_;
    KvBlocks* blocks_;
    ThreadPool* pool_;
    const kernels::CpuKernels* kernels_;
    bool exact_;
    Arena arena_;
    std::vector<Buffer> buffers_;  // by ValueId
    // By ValueId: the values that share its rows, itself among them, and that products read quantized.
    std::vector<std::vector<models::ValueId>> quantized_of_;
    std::span<float> ones_;     // the gain of norms without weights
    std::span<float> scratch_;  // linear and attention, a share a worker
    std::int64_t scratch_per_worker_ = 0;
    struct Rotation {
        std::span<float> cos, sin;  // [tokens_max, n_pairs] of this step's positions
        std::int64_t n_pairs = 0;
        std::vector<float> frequencies;
    };
    std::vector<Rotation> rotations_;                         // by row of Program::ropes
    std::vector<Place> places_;                               // by row of the step
    std::vector<std::int64_t> selected_;                      // rows that want logits
    std::int64_t select_begin_ = 0;                           // first of the slice that runs through the head
    std::vector<const std::uint8_t*> key_rows_, value_rows_;  // block pointers, a share a worker
    std::vector<const float*> latent_rows_;                   // the same for latent states
    std::int64_t context_blocks_ = 0;
    std::vector<AttendTask> attend_tasks_;
    ExpertsScratch experts_;
    // What the last index_positions chose: [tokens_max, selection_width_] positions and how many by row; -1:
    // all.
    std::vector<std::int32_t> selection_;
    std::vector<std::int32_t> n_selected_positions_;
    std::int64_t selection_width_ = 0;
};

template <class Body>
void Executor::each_row(std::int64_t n, Body&& body) {
    // Below this many rows a fork costs more than it shares out.
    constexpr std::int64_t kRowsToFork = 8;
    if (n < kRowsToFork) {
        for (std::int64_t row = 0; row < n; ++row) body(row);
        return;
    }
    pool_->split(n, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) body(row);
    });
}

}  // namespace hearth::engine
