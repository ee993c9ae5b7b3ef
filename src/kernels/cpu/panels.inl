// kernels/cpu/panels.inl - how each panel kind's blocks (panel_layout.h) are read, in two ways that agree:
//   weight()  one column of 16 rows as the exact float32 value that the format's reference decode gives
//             (products of a scale and a code are exact or rounded once, in the same order)
//   quads()   four columns of 16 rows as integer codes that count from -kOffset, for dot products with
//             quantized activations; open() gives the scale of a group of kSub columns
// interleave.cpp writes these layouts. kBlock columns take kBytes bytes.

#define ROW_MEMBER static inline __attribute__((always_inline))

struct NoScales {};
struct NoPairs {  // of scales as integers: see PanelReadNvfp4
    static constexpr bool kHasPairs = false;
};
struct OneScale {
    Row scale;
};
struct ScaleAndMin {
    Row scale, min;
};

struct PanelReadF32 {
    static constexpr int kBlock = kPlainCols, kBytes = kF32Bytes, kSub = kPlainCols;
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) {
        return row_load((const float*)(block + 64 * k));
    }
};

struct PanelReadBf16 {
    static constexpr int kBlock = kPlainCols, kBytes = kBf16Bytes, kSub = kPlainCols;
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) {
        return row_from_bf16_pairs(quads_load(block + k / 2 * kLineBytes), k % 2);
    }
};

struct PanelReadF16 {
    static constexpr int kBlock = kPlainCols, kBytes = kF16Bytes, kSub = kPlainCols;
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) { return row_from_f16(block + 32 * k); }
};

struct PanelReadFp8 {
    static constexpr int kBlock = kPlainCols, kBytes = kFp8Bytes, kSub = kPlainCols;
    typedef NoScales Scales;
    ROW_MEMBER Scales open(const uint8_t*, int) { return {}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales*, int k) {
        const int byte = k == 1 ? 2 : k == 2 ? 1 : k;  // the inner two are swapped
        return row_from_e4m3(ints_byte(quads_load(block), byte));
    }
};

struct PanelReadFp8Scaled {
    static constexpr int kBlock = kFp8ScaledCols, kBytes = kFp8ScaledBytes, kSub = kFp8ScaledPart;
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_load((const float*)block)}; }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_mul(PanelReadFp8::weight(block + kFp8Scale + k / 4 * kFp8Bytes, nullptr, k % 4), s->scale);
    }
};

// weight() of the kinds whose codes are integers.
template <class Panel>
ROW_FN Row row_of_codes(const uint8_t* block, int k) {
    const Row code = row_from_ints(ints_byte(Panel::quads(block, k / 4), k % 4));
    return row_sub(code, row_set1((float)Panel::kOffset));
}
template <class Panel>
ROW_FN Row scaled_codes(const uint8_t* block, Row scale, int k) {
    return row_mul(row_of_codes<Panel>(block, k), scale);
}

// Quad q of lines of nibbles.
ROW_FN Quads nibble_quads(const uint8_t* lines, int q) {
    const Quads line = quads_load(lines + q / 2 * kLineBytes);
    return q % 2 == 0 ? quads_low(line) : quads_high(line);
}

struct PanelReadQ8_0 : NoPairs {
    static constexpr int kBlock = 32, kBytes = kQ8_0Bytes, kSub = 32, kOffset = 128, kWide = 1, kHasMin = 0;
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_from_f16(block)}; }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) { return quads_load(block + 32 + q * kLineBytes); }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return scaled_codes<PanelReadQ8_0>(block, s->scale, k);
    }
};

struct PanelReadQ4_0 : NoPairs {
    static constexpr int kBlock = 32, kBytes = kNibbles32Bytes, kSub = 32, kOffset = 16, kWide = 0,
                         kHasMin = 0;
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_from_f16(block)}; }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) {
        return quads_lookup(&kSignedFrom16, nibble_quads(block + kNibbles32Scale, q));
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return scaled_codes<PanelReadQ4_0>(block, s->scale, k);
    }
};

struct PanelReadIq4Nl : NoPairs {
    static constexpr int kBlock = 32, kBytes = kNibbles32Bytes, kSub = 32, kOffset = 128, kWide = 1,
                         kHasMin = 0;
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_from_f16(block)}; }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) {
        return quads_lookup(&kIq4From128, nibble_quads(block + kNibbles32Scale, q));
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return scaled_codes<PanelReadIq4Nl>(block, s->scale, k);
    }
};

struct PanelReadMxfp4 : NoPairs {
    static constexpr int kBlock = 32, kBytes = kMxfp4Bytes, kSub = 32, kOffset = 16, kWide = 0, kHasMin = 0;
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int) { return {row_from_e8m0_half(block)}; }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) {
        return quads_lookup(&kE2M1From16, nibble_quads(block + kMxfp4Scale, q));
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return scaled_codes<PanelReadMxfp4>(block, s->scale, k);
    }
};

