// models/architecture.cpp - the table made from arch/list.def.
#include "models/architecture.h"

#include <algorithm>
#include <array>

namespace hearth::models {

#define HEARTH_ARCH(name) extern const Architecture k_##name;
#include "models/arch/list.def"
#undef HEARTH_ARCH

namespace {
#define HEARTH_ARCH(name) &k_##name,
const std::array kArchitectures = {
#include "models/arch/list.def"
};
#undef HEARTH_ARCH

template <class Matches>
const Architecture* find_row(Matches&& matches) {
    const auto row = std::find_if(kArchitectures.begin(), kArchitectures.end(),
                                  [&](const Architecture* a) { return matches(*a); });
    return row == kArchitectures.end() ? nullptr : *row;
}

std::string joined(const char* const Architecture::*words) {
    std::string names;
    for (const Architecture* row : kArchitectures) {
        if (*(row->*words) == '\0') continue;
        std::string of_row = row->*words;
        std::size_t at = 0;
        while ((at = of_row.find(' ', at)) != std::string::npos) of_row.replace(at, 1, ", "), at += 2;
        names += (names.empty() ? "" : ", ") + of_row;
    }
    return names;
}
}  // namespace

bool has_word(std::string_view list, std::string_view word) {
    if (word.empty() || word.find(' ') != std::string_view::npos) return false;
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t end = std::min(list.find(' ', at), list.size());
        if (list.substr(at, end - at) == word) return true;
        at = end + 1;
    }
    return false;
}

const Architecture* find_architecture(std::string_view name) {
    return find_row([&](const Architecture& a) { return a.name == name; });
}

const Architecture* find_by_model_type(std::string_view type) {
    return find_row([&](const Architecture& a) { return has_word(a.model_types, type); });
}

const Architecture* find_by_gguf_name(std::string_view name) {
    return find_row([&](const Architecture& a) { return has_word(a.gguf_names, name); });
}

std::span<const Architecture* const> architectures() { return kArchitectures; }
std::string architecture_names() { return joined(&Architecture::model_types); }
std::string gguf_architecture_names() { return joined(&Architecture::gguf_names); }

}  // namespace hearth::models
