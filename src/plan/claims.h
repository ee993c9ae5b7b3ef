// plan/claims.h - what others say about memory, speed and money, held to our own numbers: each claim, our
// figure, whether it holds, and the terms that decide.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hearth::plan {

struct CheckedClaim {
    std::string text, kind, source;
    std::string says, ours;  // in the claim's unit
    bool holds = false;
    std::vector<std::string> terms;
};

// A TOML file of [[claim]] tables; docs/cost.md lists the kinds. Files that claims name are relative to it.
// Errors: usage, with the line; those of the plans and sums behind a claim.
Result<std::vector<CheckedClaim>> check_claims(const std::filesystem::path& path);
Result<std::vector<CheckedClaim>> claims_of(std::string_view text, const std::filesystem::path& path);

std::string claims_text(const std::vector<CheckedClaim>& claims);
Json claims_json(const std::vector<CheckedClaim>& claims);

}  // namespace hearth::plan
