// tests/models/fuzz/config_fuzz.cpp - any config.json: an error, or a program.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/architecture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth;
    const auto json = parse_json({reinterpret_cast<const char*>(data), size}, "config.json");
    if (!json) return 0;
    const auto config = models::read_hf_config(*json, "config.json");
    // Big programs are slow to build, not wrong.
    constexpr int kLayersBuilt = 64, kExpertsBuilt = 256;
    if (config && config->n_layers <= kLayersBuilt && config->router.n_experts <= kExpertsBuilt)
        models::find_architecture(config->architecture)->build(*config);
    return 0;
}
