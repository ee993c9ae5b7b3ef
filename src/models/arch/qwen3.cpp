// models/arch/qwen3.cpp - Qwen3 dense: Llama with an RMS norm on every query and key head before RoPE.
// Source: transformers, models/qwen3/modeling_qwen3.py.
#include "models/architecture.h"

namespace hearth::models {
namespace {

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    const int qkv = b.new_fused_group(), gate_up = b.new_fused_group();
    const ValueId h = b.rms_norm("h", x, "input_layernorm.weight");
    const ValueId q = b.linear("q", h, "self_attn.q_proj", Role::attn_q, c.q_width(), c.attention_bias, qkv);
    const ValueId k = b.linear("k", h, "self_attn.k_proj", Role::attn_k, c.kv_width(), c.attention_bias, qkv);
    const ValueId v = b.linear("v", h, "self_attn.v_proj", Role::attn_v, c.kv_width(), c.attention_bias, qkv);
    b.head_norm(q, "self_attn.q_norm.weight");
    b.head_norm(k, "self_attn.k_norm.weight");
    b.rope(q);
    b.rope(k);
    const ValueId attended = b.attention("attended", q, k, v);
    b.add(x, b.linear("h", attended, "self_attn.o_proj", Role::attn_output, c.d_model, c.output_bias));
    const ValueId f = b.rms_norm("h", x, "post_attention_layernorm.weight");
    const ValueId gate = b.linear("gate", f, "mlp.gate_proj", Role::ffn_gate, c.d_ff, false, gate_up);
    const ValueId up = b.linear("up", f, "mlp.up_proj", Role::ffn_up, c.d_ff, false, gate_up);
    b.add(x, b.linear("h", b.swiglu("gate", gate, up), "mlp.down_proj", Role::ffn_down, c.d_model, false));
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_qwen3;
const Architecture k_qwen3 = {"qwen3", "Qwen3ForCausalLM", 128, false, build};

}  // namespace hearth::models
