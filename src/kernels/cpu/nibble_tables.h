// kernels/cpu/nibble_tables.h - what a 4-bit code stands for, as float32 and as a signed byte.
#pragma once

// Included inside a namespace: the shell includes what this needs.

struct NibbleTable {
    float value[16];
    int8_t code[16];
};
#define NIBBLE_TABLE(...)              \
    {                                  \
        {__VA_ARGS__}, { __VA_ARGS__ } \
    }
static const NibbleTable kSigned4 = NIBBLE_TABLE(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
static const NibbleTable kUnsigned4 = NIBBLE_TABLE(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
// E2M1 times two: quant/formats/e2m1.h. The scale is halved instead, and every product stays exact.
static const NibbleTable kE2M1Doubled = NIBBLE_TABLE(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
#undef NIBBLE_TABLE
