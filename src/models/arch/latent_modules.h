// models/arch/latent_modules.h - GGUF's names of what DeepSeek V3 and GLM-5 share. Source: llama.cpp's
// converter, conversion/deepseek.py.
#pragma once

#include "models/tensor_names.h"

namespace hearth::models {

inline constexpr ModuleNames kLatentModules[] = {
    {"self_attn.q_a_proj", "attn_q_a"},
    {"self_attn.q_a_layernorm", "attn_q_a_norm"},
    {"self_attn.q_b_proj", "attn_q_b"},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"self_attn.kv_a_layernorm", "attn_kv_a_norm"},
    {"self_attn.kv_b_proj", "attn_kv_b"},
    {"self_attn.k_b_proj", "attn_k_b"},
    {"self_attn.v_b_proj", "attn_v_b"},
    {"self_attn.indexer.wq_b", "indexer.attn_q_b"},
    {"self_attn.indexer.wk", "indexer.attn_k"},
    {"self_attn.indexer.k_norm", "indexer.k_norm"},
    {"self_attn.indexer.weights_proj", "indexer.proj"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
};

}  // namespace hearth::models
