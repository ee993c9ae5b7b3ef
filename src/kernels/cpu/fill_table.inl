// kernels/cpu/fill_table.inl - one instruction set's table; the only symbol its object exports.
// HEARTH_TABLE and HEARTH_ISA are set by the shell that includes this.

extern "C" {
extern const CpuKernels HEARTH_TABLE;
const CpuKernels HEARTH_TABLE = {
    HEARTH_ISA,
    // In the order of PanelKind.
    {linear<PanelReadF32>, linear<PanelReadBf16>, linear<PanelReadF16>, linear<PanelReadFp8>,
     linear<PanelReadQ8_0>, linear<PanelReadQ4_0>, linear<PanelReadIq4Nl>, linear<PanelReadMxfp4>,
     linear<PanelReadNvfp4>, linear<PanelReadQ4_K>, linear<PanelReadQ5_K>, linear<PanelReadQ6_K>,
     linear<PanelReadIq4Xs>, linear<PanelReadFp8Scaled>},
    nullptr,
    {kv_store_f32, kv_store_bf16, kv_store_fp8, kv_store_q8},
    {attend<KvReadF32>, attend<KvReadBf16>, attend<KvReadFp8>, attend<KvReadQ8>},
    rms_norm,
    rope,
    // In the order of GluKind.
    {glu<kGluSilu>, glu<kGluGeluTanh>, glu<kGluGeluErf>, glu<kGluClamped>, glu<kGluSigmoid>},
    attend_latent,
    index_scores,
    convolve,
    delta_keys,
    delta_rule,
    add,
    read_bytes,
    fma_chains,
};
}
