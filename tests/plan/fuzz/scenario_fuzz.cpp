// tests/plan/fuzz/scenario_fuzz.cpp - scenarios with the plan that they ask for, and claims.
#include <string_view>

#include "plan/claims.h"
#include "plan/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::plan;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto scenario = scenario_of(text, "no/such/folder/scenario.toml"))
        if (const auto answer = outlook(scenario->request)) {
            (void)outlook_text(*answer);
            (void)outlook_json(*answer);
        }
    if (const auto claims = claims_of(text, "no/such/folder/claims.toml")) (void)claims_text(*claims);
    return 0;
}
