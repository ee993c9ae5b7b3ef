// models/arch/qwen3_5_modules.h - how files spell the modules of Qwen3-Next, 3.5 and 3.6.
#pragma once

#include "models/architecture.h"

namespace hearth::models {

inline constexpr ModuleNames kQwen35Modules[] = {
    {"linear_attn.in_proj_qkv", "attn_qkv"},
    {"linear_attn.in_proj_z", "attn_gate"},
    {"linear_attn.in_proj_qkvz", "ssm_in"},
    {"linear_attn.in_proj_ba", "ssm_ba"},
    {"linear_attn.in_proj_b", "ssm_beta"},
    {"linear_attn.in_proj_a", "ssm_alpha"},
    {"linear_attn.conv1d", "ssm_conv1d"},
    {"linear_attn.A_log", "ssm_a"},
    {"linear_attn.dt_bias", "ssm_dt.bias"},
    {"linear_attn.norm", "ssm_norm"},
    {"linear_attn.out_proj", "ssm_out"},
    {"post_attention_layernorm", "post_attention_norm"},
    {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
};

// Multi-token prediction: what stands around its layers.
inline constexpr KeyNames kQwenDraftModules[] = {
    {"mtp.fc", "eh_proj"},
    {"mtp.pre_fc_norm_embedding", "enorm"},
    {"mtp.pre_fc_norm_hidden", "hnorm"},
    {"mtp.norm", "shared_head.norm"},
};

}  // namespace hearth::models
