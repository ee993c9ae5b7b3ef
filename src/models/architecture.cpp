// models/architecture.cpp - the table made from arch/list.def.
#include "models/architecture.h"

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
}  // namespace

const Architecture* find_architecture(std::string_view name) {
    for (const Architecture* row : kArchitectures)
        if (row->name == name) return row;
    return nullptr;
}

std::string architecture_names() {
    std::string names;
    for (const Architecture* row : kArchitectures)
        names += (names.empty() ? "" : ", ") + std::string(row->name);
    return names;
}

}  // namespace hearth::models
