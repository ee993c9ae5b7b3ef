// compress/target_type.cpp - the table of names, and llama.cpp's rules for rows and layers.
#include "compress/target_type.h"

#include <charconv>

namespace hearth::compress {
namespace {

constexpr TargetType kTypes[] = {
    {"nvfp4", DType::nvfp4},       {"mxfp4", DType::mxfp4},   {"q8_0", DType::q8_0},
    {"q4_0", DType::q4_0},         {"q4_k", DType::q4_k},     {"q5_k", DType::q5_k},
    {"q6_k", DType::q6_k},         {"iq4_nl", DType::iq4_nl}, {"iq4_xs", DType::iq4_xs},
    {"q4_k_m", DType::q4_k, true},
};

// The first and the last eighth of the layers, and every third between.
bool uses_more_bits(std::int64_t layer, std::int64_t n_layers) {
    return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

}  // namespace

std::span<const TargetType> target_types() { return kTypes; }

std::optional<TargetType> target_type_from_name(std::string_view name) {
    for (const TargetType& type : kTypes)
        if (type.name == name) return type;
    return std::nullopt;
}

std::string target_type_names() {
    std::string names;
    for (const TargetType& type : kTypes) {
        if (!names.empty()) names += &type == std::end(kTypes) - 1 ? " or " : ", ";
        names += type.name;
    }
    return names;
}

std::uint32_t gguf_file_type(DType type, bool mix) {
    switch (type) {
        case DType::f16:
            return 1;
        case DType::q4_0:
            return 2;
        case DType::q8_0:
            return 7;
        case DType::q4_k:
            return mix ? 15 : 14;
        case DType::q5_k:
            return 16;
        case DType::q6_k:
            return 18;
        case DType::iq4_nl:
            return 25;
        case DType::iq4_xs:
            return 30;
        case DType::bf16:
            return 32;
        case DType::mxfp4:
            return 38;
        case DType::nvfp4:
            return 39;
        default:
            return 0;
    }
}

DType fallback_for_rows(DType type, std::int64_t n_cols) {
    if (n_cols % info(type).block_elems == 0) return type;
    switch (type) {
        case DType::q4_k:
            return DType::q5_0;
        case DType::q5_k:
            return DType::q5_1;
        case DType::q6_k:
            return DType::q8_0;
        case DType::iq4_xs:
            return DType::iq4_nl;
        default:
            return type;
    }
}

std::optional<std::int64_t> layer_of(std::string_view gguf_name) {
    constexpr std::string_view kPrefix = "blk.";
    if (!gguf_name.starts_with(kPrefix)) return std::nullopt;
    gguf_name.remove_prefix(kPrefix.size());
    int layer = 0;
    const auto parsed = std::from_chars(gguf_name.data(), gguf_name.data() + gguf_name.size(), layer);
    if (parsed.ec != std::errc() || layer < 0 || parsed.ptr == gguf_name.data() + gguf_name.size() ||
        *parsed.ptr != '.')
        return std::nullopt;
    return layer;
}

DType type_in_mix(std::string_view gguf_name, std::int64_t n_layers, bool tied) {
    if (gguf_name == "output.weight" || (tied && gguf_name == "token_embd.weight")) return DType::q6_k;
    const auto layer = layer_of(gguf_name);
    const bool matters = gguf_name.find(".attn_v.") != std::string_view::npos ||
                         gguf_name.find(".ffn_down") != std::string_view::npos;
    return layer && matters && uses_more_bits(*layer, n_layers) ? DType::q6_k : DType::q4_k;
}

}  // namespace hearth::compress
