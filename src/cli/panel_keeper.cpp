// cli/panel_keeper.cpp - one thread that writes; the model is shared and never changes.
#include "cli/panel_keeper.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "base/log.h"
#include "base/terminal.h"

namespace hearth::cli {

PanelKeeper::PanelKeeper(std::shared_ptr<const models::Model> model) : model_(std::move(model)) {
    if (model_->kept.size() >= model_->matrices().size()) return;
    done_ = false;
    worker_ = std::thread([this] { keep(); });
}

PanelKeeper::~PanelKeeper() {
    stop_ = true;
    if (worker_.joinable()) worker_.join();
}

void PanelKeeper::keep() {
    using models::Kept;
    const fs::path path = models::panel_cache_path(model_->checkpoint.path());
    models::KeepOptions options;
    options.go_on = [this](std::uint64_t bytes) {
        written_ += bytes;
        return !stop_.load();
    };
    const auto kept = models::keep_panels(model_->checkpoint, model_->matrices(), options);
    if (!kept)
        outcome_ = fmt::format("packed weights are not kept: {}", kept.error().message);
    else if (*kept == Kept::written)
        outcome_ = fmt::format("packed weights are kept in {}: the next start maps them ({} leaves none)",
                               path.string(), kNoPanelCache);
    else if (*kept == Kept::no_room)
        outcome_ = fmt::format("packed weights are not kept: {} has not twice the room that they take",
                               fs::absolute(path).parent_path().string());
    if (!outcome_.empty()) log::info("{}", outcome_);
    done_ = true;
}

void PanelKeeper::finish(const std::function<bool()>& interrupted) {
    if (!worker_.joinable()) return;
    std::uint64_t bytes = 0, shown = 0;
    for (const models::NamedMatrix& named : model_->matrices())
        bytes += static_cast<std::uint64_t>(named.matrix->bytes());
    {
        Progress progress("keeping packed weights", bytes, "B");
        while (!done_ && !interrupted()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            const std::uint64_t written = written_;
            progress.advance(written - shown);
            shown = written;
        }
    }
    if (done_ && !outcome_.empty() && isatty(STDERR_FILENO) != 0)
        fmt::print(stderr, "hearth: {}\n", outcome_);
}

}  // namespace hearth::cli
