// kernels/cpu/code_tables.h - what 4-bit codes stand for, as bytes that count from an offset.
#pragma once

// Included inside a namespace: the shell includes what this needs.

struct CodeTable {
    uint8_t code[16];
};
// E2M1 times two, counted from -16: quant/formats/e2m1.h. The scale is halved instead, and every product
// stays exact.
static const CodeTable kE2M1From16 = {{16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4}};
// -8 .. 7, counted from -16.
static const CodeTable kSignedFrom16 = {{8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}};
// IQ4_NL's and IQ4_XS's levels, counted from -128.
static const CodeTable kIq4From128 = {
    {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241}};
