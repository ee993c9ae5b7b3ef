// models/program.h - what an architecture is: tensors, per-layer state, and operations over named
// activations. Built by arch/*.cpp; read by the loader, the executor, the planner, the quantizer and the
// forensics.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/table.h"
#include "models/config.h"
#include "tensor/shape.h"

namespace hearth::models {

using ValueId = int;   // an activation: [n_tokens, width] float32
using TensorId = int;  // a row of Program::tensors
using StateId = int;   // a row of Program::states
inline constexpr int kNone = -1;

enum class Role {
    embedding,
    head,
    norm,
    qk_norm,
    attn_q,
    attn_k,
    attn_v,
    attn_output,
    attn_sinks,   // a score a head
    attn_gate,    // scales what attention gives
    linear_in,    // what a recurrent layer reads
    linear_gate,  // its output's gate, forgetting and learning rates
    conv,         // taps of a convolution over the last tokens
    decay,        // how fast a recurrent state forgets
    state_norm,   // over what a recurrent state gives
    latent_down,  // to and from the narrow latents of queries, keys and values
    latent_up,
    indexer,  // which positions a query may see
    ffn_gate,
    ffn_up,
    ffn_down,
    router,        // scores of experts
    router_bias,   // corrects the choice of experts, not their weights
    scale,         // multiplies activations or weights of experts
    per_layer,     // Gemma 4: what each layer is told about the token besides the residual stream
    per_position,  // rows that do not depend on the token: positions, token types
    draft,         // joins a token with the hidden state before it, for multi-token prediction
    bias,
};
std::string_view name(Role role);

struct TensorSpec {
    std::string name;  // as transformers spells it, with the suffix: "model.layers.0.self_attn.q_proj.weight"
    Role role;
    int layer;    // kNone outside the layers
    Shape shape;  // [out, in] for matrices
    // Linears that serving engines fuse and that must then share one tensor scale have the same number;
    // kNone: alone.
    int fused_group = kNone;
    // Share of tokens that multiply by it: top_k / n_experts for an expert, else 1.
    double used = 1;
    // Which row of the file each row is; null: in order.
    std::shared_ptr<const std::vector<std::int32_t>> row_order = nullptr;
    // Added when loaded from safetensors: norms that files hold as distance from one. GGUF holds the sum.
    float plus = 0;
    [[nodiscard]] bool is_vector() const { return shape.rank() < 2 || role == Role::conv; }
};

struct Value {
    std::string name;
    std::int64_t width;
    ValueId of = kNone;  // a view: columns [offset, offset + width) of another value
    std::int64_t offset = 0;
};

// What a layer keeps for each sequence: keys and values; a recurrent state; or latents (head_dim numbers a
// position) from which keys and values of all heads are made.
struct StateSpec {
    enum class Kind { paged_kv, recurrent, latent } kind = Kind::paged_kv;
    int layer = 0;
    int n_kv_heads = 0, head_dim = 0;
    int window = 0;           // positions visible behind the current one; 0: all
    std::int64_t floats = 0;  // recurrent: of one sequence
    // Bytes a token takes, for element size `bytes_per_element`, while it is kept.
    [[nodiscard]] std::int64_t bytes_per_token(int bytes_per_element) const {
        if (kind == Kind::recurrent) return 0;
        return (kind == Kind::latent ? 1LL : 2LL * n_kv_heads) * head_dim * bytes_per_element;
    }
    // One block of its pool (state_pools.h): 16 positions, or all of a recurrent state.
    [[nodiscard]] std::int64_t block_floats(kernels::KvType kv) const;
};

// A rotation: the frequencies of a config for heads of one width.
struct RopeSpec {
    RopeConfig config;
    int head_dim = 0;          // rotates the first config.partial of it
    bool interleaved = false;  // pairs (2i, 2i + 1), else halves
};

enum class Activation { silu, gelu_tanh, gelu_erf, clamped_swiglu, sigmoid };

// Experts of one layer, and how a token picks some. Sources: transformers' modeling files of each family.
struct ExpertsSpec {
    RouterConfig router;
    Activation activation = Activation::silu;
    float limit = 0;  // clamps gate and up; 0: none
    bool has_bias = false;
    bool gated = true;  // else an expert is down f(up x), without a gate
    // Expert e's tensors stand at first + e * stride: gate (unless it has none), up, down, then their biases
    // where it has some.
    TensorId first = kNone;
    int stride = 3;
    [[nodiscard]] int n_matrices() const { return gated ? 3 : 2; }
    std::int64_t d_ff = 0;
    TensorId router_bias = kNone;   // [n_experts], for the choice alone
    TensorId expert_scale = kNone;  // [n_experts], multiplies weights
};

// A gated delta rule: a layer that keeps one matrix [k_dim, v_dim] a head in place of keys and values, the
// last inputs of its convolution, and of the chunk of positions that it is in the keys and the changes
// (kernels/table.h). State of a sequence: [taps - 1, channels] and padding to a whole 16; a key head's keys
// each; a value head's matrix [k_dim, v_pad], changes [kDeltaChunk, v_pad] and ages [kDeltaChunk + 16] each.
struct DeltaSpec {
    int k_heads = 0, v_heads = 0, k_dim = 0, v_dim = 0, taps = 0;
    bool tiled = false;           // value head h goes with key head h % k_heads, else h / (v_heads / k_heads)
    bool decay_is_ready = false;  // the decay tensor holds -exp(A_log), else A_log
    [[nodiscard]] std::int64_t channels() const {
        return 2LL * k_heads * k_dim + std::int64_t{v_heads} * v_dim;
    }
    [[nodiscard]] std::int64_t v_width() const { return std::int64_t{v_heads} * v_dim; }
    [[nodiscard]] std::int64_t v_pad() const { return (v_dim + 15) / 16 * 16; }
    [[nodiscard]] std::int64_t tail_floats() const { return ((taps - 1) * channels() + 15) / 16 * 16; }
    [[nodiscard]] std::int64_t k_head_floats() const { return std::int64_t{kernels::kDeltaChunk} * k_dim; }
    [[nodiscard]] std::int64_t v_head_floats() const {
        return (k_dim + kernels::kDeltaChunk) * v_pad() + kernels::kDeltaChunk + 16;
    }
    [[nodiscard]] std::int64_t state_floats() const {
        return tail_floats() + k_heads * k_head_floats() + v_heads * v_head_floats();
    }
};

// Latent attention: keys are [rank | rope] with the first part shared by all heads through a matrix a head.
// The matrices are moved to the queries and to the output, so that positions are kept as latents alone.
struct LatentSpec {
    int rank = 0, rope = 0, nope = 0, v_dim = 0;
    int top_k = 0;             // 0: all positions are seen; else those that the last index_positions chose
    ValueId absorbed = kNone;  // [heads, rank padded to 16]: queries, then what they gathered
    ValueId unpacked = kNone;  // [heads, v_dim padded to 16]
    TensorId values =
        kNone;  // where files keep them apart from the keys, which the operation's weight is then
    static constexpr int padded(int n) { return (n + 15) / 16 * 16; }
};

enum class OpKind {
    embed,            // out = rows of `weight` by token id
    given,            // out = rows that come with the tokens: hidden states of the model before
    embed_positions,  // out = rows of `weight` by position
    add_row,          // out += the first row of `weight`
    layer_norm,       // out = (a - mean) / deviation * weight + bias, where it has one
    activate,         // out = activation(a)
    rms_norm,         // out = norm(a) * weight
    linear,           // out = a weight^T (+ bias)
    head_norm,        // out, in place: each head of width head_dim is normed with weight
    rope,             // out, in place: rotates each head by its token's position
    attention,        // out = attention of queries a over `state`, after keys b and values c, if any, join it
    index_positions,  // chooses top_k positions by scores of queries a (heads weighed by c) with keys, which
                      // b joins
    latent_attention,  // out = attention of queries a over latents, after b joins them, through the matrices
                       // of `weight`
    swiglu,            // out = activation(a) * b
    add,               // out += a
    gate,              // out, in place: each of a.width equal parts times sigmoid of its number in a
    convolve,    // out = silu of a convolution of a over its token and the last ones, which `state` keeps
    delta_rule,  // out = what a gated delta rule over `state` gives for queries, keys and values a; b, c its
                 // rates
    copy,        // out = a
    scale,       // out, in place: times value, or times the one number of `weight`
    softcap,     // out, in place: value * tanh(out / value)
    scale_queries,  // out, in place: times 1 + value * ln(1 + floor(position / period))
    route,          // out = [expert, weight] pairs of the best experts by scores a, best first
    experts,        // out = sum over pairs b of weight * expert(a), in order of rank
    select_rows,    // out = the rows of a whose logits are wanted; later operations see these rows alone
};

struct Op {
    OpKind kind;
    int layer = kNone;
    ValueId out = kNone, a = kNone, b = kNone, c = kNone;
    TensorId weight = kNone, bias = kNone;
    StateId state = kNone;
    int head_dim = 0;  // head_norm, rope, attention
    int offset = 0;    // rope: where in a head the part that rotates begins
    int top_k = 0;     // index_positions
    // attention: positions seen on each side when it is not causal; 0: all. Causal windows stand in the
    // state.
    bool causal = true;
    int reach = 0;
    int n_heads = 0;         // attention: of queries
    int spec = kNone;        // rope: a row of ropes; route, experts: a row of experts
    float eps = 0;           // norms
    float value = 0;         // attention: multiplies scores; scale_queries: beta
    float period = 0;        // scale_queries
    TensorId sinks = kNone;  // attention: [n_heads]
    Activation activation = Activation::silu;
    float limit = 0;  // swiglu: clamps; 0: none
};

struct Program {
    std::vector<Value> values;
    std::vector<TensorSpec> tensors;
    std::vector<StateSpec> states;
    std::vector<RopeSpec> ropes;
    std::vector<ExpertsSpec> experts;
    std::vector<DeltaSpec> deltas;
    std::vector<LatentSpec> latents;
    std::vector<Op> ops;
    ValueId logits = kNone;      // [n_selected, vocab], or hidden states where the model has no head
    ValueId hidden = kNone;      // [n_tokens, d_model]: what the head reads, and drafting builds on
    bool bidirectional = false;  // a text is one step
    [[nodiscard]] std::int64_t output_width() const { return values[static_cast<std::size_t>(logits)].width; }
    [[nodiscard]] std::int64_t kv_bytes_per_token(int bytes_per_element) const;
    // Multiplications and additions of n tokens of one sequence from `depth` on; the head for n_logits of
    // them.
    [[nodiscard]] double operations(double depth, double n_tokens, double n_logits) const;
    // Which tensors some operation multiplies by, by TensorId: those that are packed for the kernels.
    [[nodiscard]] std::vector<bool> multiplied() const;
};

// The heads of one attention.
struct AttentionShape {
    int n_heads = 0, n_kv_heads = 0, head_dim = 0;
    int window = 0;      // 0: all positions
    float scale = 0;     // of scores; 0: head_dim^-0.5
    bool causal = true;  // false: positions ahead are seen as well, `window` of them on each side
    [[nodiscard]] std::int64_t q_width() const { return std::int64_t{n_heads} * head_dim; }
    [[nodiscard]] std::int64_t kv_width() const { return std::int64_t{n_kv_heads} * head_dim; }
};

// Writes a program as an architecture's forward pass reads. Activations with one name share one buffer.
class ProgramBuilder {
  public:
    explicit ProgramBuilder(const ModelConfig& config) : config_(config) {}

