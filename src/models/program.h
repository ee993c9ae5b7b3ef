// models/program.h - what an architecture is: tensors, per-layer state, and operations over named
// activations. Built by arch/*.cpp; read by the loader, the executor, the planner, the quantizer and the
// forensics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
    ffn_gate,
    ffn_up,
    ffn_down,
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
};

struct Value {
    std::string name;
    std::int64_t width;
};

// What a layer keeps for each sequence. Other kinds (window ring, recurrent, latent) join here.
struct StateSpec {
    enum class Kind { paged_kv } kind = Kind::paged_kv;
    int layer = 0;
    int n_kv_heads = 0, head_dim = 0;
    int window = 0;  // positions visible behind the current one; 0: all
    // Bytes a token takes, for element size `bytes_per_element`.
    [[nodiscard]] std::int64_t bytes_per_token(int bytes_per_element) const {
        return 2LL * n_kv_heads * head_dim * bytes_per_element;
    }
};

enum class OpKind {
    embed,        // out = rows of `weight` by token id
    rms_norm,     // out = norm(a) * weight
    linear,       // out = a weight^T (+ bias)
    head_norm,    // out, in place: each head of width head_dim is normed with weight
    rope,         // out, in place: rotates each head by its token's position
    attention,    // out = attention of queries a over `state`, after keys b and values c are appended to it
    swiglu,       // out = silu(a) * b
    add,          // out += a
    select_rows,  // out = the rows of a whose logits are wanted; later operations see these rows alone
};

struct Op {
    OpKind kind;
    int layer = kNone;
    ValueId out = kNone, a = kNone, b = kNone, c = kNone;
    TensorId weight = kNone, bias = kNone;
    StateId state = kNone;
    int head_dim = 0;  // head_norm, rope, attention
};

struct Program {
    std::vector<Value> values;
    std::vector<TensorSpec> tensors;
    std::vector<StateSpec> states;
    std::vector<Op> ops;
    ValueId logits = kNone;  // [n_selected, vocab]
    [[nodiscard]] std::int64_t kv_bytes_per_token(int bytes_per_element) const;
};

// Writes a program as an architecture's forward pass reads. Activations with one name share one buffer.
class ProgramBuilder {
  public:
    explicit ProgramBuilder(const ModelConfig& config) : config_(config) {}

    void begin_layer(int layer) { layer_ = layer; }  // kNone after the last
    ValueId embed(std::string_view tensor);
    ValueId rms_norm(std::string_view out, ValueId x, std::string_view tensor);
    // `tensor` without suffix: "self_attn.q_proj"; ".weight" and, if has_bias, ".bias" are added.
    ValueId linear(std::string_view out, ValueId x, std::string_view tensor, Role role, std::int64_t rows,
                   bool has_bias, int fused_group = kNone);
    void head_norm(ValueId x, std::string_view tensor);
    void rope(ValueId x);
    ValueId attention(std::string_view out, ValueId q, ValueId k, ValueId v, int window = 0);
    ValueId swiglu(std::string_view out, ValueId gate, ValueId up);
    void add(ValueId x, ValueId y);
    ValueId select_rows(std::string_view out, ValueId x);
    // Linears of this layer that share a tensor scale: one number a call.
    int new_fused_group() { return n_fused_groups_++; }
    // The head: a matrix of its own, or the embedding when tied.
    Program finish(ValueId x, std::string_view head_tensor);

  private:
    ValueId value(std::string_view name, std::int64_t width);
    TensorId tensor(std::string_view name, Role role, Shape shape, int fused_group = kNone);
    Op& push(OpKind kind);
    ModelConfig config_;
    Program program_;
    int layer_ = kNone, n_fused_groups_ = 0;
};

// The frame that decoders share: embedding, `layer` for each layer over the residual stream x, last norm,
// head.
Program decoder(const ModelConfig& config, void (*layer)(ProgramBuilder&, const ModelConfig&, ValueId x));

}  // namespace hearth::models