// The E4M3 scales of two groups as integers of 16 bits and one power of two: first << 16 | second. Exact
// where the scales are within 2^11 of each other; beyond, the lesser one is off by less than 2^-14 of the
// greater (dot_test holds it to that), where activations of 8 bits are off by up to 2^-8.
struct ScalePairs {
    Ints pairs;
    Row power;
};
ROW_FN Ints e4m3_exponent(Ints a) { return ints_max(ints_right(a, ints_set1(3)), ints_set1(1)); }
ROW_FN Ints e4m3_significand(Ints a) {  // times 2^11: below 2^15
    const Ints hidden = ints_left(ints_min(ints_right(a, ints_set1(3)), ints_set1(1)), 3);
    return ints_left(ints_or(ints_and(a, 7), hidden), 11);
}
ROW_FN ScalePairs e4m3_pairs(const uint8_t* first, const uint8_t* second) {
    const Ints a = ints_from_u8(first), b = ints_from_u8(second);
    const Ints ea = e4m3_exponent(a), eb = e4m3_exponent(b), e = ints_max(ea, eb);
    const Ints high = ints_right(e4m3_significand(a), ints_sub(e, ea));
    const Ints low = ints_right(e4m3_significand(b), ints_sub(e, eb));
    // A scale is significand * 2^(e - 7 - 3 - 11), and the table holds doubled codes.
    return {ints_or(ints_left(high, 16), low), row_power(ints_sub(e, ints_set1(22)))};
}

struct PanelReadNvfp4 {
    static constexpr int kBlock = 32, kBytes = kNvfp4Bytes, kSub = 16, kOffset = 16, kWide = 0, kHasMin = 0;
    static constexpr bool kHasPairs = true;
    typedef OneScale Scales;
    ROW_MEMBER ScalePairs pairs(const uint8_t* block) { return e4m3_pairs(block, block + 16); }
    ROW_MEMBER Scales open(const uint8_t* block, int sub) { return {row_from_e4m3_half(block + 16 * sub)}; }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) {
        return quads_lookup(&kE2M1From16, nibble_quads(block + kNvfp4Scale, q));
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return scaled_codes<PanelReadNvfp4>(block, s->scale, k);
    }
};

// y = d * scale * q - dmin * min.
ROW_FN ScaleAndMin open_k(const uint8_t* block, int sub) {
    return {row_mul(row_from_f16(block), row_from_ints(ints_from_u8(block + kKScales + 16 * sub))),
            row_mul(row_from_f16(block + 32), row_from_ints(ints_from_u8(block + kKMins + 16 * sub)))};
}

struct PanelReadQ4_K : NoPairs {
    static constexpr int kBlock = 256, kBytes = kQ4_KBytes, kSub = 32, kOffset = 0, kWide = 0, kHasMin = 1;
    typedef ScaleAndMin Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int sub) { return open_k(block, sub); }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) { return nibble_quads(block + kQ4_KCodes, q); }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_sub(scaled_codes<PanelReadQ4_K>(block, s->scale, k), s->min);
    }
};

struct PanelReadQ5_K : NoPairs {
    static constexpr int kBlock = 256, kBytes = kQ5_KBytes, kSub = 32, kOffset = 0, kWide = 0, kHasMin = 1;
    typedef ScaleAndMin Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int sub) { return open_k(block, sub); }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) {
        const Quads high = quads_load(block + kQ5_KHigh + q / 8 * kLineBytes);
        return quads_or(nibble_quads(block + kQ4_KCodes, q), quads_bits(high, q % 8, 1, 4));
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return row_sub(scaled_codes<PanelReadQ5_K>(block, s->scale, k), s->min);
    }
};

// y = d * scale * q.
struct PanelReadQ6_K : NoPairs {
    static constexpr int kBlock = 256, kBytes = kQ6_KBytes, kSub = 16, kOffset = 32, kWide = 0, kHasMin = 0;
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int sub) {
        return {row_mul(row_from_f16(block), row_from_ints(ints_from_i8(block + kQ6_KScales + 16 * sub)))};
    }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) {
        const Quads high = quads_load(block + kQ6_KHigh + q / 4 * kLineBytes);
        return quads_or(nibble_quads(block + kQ6_KCodes, q), quads_bits(high, 2 * (q % 4), 3, 4));
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return scaled_codes<PanelReadQ6_K>(block, s->scale, k);
    }
};

struct PanelReadIq4Xs : NoPairs {
    static constexpr int kBlock = 256, kBytes = kIq4XsBytes, kSub = 32, kOffset = 128, kWide = 1, kHasMin = 0;
    typedef OneScale Scales;
    ROW_MEMBER Scales open(const uint8_t* block, int sub) {
        return {row_mul(row_from_f16(block), row_from_ints(ints_from_i8(block + kIq4XsScales + 16 * sub)))};
    }
    ROW_MEMBER Quads quads(const uint8_t* block, int q) {
        return quads_lookup(&kIq4From128, nibble_quads(block + kIq4XsCodes, q));
    }
    ROW_MEMBER Row weight(const uint8_t* block, const Scales* s, int k) {
        return scaled_codes<PanelReadIq4Xs>(block, s->scale, k);
    }
};
