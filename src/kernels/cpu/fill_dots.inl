// kernels/cpu/fill_dots.inl - one instruction set's dot products; the only symbol its object exports.
// HEARTH_DOTS and HEARTH_ISA are set by the shell that includes this.

extern "C" {
extern const DotKernels HEARTH_DOTS;
const DotKernels HEARTH_DOTS = {
    HEARTH_ISA,
    // In the order of PanelKind: F32, BF16, F16, FP8, then the integer kinds, FP8 with scales.
    {nullptr,
#if defined(__AVX512BF16__)
     dot_bf16<Bf16Lines>, nullptr, dot_bf16<Fp8Lines>,
#else
     nullptr, nullptr, nullptr,
#endif
     dot<PanelReadQ8_0>, dot<PanelReadQ4_0>, dot<PanelReadIq4Nl>, dot<PanelReadMxfp4>, dot<PanelReadNvfp4>,
     dot<PanelReadQ4_K>, dot<PanelReadQ5_K>, dot<PanelReadQ6_K>, dot<PanelReadIq4Xs>,
#if defined(__AVX512BF16__)
     dot_fp8_scaled},
    {nullptr, quantize_row, round_row},
    int8_dot_chains,
    bf16_dot_chains,
#else
     nullptr},
    {nullptr, quantize_row, nullptr},
    int8_dot_chains,
    nullptr,
#endif
};
}
