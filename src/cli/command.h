// cli/command.h - what a command is: a name, one line about it, and a function that declares its flags.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hearth::cli {

// Flags that every command takes; main.cpp declares them.
struct GlobalOptions {
    bool json = false;  // one JSON value on stdout instead of text
    int threads = 0;    // 0: all usable cores
};

// Runs after parsing; gives the exit code (0, or a documented one for "it ran, and the answer is no").
using Action = std::function<Result<int>()>;

struct Command {
    std::string_view name;
    std::string_view summary;
    // Declares the flags on `app` and returns what to run. What the flags write to must live in the action.
    Action (*setup)(CLI::App& app, const GlobalOptions& global);
};

// One file per command defines one of these; main.cpp lists them all.
extern const Command kAudit;
extern const Command kBench;
extern const Command kCheckClaims;
extern const Command kCost;
extern const Command kDemo;
extern const Command kDoctor;
extern const Command kEmbed;
extern const Command kEval;
extern const Command kInspect;
extern const Command kLogits;
extern const Command kPlan;
extern const Command kQuantize;
extern const Command kRender;
extern const Command kRun;
extern const Command kServe;
extern const Command kSynth;
extern const Command kTokenize;
extern const Command kUp;

// Writes text to stdout, whole; an error when stdout is closed or full.
Status print(std::string_view text);
Status print_json(const Json& value);

}  // namespace hearth::cli