    void begin_layer(int layer) { layer_ = layer; }  // kNone after the last
    [[nodiscard]] int layer() const { return layer_; }
    ValueId embed(std::string_view tensor);  // to "x"
    // Rows of another table by token id; `role` is not that of the model's own embedding.
    ValueId embed(std::string_view out, std::string_view tensor, Role role, std::int64_t rows,
                  std::int64_t width);
    void add_positions(ValueId x, std::string_view tensor, std::int64_t rows);  // x += a row a position
    void add_row(ValueId x, std::string_view tensor, std::int64_t rows);        // x += the first row
    void layer_norm(ValueId x, ValueId from, std::string_view module, bool has_bias, double eps = 0);
    ValueId layer_norm(std::string_view out, ValueId from, std::string_view module, bool has_bias);
    ValueId activate(std::string_view out, ValueId x, Activation activation);
    ValueId given(std::string_view out);
    // A value that is written part by part, through views.
    ValueId space(std::string_view name, std::int64_t width) { return value(name, width); }
    // Columns of a value under a name of their own: no copy.
    ValueId view(std::string_view name, ValueId of, std::int64_t offset, std::int64_t width);
    // `tensor` may be empty in norms: no weight.
    ValueId rms_norm(std::string_view out, ValueId x, std::string_view tensor,
                     double eps = 0);  // 0: the config's
    // `tensor` without suffix: "self_attn.q_proj"; ".weight" and, if has_bias, ".bias" are added.
    ValueId linear(std::string_view out, ValueId x, std::string_view tensor, Role role, std::int64_t rows,
                   bool has_bias, int fused_group = kNone);
    void head_norm(ValueId x, std::string_view tensor, int head_dim, Role role = Role::qk_norm);
    int new_rope(const RopeConfig& rope, int head_dim, bool interleaved = false);  // for all layers
    void rope(ValueId x, int rope);
    void rope(ValueId x, int rope, int head_dim, int offset);  // a part of wider heads
    // Chooses the positions that latent attention sees from here on; q: [heads, head_dim], k: [head_dim],
    // both after RoPE, w: [heads].
    void index_positions(ValueId q, ValueId k, ValueId w, const ModelConfig::Indexer& spec);
    // q: [heads, nope + rope] after RoPE; kv: [rank | rope] after norm and RoPE. Tensors
    // self_attn.kv_b_proj, whose rows are a head's keys, then its values; or k_b_proj and v_b_proj.
    ValueId latent_attention(std::string_view out, ValueId q, ValueId kv, int n_heads, LatentSpec spec,
                             double scale);
    ValueId attention(std::string_view out, ValueId q, ValueId k, ValueId v, const AttentionShape& shape,
                      std::string_view sinks = {});
    ValueId swiglu(std::string_view out, ValueId gate, ValueId up, Activation activation = Activation::silu,
                   float limit = 0);
    // The same over what an earlier layer keeps: nothing joins its state.
    ValueId attention(std::string_view out, ValueId q, StateId state, const AttentionShape& shape);
    [[nodiscard]] StateId state_of(int layer) const;           // what an earlier layer keeps
    [[nodiscard]] ValueId named(std::string_view name) const;  // a value or view made before
    void add(ValueId x, ValueId y);
    ValueId copy(std::string_view out, ValueId x);
    void scale(ValueId x, double factor);
    void scale(ValueId x, std::string_view tensor);  // by one number
    void softcap(ValueId x, double cap);
    void gate(ValueId x, ValueId scores);
    // u: [q | k | v] of all heads; rates: [b | a] of the value heads. Tensors linear_attn.{conv1d.weight,
    // A_log, dt_bias}.
    ValueId delta_rule(std::string_view out, ValueId u, ValueId b, ValueId a, const DeltaSpec& spec);
    // The rows of the tensor declared last stand in the file in this order.
    void reorder_rows(std::vector<std::int32_t> order);
    void scale_queries(ValueId q, double beta, double period);
    // A layer's experts: `experts` is "mlp.experts"; expert e's tensors are "mlp.experts.E.gate_proj.weight"
    // and so on, whatever the file calls and stacks them (checkpoint.h).
    ValueId experts(std::string_view out, ValueId x, ValueId scores, std::string_view experts,
                    ExpertsSpec spec, std::string_view router_bias = {}, std::string_view expert_scale = {});
    ValueId select_rows(std::string_view out, ValueId x);
    // Linears of this layer that share a tensor scale: one number a call.
    int new_fused_group() { return n_fused_groups_++; }
    // The head: a matrix of its own, or the embedding when tied.
    Program finish(ValueId x, std::string_view head_tensor);
    Program finish_without_head(ValueId x);  // what a row gives is its hidden state

    [[nodiscard]] std::int64_t width(ValueId id) const {
        return program_.values[static_cast<std::size_t>(id)].width;
    }

  private:
    ValueId value(std::string_view name, std::int64_t width);
    TensorId tensor(std::string_view name, Role role, Shape shape, int fused_group = kNone);
    Op& push(OpKind kind);
    ModelConfig config_;
    Program program_;
    int layer_ = kNone, n_fused_groups_ = 0;
};

// The frame that decoders share: embedding, `layer` for each layer over the residual stream x, last norm,
// head. The config's rotation is rope 0, that of layers with a window, where it differs, rope 1. `start`
// comes after the embedding.
using PartBuilder = void (*)(ProgramBuilder&, const ModelConfig&, ValueId x);
Program decoder(const ModelConfig& config, PartBuilder layer, PartBuilder start = nullptr);
// Multi-token prediction: a token and the hidden state before it, each normed, become the input of one more
// layer, config.n_layers + `draft`, whose output goes through a norm to the head. Rows are those of the
// tokens after the first; rotations tell distances alone, so they may count from 0. Sources: transformers,
// modeling_layers.py (MtpLayer).
Program draft_head(const ModelConfig& config, int draft, PartBuilder layer);

}  // namespace hearth::models
