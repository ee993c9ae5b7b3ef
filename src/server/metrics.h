// server/metrics.h - what was served, as a page in Prometheus' text format.
#pragma once

#include <string>

#include "server/engine_thread.h"

namespace hearth::server {

// plan/server_metrics.cpp reads these names.
std::string metrics_text(const EngineThread::Served& served, const EngineThread::Load& load);

}  // namespace hearth::server
