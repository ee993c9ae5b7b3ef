// cli/check_claims.cpp - hearth check-claims FILE: what others say, our number, and whether it holds.
#include <boost/json.hpp>

#include "cli/command.h"
#include "plan/claims.h"

namespace hearth::cli {
namespace {

Result<int> run(const std::string& file, const GlobalOptions& global) {
    HEARTH_TRY(const auto claims, plan::check_claims(file));
    HEARTH_TRY_STATUS(global.json ? print_json(plan::claims_json(claims)) : print(plan::claims_text(claims)));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto file = std::make_shared<std::string>();
    app.add_option("FILE", *file, "claims as TOML (examples/article.toml)")->required();
    return [file, &global] { return run(*file, global); };
}

}  // namespace

const Command kCheckClaims = {"check-claims",
                              "hold what others say about memory, speed and money to our numbers", setup};

}  // namespace hearth::cli
