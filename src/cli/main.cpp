// cli/main.cpp - the program: its commands, the flags they share, and the way out for errors.
#include <boost/json.hpp>
#include <cstdio>
#include <exception>

#include "base/log.h"
#include "base/terminal.h"
#include "cli/command.h"

namespace hearth::cli {
namespace {

// In the order of the main job, then the tools.
const Command* const kCommands[] = {
    // clang-format off
    &kUp,
    &kDemo,
    &kPlan,
    &kQuantize,
    &kAudit,
    &kEval,
    &kCost,
    &kCheckClaims,
    &kServe,
    &kRun,
    &kBench,
    &kSynth,
    &kInspect,
    &kTokenize,
    &kRender,
    &kLogits,
    &kDoctor,
    &kEmbed,
    // clang-format on
};

int report(const Error& error, bool json) {
    if (json) {
        const Json body = {
            {"error", {{"code", std::string(info(error.fault).name)}, {"message", error.message}}}};
        std::fprintf(stdout, "%s\n", to_json(body).c_str());
    }
    std::fprintf(stderr, "hearth: %s\n", error.message.c_str());
    return info(error.fault).exit_code;
}

int run(int argc, char** argv) {
    CLI::App app(
        "Hearth: run language models on your own hardware, prove what they are worth, know what they cost.",
        "hearth");
    app.set_version_flag("--version", "hearth " HEARTH_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    GlobalOptions global;
    bool verbose = false, no_colour = false;
    app.add_flag("--json", global.json, "print one JSON value instead of text");
    app.add_option("--threads", global.threads, "worker threads (default: the cores this process may use)")
        ->check(CLI::Range(0, 1024));
    app.add_flag("--no-color", no_colour, "plain text, as NO_COLOR=1");
    app.add_flag("-v,--verbose", verbose, "log what happens on stderr");

    Action chosen;
    for (const Command* command : kCommands) {
        CLI::App* sub = app.add_subcommand(std::string(command->name), std::string(command->summary));
        Action action = command->setup(*sub, global);
        sub->callback([&chosen, action = std::move(action)] { chosen = action; });
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        const int rc = app.exit(e);
        return rc == 0 ? 0 : info(Fault::usage).exit_code;
    }
    if (no_colour) set_colours(Colours::never);
    if (verbose) log::set_level(log::Level::debug);
    const Result<int> outcome = chosen();
    return outcome ? *outcome : report(outcome.error(), global.json);
}

}  // namespace

}  // namespace hearth::cli

int main(int argc, char** argv) {
    try {
        return hearth::cli::run(argc, argv);
    } catch (const std::bad_alloc&) {
        std::fputs("hearth: out of memory\n", stderr);
        return hearth::info(hearth::Fault::no_memory).exit_code;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "hearth: a bug of ours: %s\n", e.what());
        return hearth::info(hearth::Fault::internal).exit_code;
    }
}
