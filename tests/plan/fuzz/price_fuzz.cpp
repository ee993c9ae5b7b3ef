// tests/plan/fuzz/price_fuzz.cpp - price files of both outside formats.
#include <string>

#include "plan/prices.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::plan;
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const char* name : {"price.toml", "prices.json"})
        if (const auto price = price_of(text, name, "m")) {
            CostInputs inputs;
            use_price(*price, inputs);
            inputs.use.prompt_tokens = 250'000;
            use_price(*price, inputs);
        }
    return 0;
}
