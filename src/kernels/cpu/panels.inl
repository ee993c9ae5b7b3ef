// kernels/cpu/panels.inl - how each panel kind's blocks are laid out and read, one column of 16 rows at a
// time. Every weight() gives the exact float32 value that the format's reference decode gives (products of a
// scale and a code are exact or rounded once, in the same order), so that decoding ahead and decoding in
// place agree. pack.cpp writes these layouts. kBlock columns take kBytes bytes.

#define ROW_MEMBER static inline __attribute__((always_inline))

struct NoScales {};

struct PanelReadF32 {
    enum { kBlock = 4, kBytes = 4 * 64, kSub = 4 };
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) {
        return row_load((const float*)(block + 64 * k));
    }
};

struct PanelReadBf16 {
    enum { kBlock = 4, kBytes = 4 * 32, kSub = 4 };
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) {
        return row_from_bf16(block + 32 * k);
    }
};

struct PanelReadF16 {
    enum { kBlock = 4, kBytes = 4 * 32, kSub = 4 };
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) { return row_from_f16(block + 32 * k); }
};

struct PanelReadFp8 {
    enum { kBlock = 4, kBytes = 4 * 16, kSub = 4 };
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) {
        return row_from_e4m3(codes_load(block + 16 * k));
    }
};

struct OneScale {
    Row scale;
};

// f16 scale[16], then int8 code[32][16].
struct PanelReadQ8_0 {
    enum { kBlock = 32, kBytes = 32 + 32 * 16, kSub = 32 };
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_from_f16(block)}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_mul(row_from_i8(codes_load(block + 32 + 16 * k)), s->scale);
    }
};

// Nibbles come in column pairs: the low one is the even column.
ROW_FN Row nibble_column(const NibbleTable* table, const uint8_t* pairs, int k) {
    return row_from_nibbles(table, pairs + 16 * (k / 2), k);
}

// f16 scale[16], then nibble pairs [16][16].
struct PanelReadQ4_0 {
    enum { kBlock = 32, kBytes = 32 + 16 * 16, kSub = 32 };
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_from_f16(block)}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_mul(nibble_column(&kSigned4, block + 32, k), s->scale);
    }
};

// E8M0 scale[16], then nibble pairs [16][16].
struct PanelReadMxfp4 {
    enum { kBlock = 32, kBytes = 16 + 16 * 16, kSub = 32 };
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_from_e8m0_half(codes_load(block))}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_mul(nibble_column(&kE2M1Doubled, block + 16, k), s->scale);
    }
};

// E4M3 scale[16], then nibble pairs [8][16].
struct PanelReadNvfp4 {
    enum { kBlock = 16, kBytes = 16 + 8 * 16, kSub = 16 };
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) {
        return {row_mul(row_from_e4m3(codes_load(block)), row_set1(0.5f))};
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_mul(nibble_column(&kE2M1Doubled, block + 16, k), s->scale);
    }
};

// f16 d[16], f16 dmin[16], u8 scale[8][16], u8 min[8][16], then nibble pairs [128][16]. y = d*scale*q -
// dmin*min.
struct PanelReadQ4_K {
    enum { kBlock = 256, kBytes = 64 + 256 + 128 * 16, kSub = 32 };
    struct Scales {
        Row scale, min;
    };
    ROW_MEMBER Scales open(const uint8_t* block, int sub) {
        return {row_mul(row_from_f16(block), row_from_u8(codes_load(block + 64 + 16 * sub))),
                row_mul(row_from_f16(block + 32), row_from_u8(codes_load(block + 192 + 16 * sub)))};
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_sub(row_mul(s->scale, nibble_column(&kUnsigned4, block + 320, k)), s->min);
    }
};

// f16 d[16], i8 scale[16][16], then int8 code[256][16] (q - 32). y = d*scale*q.
struct PanelReadQ6_K {
    enum { kBlock = 256, kBytes = 32 + 256 + 256 * 16, kSub = 16 };
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int sub) {
        return {row_mul(row_from_f16(block), row_from_i8(codes_load(block + 32 + 16 * sub)))};
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_mul(s->scale, row_from_i8(codes_load(block + 288 + 16 * k)));
    }
};
