// hub/default_model.h - ember, the model inside the program, unpacked into the cache when it is first wanted.
#pragma once

#include "base/file.h"

namespace hearth::hub {

// Where caches go: $HEARTH_CACHE, else $XDG_CACHE_HOME/hearth, else ~/.cache/hearth. Errors: not_found (no
// home).
Result<fs::path> cache_folder();

// A folder with ember's checkpoint, tokenizer and template, and its benches under bench/. The name carries
// the content's hash, so a new version never meets an old folder. Errors: disk_full, io.
Result<fs::path> default_model();

// `model`, or the default one when it is empty or "ember" and no file of that name is here.
Result<fs::path> find_model(const std::string& model);

}  // namespace hearth::hub
