// cli/engine_flags.h - the flags of commands that run a model: how exact its arithmetic is, and the type of
// its KV cache.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "kernels/kv_type.h"

namespace hearth::cli {

inline void add_kv_flag(CLI::App& app, std::optional<kernels::KvType>& kv) {
    app.add_option_function<std::string>(
           "--kv", [&kv](const std::string& value) { kv = kernels::kv_type_named(value); },
           "type of the KV cache: f32, bf16, fp8 or q8 (default: bf16, f32 when exact)")
        ->check(CLI::IsMember({"f32", "bf16", "fp8", "q8"}));
}

inline void add_engine_flags(CLI::App& app, bool& exact, std::optional<kernels::KvType>& kv) {
    app.add_flag("--exact", exact, "float32 activations and KV cache, as audits use them");
    add_kv_flag(app, kv);
}

}  // namespace hearth::cli
