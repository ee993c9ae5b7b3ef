// cli/serving.h - what serve and up share: the server's flags, and running it until a signal.
#pragma once

#include <optional>
#include <string>

#include "base/limits.h"
#include "cli/command.h"
#include "kernels/kv_type.h"

namespace hearth::cli {

struct ServeOptions {
    std::string model, alias, api_key, api_key_file;
    std::string host = "127.0.0.1";
    bool exact = false;
    std::optional<kernels::KvType> kv;
    int port = 8080, batch = 16, context = 0, prefixes = 64;
    int queue = static_cast<int>(kRequestQueueMax);
    int drain_seconds = static_cast<int>(kHttpDrainTime.count());
    bool quiet = false;
    bool no_panel_cache = false;
};

void add_serve_flags(CLI::App& app, ServeOptions& options);  // all but the model
// Loads the model, serves, and returns after SIGINT or SIGTERM.
Result<int> serve(const ServeOptions& options, const GlobalOptions& global);

}  // namespace hearth::cli
