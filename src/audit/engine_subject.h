// audit/engine_subject.h - a model of this program as the subject of an audit: files, engine, prompt.
#pragma once

#include <memory>
#include <string>

#include "audit/subject.h"
#include "base/file.h"
#include "engine/engine.h"

namespace hearth::audit {

// Loads a model for an audit: float32 activations (EngineOptions::exact is set here), whatever the weights'
// format. `name` is what reports call it. Errors: those of load_model and Engine::open; unsupported when it
// has no tokenizer or no chat format that is known here.
Result<std::unique_ptr<Subject>> open_subject(const fs::path& path, const std::string& name,
                                              engine::EngineOptions options);

// The same over a model that runs already; the engine must have been opened with `exact`.
Result<std::unique_ptr<Subject>> make_subject(std::unique_ptr<engine::Engine> engine,
                                              const std::string& name);

}  // namespace hearth::audit
