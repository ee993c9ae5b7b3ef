// cli/panel_keeper.h - keeps packed weights beside the model for the next start, while this one already
// answers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "models/model.h"

namespace hearth::cli {

inline constexpr const char* kNoPanelCache = "--no-panel-cache";
inline constexpr const char* kNoPanelCacheHelp =
    "neither use nor keep packed weights beside the model (NAME.panels, as large as its weights, for quick "
    "starts)";

class PanelKeeper {
  public:
    // Begins in the background, unless the model came out of a cache whole. Failures are logged, no more.
    explicit PanelKeeper(std::shared_ptr<const models::Model> model);
    ~PanelKeeper();  // what is not finished is left
    PanelKeeper(const PanelKeeper&) = delete;
    PanelKeeper& operator=(const PanelKeeper&) = delete;

    // Waits, with a bar on a terminal, until all is written or `interrupted` says so; then says where.
    void finish(const std::function<bool()>& interrupted);

  private:
    void keep();
    std::shared_ptr<const models::Model> model_;
    std::atomic<bool> stop_{false}, done_{true};
    std::atomic<std::uint64_t> written_{0};
    std::string outcome_;  // whole when done_
    std::thread worker_;
};

}  // namespace hearth::cli
